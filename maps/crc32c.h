// SPDX-License-Identifier: Apache-2.0
//
// crc32c_word() for inlining: the processor's instruction where there is one, else a table.
#pragma once

#include <array>
#include <cstdint>

namespace kiln::detail {

using Crc32cTable = std::array<std::array<std::uint32_t, 256>, 8>;
extern const Crc32cTable kCrc32cTable;
extern const bool kHaveCrc32Instruction;

/// Eight table look-ups, one per byte of the word.
inline std::uint32_t crc32c_word_table(std::uint32_t crc, std::uint64_t word) {
  const std::uint64_t v = word ^ crc;
  std::uint32_t result = 0;
  for (unsigned byte = 0; byte < 8; ++byte) {
    result ^= kCrc32cTable[7 - byte][(v >> (8 * byte)) & 0xff];
  }
  return result;
}

#if defined(__x86_64__)
/// REQUIRES: kHaveCrc32Instruction. Assembly, because the intrinsic cannot be inlined into code
/// that is compiled for processors without it.
inline std::uint32_t crc32c_word_sse42(std::uint32_t crc, std::uint64_t word) {
  std::uint64_t result = crc;
  asm("crc32q %1, %0" : "+r"(result) : "rm"(word));
  return static_cast<std::uint32_t>(result);
}
#endif

inline std::uint32_t crc32c_step(std::uint32_t crc, std::uint64_t word) {
#if defined(__x86_64__)
  if (kHaveCrc32Instruction) {
    return crc32c_word_sse42(crc, word);
  }
#endif
  return crc32c_word_table(crc, word);
}

}  // namespace kiln::detail
