// SPDX-License-Identifier: Apache-2.0
#include <kiln/kernel_addresses.h>

#include <charconv>
#include <fstream>
#include <string>

namespace kiln {

void for_each_kernel_symbol(const std::function<void(std::string_view name, std::uint64_t address)>& visit) {
  std::ifstream symbols("/proc/kallsyms");
  for (std::string line; std::getline(symbols, line);) {  // "ffffffff81000000 T name", and a module's name behind a tab
    std::uint64_t address = 0;
    const auto [end, status] = std::from_chars(line.data(), line.data() + line.size(), address, 16);
    const std::string_view rest = std::string_view(line).substr(static_cast<std::size_t>(end - line.data()));
    constexpr std::size_t kKind = 3;  // " T "
    if (status == std::errc() && rest.size() > kKind) {
      visit(rest.substr(kKind, rest.find('\t') - kKind), address);
    }
  }
}

}  // namespace kiln
