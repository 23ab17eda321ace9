// SPDX-License-Identifier: Apache-2.0
#include "a64_immediates.h"

#include <set>

#include <gtest/gtest.h>

namespace kiln {
namespace {

/// As the architecture has them: element size, length of the run, rotation.
std::set<std::uint64_t> all_logical_immediates() {
  std::set<std::uint64_t> all;
  for (int size = 2; size <= 64; size *= 2) {
    for (int ones = 1; ones < size; ++ones) {
      for (int turn = 0; turn < size; ++turn) {
        std::uint64_t value = 0;
        for (int bit = 0; bit < 64; ++bit) {
          value |= std::uint64_t{(bit + turn) % size < ones} << bit;
        }
        all.insert(value);
      }
    }
  }
  return all;
}

TEST(A64Immediates, AreTheArchitecturesAndNoOthers) {
  const std::set<std::uint64_t> all = all_logical_immediates();
  EXPECT_EQ(all.size(), 5334u);
  for (const std::uint64_t value : all) {
    EXPECT_TRUE(is_logical_immediate(value, 64)) << std::hex << value;
    for (int bit = 0; bit < 64; bit += 7) {
      const std::uint64_t other = value ^ std::uint64_t{1} << bit;
      EXPECT_EQ(is_logical_immediate(other, 64), all.contains(other)) << std::hex << other;
    }
  }
  EXPECT_FALSE(is_logical_immediate(0, 64));
  EXPECT_FALSE(is_logical_immediate(~std::uint64_t{0}, 64));
  EXPECT_TRUE(is_logical_immediate(0xffff, 32));
  EXPECT_TRUE(is_logical_immediate(0xffffffff'0000ffff, 32));  // the upper half does not count
  EXPECT_FALSE(is_logical_immediate(0xffffffff, 32));
}

}  // namespace
}  // namespace kiln
