// SPDX-License-Identifier: Apache-2.0
//
// The running kernel's own list of its symbols.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace kiln {

/// Calls back for every symbol; its address is 0 where the kernel hides addresses. Reads some 100,000 lines.
/// \source /proc/kallsyms
void for_each_kernel_symbol(const std::function<void(std::string_view name, std::uint64_t address)>& visit);

}  // namespace kiln
