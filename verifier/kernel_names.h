// SPDX-License-Identifier: Apache-2.0
//
// Names and shapes of the kernel's types, as its BTF and its messages have them.
#pragma once

#include <string_view>

#include <kiln/btf.h>
#include <kiln/program.h>

#include "tnum.h"

namespace kiln::verifier {

/// A type's kind in the kernel's words; 0 is void.
std::string_view kind_word(const Btf& btf, u32 type);

/// Does `type` hold, at `off`, a structure of type `wanted`?
bool holds_struct(const Btf& btf, u32 type, u32 off, u32 wanted);

/// The struct that a program's context is inside the kernel; empty: of no fixed type.
std::string_view kernel_context(ProgramType type);
/// The struct that a program's context is to the program; empty: of no fixed type.
std::string_view context_struct_name(ProgramType type);
bool is_context_name(ProgramType type, std::string_view name);

/// The kernel's structure behind a map; empty: it shows none.
std::string_view map_struct(MapType type);

}  // namespace kiln::verifier
