// SPDX-License-Identifier: Apache-2.0
//
// Settings that a program asks a kernel for (extern ... __kconfig), as libbpf answers: by the running kernel.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <kiln/btf.h>
#include <kiln/result.h>

namespace kiln::elf {

/// "CONFIG_HZ" -> "250", "CONFIG_BPF" -> "y", as in /boot/config-RELEASE or /proc/config.gz; read once. Empty
/// where neither can be read.
const std::map<std::string, std::string, std::less<>>& kernel_configuration();

/// The bytes of a setting for a variable of a type; empty: the kernel does not say.
/// \param type  BTF id of the VAR's type. \errors kInput if the value does not go into the type, without path.
Result<std::vector<std::byte>> setting(std::string_view name, const Btf& btf, std::uint32_t type,
                                       const std::map<std::string, std::string, std::less<>>& configuration);

}  // namespace kiln::elf
