// SPDX-License-Identifier: Apache-2.0
//
// The corner cases of RFC 9669 arithmetic, one by one, as compile-time facts and at run time.
#include "arithmetic.h"

#include <gtest/gtest.h>

namespace kiln::arithmetic {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

constexpr u64 kMin64 = 0x8000000000000000;
constexpr u32 kMin32 = 0x80000000;

TEST(Arithmetic, Wraps) {
  EXPECT_EQ(add<u64>(~u64{0}, 1), 0u);
  EXPECT_EQ(add<u32>(~u32{0}, 2), 1u);
  EXPECT_EQ(sub<u64>(0, 1), ~u64{0});
  EXPECT_EQ(mul<u64>(kMin64, 2), 0u);
  EXPECT_EQ(mul<u32>(0x10001, 0x10001), 0x20001u);
  EXPECT_EQ(neg<u64>(kMin64), kMin64);
  EXPECT_EQ(neg<u32>(kMin32), kMin32);
}

TEST(Arithmetic, DividesByZero) {
  EXPECT_EQ(div<u64>(7, 0), 0u);
  EXPECT_EQ(sdiv<u32>(7, 0), 0u);
  EXPECT_EQ(mod<u64>(7, 0), 7u);
  EXPECT_EQ(smod<u32>(~u32{0}, 0), ~u32{0});
}

TEST(Arithmetic, DividesSigned) {
  EXPECT_EQ(sdiv<u64>(kMin64, ~u64{0}), kMin64);
  EXPECT_EQ(sdiv<u32>(kMin32, ~u32{0}), kMin32);
  EXPECT_EQ(smod<u64>(kMin64, ~u64{0}), 0u);
  EXPECT_EQ(smod<u32>(kMin32, ~u32{0}), 0u);
  EXPECT_EQ(static_cast<std::int64_t>(sdiv<u64>(static_cast<u64>(-13), 3)), -4);
  EXPECT_EQ(static_cast<std::int64_t>(smod<u64>(static_cast<u64>(-13), 3)), -1);
  EXPECT_EQ(static_cast<std::int64_t>(smod<u64>(13, static_cast<u64>(-3))), 1);
}

TEST(Arithmetic, MasksShiftCounts) {
  EXPECT_EQ(lsh<u64>(1, 64), 1u);
  EXPECT_EQ(lsh<u64>(1, 63), kMin64);
  EXPECT_EQ(lsh<u32>(1, 32), 1u);
  EXPECT_EQ(rsh<u64>(kMin64, 127), 1u);
  EXPECT_EQ(arsh<u64>(kMin64, 63), ~u64{0});
  EXPECT_EQ(arsh<u32>(kMin32, 33), 0xc0000000u);
  EXPECT_EQ(rsh<u32>(kMin32, 0xffffffe1u), 0x40000000u);
}

TEST(Arithmetic, ExtendsAndSwaps) {
  EXPECT_EQ((sign_extend<std::int8_t, u64>(0x80)), 0xffffffffffffff80u);
  EXPECT_EQ((sign_extend<std::int8_t, u32>(0x80)), 0xffffff80u);
  EXPECT_EQ((sign_extend<std::int16_t, u64>(0x17fff)), 0x7fffu);
  EXPECT_EQ((sign_extend<std::int32_t, u64>(0x80000000)), 0xffffffff80000000u);
  EXPECT_EQ(swap16(0xaabbccdd), 0xddccu);
  EXPECT_EQ(swap32(0x1122334455667788), 0x88776655u);
  EXPECT_EQ(swap64(0x1122334455667788), 0x8877665544332211u);
}

}  // namespace
}  // namespace kiln::arithmetic
