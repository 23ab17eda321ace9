// SPDX-License-Identifier: Apache-2.0
//
// A value printed by its BTF type, as bpftool prints it.
//
// Numbers by their signedness, enumerators by name, strings where an array of char holds one, bit-fields and
// 128-bit numbers in hexadecimal, members of structs and unions by name. What bpftool has no rule for
// (floating point) is a number here.
#pragma once

#include <cstddef>
#include <span>

#include <kiln/btf.h>
#include <kiln/json_writer.h>

namespace kiln {

/// \param plain  for people: addresses and bit-fields are hexadecimal numbers without quotes, which is not JSON.
/// \return false: the type needs more bytes than `value` has, or is not one of data; what was written is incomplete.
bool format_btf(const Btf& btf, std::uint32_t type, std::span<const std::byte> value, bool plain, JsonWriter& out);

}  // namespace kiln
