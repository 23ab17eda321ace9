// SPDX-License-Identifier: Apache-2.0
//
// Queues, stacks, Bloom filters, stack traces: order, limits, result codes.
#include <cerrno>

#include "test_maps.h"

namespace kiln::test {
namespace {

/// Pops until nothing is left.
std::vector<std::uint32_t> drain(MapSet& maps, std::size_t map = 0) {
  std::vector<std::uint32_t> all;
  for (ByteVector value(4); maps.pop(map, value) == 0;) {
    all.push_back(u32_of(value));
  }
  return all;
}

TEST(Queue, FirstInFirstOutAndFull) {
  MapSet maps = make(spec(MapType::kQueue, 0, 4, 3));
  for (std::uint32_t n = 1; n <= 3; ++n) {
    EXPECT_EQ(maps.push(0, u32(n), kAny), 0);
  }
  EXPECT_EQ(maps.push(0, u32(4), kAny), -E2BIG);
  EXPECT_EQ(maps.push(0, u32(4), kNoExist), -EINVAL);
  EXPECT_EQ(maps.push(0, u32(4), 4), -EINVAL);
  EXPECT_EQ(maps.push(0, u32(4), kExist), 0) << "the oldest makes room";
  ByteVector value(4);
  EXPECT_EQ(maps.peek(0, value), 0);
  EXPECT_EQ(value, u32(2));
  EXPECT_EQ(drain(maps), (std::vector<std::uint32_t>{2, 3, 4}));
  value = u32(9);
  EXPECT_EQ(maps.pop(0, value), -ENOENT);
  EXPECT_EQ(value, u32(0)) << "nothing there: zeros";
}

TEST(Queue, StackIsLastInFirstOutAndLosesItsOldest) {
  MapSet maps = make(spec(MapType::kStack, 0, 4, 3));
  for (std::uint32_t n = 1; n <= 5; ++n) {
    EXPECT_EQ(maps.push(0, u32(n), kExist), 0);
  }
  ByteVector value(4);
  EXPECT_EQ(maps.peek(0, value), 0);
  EXPECT_EQ(value, u32(5));
  EXPECT_EQ(drain(maps), (std::vector<std::uint32_t>{5, 4, 3}));
}

TEST(Queue, UserSpaceGoesTheSameWay) {
  MapSet maps = make({spec(MapType::kQueue, 0, 4, 3), spec(MapType::kBloomFilter, 0, 4, 3)});
  EXPECT_EQ(maps.user_update(0, {}, u32(7), kAny), 0);
  ByteVector value(4);
  EXPECT_EQ(maps.user_read(0, {}, value, 0), 0);
  EXPECT_EQ(value, u32(7));
  EXPECT_EQ(maps.user_read_and_erase(0, {}, value, 0), 0);
  EXPECT_EQ(maps.user_read_and_erase(0, {}, value, 0), -ENOENT);
  EXPECT_EQ(maps.user_erase(0, {}), -EINVAL);
  EXPECT_EQ(maps.user_erase(1, {}), -EOPNOTSUPP);
  EXPECT_EQ(maps.user_next_key(0, {}, {}), -EINVAL);
}

TEST(Queue, ContentsAreComparedInOrder) {
  MapSet left = make(spec(MapType::kQueue, 0, 4, 3));
  MapSet right = left;
  for (const std::uint32_t n : {1u, 2u}) {
    left.push(0, u32(n), kAny);
    right.push(0, u32(3 - n), kAny);
  }
  EXPECT_EQ(compare_maps(left, right, 10).size(), 2u);
  // Elsewhere in the ring, but the same values.
  MapSet moved = make(spec(MapType::kQueue, 0, 4, 3));
  ByteVector value(4);
  moved.push(0, u32(9), kAny);
  moved.pop(0, value);
  moved.push(0, u32(1), kAny);
  moved.push(0, u32(2), kAny);
  EXPECT_TRUE(compare_maps(left, moved, 10).empty());
}

TEST(Bloom, WhatWasPushedIsThere) {
  for (const std::uint32_t size : {1u, 4u, 7u, 16u, 20u}) {
    MapSet maps = make(spec(MapType::kBloomFilter, 0, size, 200));
    const auto value_of = [size](std::uint32_t n) {
      ByteVector value(std::max(size, 4u));
      std::memcpy(value.data(), &n, 4);
      value.resize(size);
      return value;
    };
    int wrong = 0;
    for (std::uint32_t n = 0; n < 200; ++n) {
      EXPECT_EQ(maps.push(0, value_of(n), kAny), 0);
    }
    for (std::uint32_t n = 0; n < 200; ++n) {
      ByteVector value = value_of(n);
      EXPECT_EQ(maps.peek(0, value), 0) << "a filter never forgets";
    }
    for (std::uint32_t n = 1000; n < 3000 && size >= 4; ++n) {
      ByteVector value = value_of(n);
      wrong += maps.peek(0, value) == 0;
    }
    EXPECT_LT(wrong, 60) << "3 of 100 is what five bits in seven tenths of a place each allow";
    EXPECT_EQ(maps.push(0, value_of(0), kExist), -EINVAL);
  }
}

TEST(StackTrace, SameTraceSameId) {
  MapSet maps = make(spec(MapType::kStackTrace, 4, 24, 4));
  const std::vector<std::uint64_t> trace = {0x1000, 0x2000};
  const std::int64_t id = put_stack_trace(maps.view(0), trace, 0);
  ASSERT_GE(id, 0);
  EXPECT_EQ(put_stack_trace(maps.view(0), trace, 0), id);
  const ByteVector key = u32(static_cast<std::uint32_t>(id));
  ByteVector value(24);
  EXPECT_EQ(maps.user_read(0, key, value, 0), 0);
  EXPECT_EQ(std::memcmp(value.data(), trace.data(), 16), 0);
  EXPECT_EQ(value[16], std::byte{0}) << "the rest is zero";
  EXPECT_EQ(maps.user_update(0, key, value, kAny), -EINVAL);
  ByteVector next(4);
  EXPECT_EQ(maps.user_next_key(0, {}, next), 0);
  EXPECT_EQ(next, key);
  EXPECT_EQ(maps.user_next_key(0, key, next), -ENOENT);
  EXPECT_EQ(maps.user_erase(0, key), 0);
  EXPECT_EQ(maps.user_erase(0, key), -ENOENT);
  EXPECT_EQ(maps.user_erase(0, u32(4)), -E2BIG);
  EXPECT_EQ(maps.user_read(0, key, value, 0), -ENOENT);
}

TEST(StackTrace, AnotherTraceInTheSameBucket) {
  MapSet maps = make(spec(MapType::kStackTrace, 4, 8, 1));
  const std::vector<std::uint64_t> one = {1}, two = {2};
  EXPECT_EQ(put_stack_trace(maps.view(0), one, 0), 0);
  EXPECT_EQ(put_stack_trace(maps.view(0), two, 0), -EEXIST);
  EXPECT_EQ(put_stack_trace(maps.view(0), two, 1 << 10), -ENOMEM) << "the kernel needs a spare one, too";
}

TEST(LocalStorage, OwnersHaveValues) {
  MapSpec storage = spec(MapType::kSkStorage, 4, 8, 0, kNoPrealloc);
  storage.btf_key_type = storage.btf_value_type = 1;
  MapSet maps = make(storage);
  const ByteVector value = bytes({1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(maps.lookup(0, u32(5), 0), std::nullopt);
  EXPECT_EQ(maps.update(0, u32(5), value, kExist, 0), -ENOENT);
  EXPECT_EQ(maps.update(0, u32(5), value, kNoExist, 0), 0);
  EXPECT_TRUE(maps.lookup(0, u32(5), 0));
  EXPECT_EQ(maps.user_erase(0, u32(5)), 0);
  EXPECT_EQ(maps.user_erase(0, u32(5)), -ENOENT);
}

}  // namespace
}  // namespace kiln::test
