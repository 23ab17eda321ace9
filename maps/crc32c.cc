// SPDX-License-Identifier: Apache-2.0
//
// The CRC-32C table and the choice between it and the instruction, made once at start-up.
#include "crc32c.h"

#include <kiln/map_layout.h>

namespace kiln {
namespace detail {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // 0x1EDC6F41 with its bits reversed

// Row r, column b: byte b followed by r zero bytes, through the bitwise definition.
constexpr Crc32cTable make_table() {
  Crc32cTable table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (auto& row : table) {
      for (int bit = 0; bit < 8; ++bit) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
      }
      row[byte] = crc;
    }
  }
  return table;
}

bool have_crc32_instruction() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.2") != 0;
#else
  return false;
#endif
}

}  // namespace

constexpr Crc32cTable kTable = make_table();
const Crc32cTable kCrc32cTable = kTable;
const bool kHaveCrc32Instruction = have_crc32_instruction();

}  // namespace detail

std::uint32_t crc32c_word(std::uint32_t crc, std::uint64_t word) {
  return detail::crc32c_step(crc, word);
}

}  // namespace kiln
