// SPDX-License-Identifier: Apache-2.0
//
// LRU maps: who is evicted, and that nothing else differs from a hash.
#include <cerrno>
#include <random>
#include <set>

#include "test_maps.h"

namespace kiln::test {
namespace {

TEST(Lru, EvictsTheOldestThatWasNotLookedUp) {
  MapSet maps = make(spec(MapType::kLruHash, 4, 4, 3));
  for (std::uint32_t key = 1; key <= 3; ++key) {
    ASSERT_EQ(maps.update(0, u32(key), u32(key), kNoExist, 0), 0);
  }
  ASSERT_TRUE(maps.lookup(0, u32(1), 0));
  ASSERT_EQ(maps.update(0, u32(4), u32(4), kAny, 0), 0);
  EXPECT_TRUE(maps.user_lookup(0, u32(1)));
  EXPECT_FALSE(maps.user_lookup(0, u32(2)));
  EXPECT_EQ(header(maps).count, 3u);
  check_structure(maps, 0);
  // The mark was cleared when it became active, and is not set by user space.
  ASSERT_EQ(maps.update(0, u32(5), u32(5), kAny, 0), 0);
  EXPECT_FALSE(maps.user_lookup(0, u32(3)));
}

// Linux takes an entry before it looks whether it needs one.
TEST(Lru, AFailedUpdateOfAFullMapEvicts) {
  MapSet maps = make(spec(MapType::kLruHash, 4, 4, 1));
  ASSERT_EQ(maps.update(0, u32(1), u32(1), kAny, 0), 0);
  EXPECT_EQ(maps.update(0, u32(2), u32(2), 7, 0), -EINVAL);
  EXPECT_TRUE(maps.user_lookup(0, u32(1)));
  EXPECT_EQ(maps.update(0, u32(2), u32(2), kExist, 0), -ENOENT);
  EXPECT_FALSE(maps.user_lookup(0, u32(1)));
  check_structure(maps, 0);
}

TEST(Lru, AProcessorTakesManyAtOnce) {
  MapSet maps = make(spec(MapType::kLruHash, 4, 4, 300));  // 128 at a time
  for (std::uint32_t key = 0; key < 257; ++key) {
    ASSERT_EQ(maps.update(0, u32(key), u32(key), kAny, 0), 0);
  }
  EXPECT_EQ(header(maps).count, 257u - (128u - 44u)) << "only 44 were free, so 84 went";
  EXPECT_FALSE(maps.user_lookup(0, u32(83)));
  EXPECT_TRUE(maps.user_lookup(0, u32(84)));
  check_structure(maps, 0);
}

TEST(Lru, WhatIsRestoredThrowsNobodyOut) {
  MapSet maps = make(spec(MapType::kLruHash, 4, 4, 300));
  for (std::uint32_t key = 0; key < 300; ++key) {
    ASSERT_EQ(maps.restore(0, u32(key), u32(key)), 0);
  }
  EXPECT_EQ(header(maps).count, 300u);
  check_structure(maps, 0);
}

TEST(Lru, TheNumberOfProcessorsDecides) {
  const std::vector<MapSpec> one = {spec(MapType::kLruHash, 4, 4, 100), spec(MapType::kLruHash, 4, 4, 101, kNoCommonLru)};
  auto maps = MapSet::create(one, 1, 4);
  ASSERT_TRUE(maps);
  EXPECT_EQ(maps->descriptor(0).hash_count, 12u);
  EXPECT_EQ(maps->descriptor(0).cpu_count, 1u);
  EXPECT_EQ(maps->descriptor(1).hash_count, 0u);
  EXPECT_EQ(maps->spec(1).max_entries, 104u);
  EXPECT_EQ(maps->descriptor(1).entry_count, 26u);
}

TEST(Lru, RandomUseStaysConsistentAndKeepsTheNewest) {
  for (const MapType type : {MapType::kLruHash, MapType::kLruPercpuHash}) {
    MapSet maps = make(spec(type, 4, 4, 20), 2);
    std::mt19937 random(3);
    std::set<std::uint32_t> deleted;
    for (int step = 0; step < 5000; ++step) {
      const std::uint32_t key = random() % 60;
      switch (random() % 4) {
        case 0:
          maps.lookup(0, u32(key), 0);
          break;
        case 1: {
          const bool known = maps.user_lookup(0, u32(key)).has_value();
          ASSERT_EQ(maps.erase(0, u32(key)), known ? 0 : -ENOENT);
          break;
        }
        default:
          ASSERT_EQ(maps.update(0, u32(key), u32(key), kAny, random() % 2), 0);
          ASSERT_TRUE(maps.user_lookup(0, u32(key)));
          break;
      }
      ASSERT_LE(header(maps).count, 20u);
    }
    check_structure(maps, 0);
  }
}

}  // namespace
}  // namespace kiln::test
