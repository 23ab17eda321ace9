// SPDX-License-Identifier: Apache-2.0
#include "crc32c.h"

#include <gtest/gtest.h>

#include <random>

#include <kiln/map_layout.h>

namespace kiln {
namespace {

std::uint32_t bitwise(std::uint32_t crc, std::uint64_t word) {
  std::uint64_t v = word ^ crc;
  for (int bit = 0; bit < 64; ++bit) {
    v = (v >> 1) ^ ((v & 1) != 0 ? 0x82f63b78u : 0);
  }
  return static_cast<std::uint32_t>(v);
}

// RFC 3720, B.4: 32 bytes of zeros, of ones, and ascending bytes, with the final inversion undone.
TEST(Crc32c, MatchesRfc3720) {
  const auto run = [](std::uint64_t first, std::uint64_t step) {
    std::uint32_t crc = kHashSeed;
    for (int i = 0; i < 4; ++i) {
      crc = crc32c_word(crc, first);
      first += step;
    }
    return ~crc;
  };
  EXPECT_EQ(run(0, 0), 0x8a9136aau);
  EXPECT_EQ(run(~0ull, 0), 0x62a8ab43u);
  EXPECT_EQ(run(0x0706050403020100, 0x0808080808080808), 0x46dd794eu);
}

TEST(Crc32c, TableInstructionAndDefinitionAgree) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const auto crc = static_cast<std::uint32_t>(random());
    const std::uint64_t word = i < 64 ? 1ull << i : random();
    const std::uint32_t expected = bitwise(crc, word);
    ASSERT_EQ(detail::crc32c_word_table(crc, word), expected);
    ASSERT_EQ(crc32c_word(crc, word), expected);
#if defined(__x86_64__)
    if (detail::kHaveCrc32Instruction) {
      ASSERT_EQ(detail::crc32c_word_sse42(crc, word), expected);
    }
#endif
  }
}

}  // namespace
}  // namespace kiln
