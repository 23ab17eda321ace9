// SPDX-License-Identifier: Apache-2.0
//
// Ring buffers: order, room, records across the end, records that are given up.
#include <cerrno>
#include <deque>
#include <random>

#include <kiln/ring_reader.h>

#include "test_maps.h"

namespace kiln::test {
namespace {

TEST(Ring, RecordsComeOutInTheOrderOfTheirReservation) {
  MapSet maps = make(spec(MapType::kRingbuf, 0, 0, 4096));
  const auto a = maps.ring_reserve(0, 4);
  const auto b = maps.ring_reserve(0, 8);
  ASSERT_TRUE(a && b);
  EXPECT_EQ(*b, *a + 16);
  EXPECT_EQ(word<std::uint32_t>(maps, *a - 8), 4 | kRingBusy);
  std::memcpy(maps.arena().data() + *a, u32(1).data(), 4);
  std::memcpy(maps.arena().data() + *b, bytes({2, 2, 2, 2, 2, 2, 2, 2}).data(), 8);
  ring_commit(maps.arena().data(), *b, false);
  EXPECT_EQ(maps.ring_take(0), std::nullopt) << "the first is not committed";
  ring_commit(maps.arena().data(), *a, false);
  EXPECT_EQ(maps.ring_take(0), u32(1));
  EXPECT_EQ(maps.ring_take(0), bytes({2, 2, 2, 2, 2, 2, 2, 2}));
  EXPECT_EQ(maps.ring_take(0), std::nullopt);
  EXPECT_EQ(ring_query(maps.view(0), 0), 0u);
  EXPECT_EQ(ring_query(maps.view(0), 1), 4096u);
  EXPECT_EQ(ring_query(maps.view(0), 2), 32u);
  EXPECT_EQ(ring_query(maps.view(0), 3), 32u);
  EXPECT_EQ(ring_query(maps.view(0), 4), 0u);
}

TEST(Ring, DiscardedRecordsArePassedOver) {
  MapSet maps = make(spec(MapType::kRingbuf, 0, 0, 4096));
  ring_commit(maps.arena().data(), maps.ring_reserve(0, 100).value(), true);
  EXPECT_EQ(maps.ring_output(0, u32(5), 0), 0);
  EXPECT_EQ(maps.ring_take(0), u32(5));
}

TEST(Ring, WhatIsForgottenIsWhatIsComplete) {
  MapSet maps = make(spec(MapType::kRingbuf, 0, 0, 4096));
  ring_forget(maps.view(0));
  EXPECT_EQ(maps.ring_output(0, u32(1), 0), 0);
  ring_commit(maps.arena().data(), maps.ring_reserve(0, 100).value(), true);
  const auto busy = maps.ring_reserve(0, 4);
  EXPECT_EQ(maps.ring_output(0, u32(2), 0), 0);
  ring_forget(maps.view(0));
  EXPECT_EQ(ring_query(maps.view(0), 2), 16u + 112) << "up to the one that is being written";
  std::memcpy(maps.arena().data() + busy.value(), u32(3).data(), 4);
  ring_commit(maps.arena().data(), busy.value(), false);
  EXPECT_EQ(maps.ring_take(0), u32(3));
  EXPECT_EQ(maps.ring_take(0), u32(2));
}

TEST(Ring, RoomAndFlags) {
  MapSet maps = make(spec(MapType::kRingbuf, 0, 0, 4096));
  EXPECT_FALSE(maps.ring_reserve(0, 4096)) << "no room for the header";
  EXPECT_FALSE(maps.ring_reserve(0, 4088)) << "one byte must stay free";
  EXPECT_FALSE(maps.ring_reserve(0, ~0ull));
  EXPECT_TRUE(maps.ring_reserve(0, 4080));
  EXPECT_EQ(maps.ring_output(0, u32(1), 0), -EAGAIN);
  EXPECT_EQ(maps.ring_output(0, u32(1), 4), -EINVAL);
  MapSet other = make(spec(MapType::kRingbuf, 0, 0, 4096));
  EXPECT_EQ(other.ring_output(0, {}, 3), 0) << "a record may be empty, wake-ups may be asked for";
  EXPECT_EQ(other.ring_take(0), ByteVector());
}

TEST(Ring, RecordsGoOnPastTheEnd) {
  MapSet maps = make(spec(MapType::kRingbuf, 0, 0, 4096));
  std::mt19937 random(3);
  std::deque<ByteVector> expected;
  int full = 0;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0) {
      ByteVector record(random() % 1500);
      for (std::byte& byte : record) {
        byte = std::byte(random());
      }
      const std::int64_t result = maps.ring_output(0, record, 0);
      if (result == 0) {
        expected.push_back(record);
      }
      full += result == -EAGAIN;
    } else {
      const auto taken = maps.ring_take(0);
      ASSERT_EQ(taken.has_value(), !expected.empty());
      if (taken) {
        ASSERT_EQ(*taken, expected.front());
        expected.pop_front();
      }
    }
  }
  EXPECT_GT(full, 100);
}

TEST(Ring, AnotherStateOfTheSameRecordsIsEqual) {
  MapSet left = make(spec(MapType::kRingbuf, 0, 0, 4096));
  MapSet right = left;
  right.ring_output(0, u32(9), 0);
  right.ring_take(0);
  left.ring_output(0, u32(1), 0);
  right.ring_output(0, u32(1), 0);
  EXPECT_TRUE(compare_maps(left, right, 4).empty());
  right.ring_output(0, u32(2), 0);
  EXPECT_EQ(compare_maps(left, right, 4).size(), 1u);
}

// What the kernel's bpf_user_ringbuf_drain() says to a producer's mistakes.
TEST(Ring, UserRecordsAreChecked) {
  MapSet maps = make(spec(MapType::kUserRingbuf, 0, 0, 4096));
  std::byte* header = maps.arena().data() + maps.descriptor(0).header;
  const auto set_producer = [&](std::uint64_t position) { std::memcpy(header + 8, &position, 8); };
  RingRecord record;
  EXPECT_EQ(ring_next(maps.view(0), record), -ENODATA);
  set_producer(12);
  EXPECT_EQ(ring_next(maps.view(0), record), -EINVAL);
  set_producer(16);
  std::memcpy(maps.arena().data() + maps.descriptor(0).entries, u32(100).data(), 4);
  EXPECT_EQ(ring_next(maps.view(0), record), -EINVAL) << "longer than what was announced";
  set_producer(8192);
  std::memcpy(maps.arena().data() + maps.descriptor(0).entries, u32(5000).data(), 4);
  EXPECT_EQ(ring_next(maps.view(0), record), -E2BIG);
  std::memcpy(maps.arena().data() + maps.descriptor(0).entries, u32(8 | kRingBusy).data(), 4);
  EXPECT_EQ(ring_next(maps.view(0), record), -ENODATA);
  std::memcpy(maps.arena().data() + maps.descriptor(0).entries, u32(8 | kRingDiscard).data(), 4);
  EXPECT_EQ(ring_next(maps.view(0), record), -EAGAIN);
  EXPECT_EQ(ring_query(maps.view(0), 2), 16u);
}

}  // namespace
}  // namespace kiln::test
