// SPDX-License-Identifier: Apache-2.0
//
// What user space may do: per-CPU values, slot arrays, read-only data, clearing.
#include <algorithm>
#include <cerrno>

#include "test_maps.h"

namespace kiln::test {
namespace {

TEST(UserOps, PerCpuValuesAreSetTogetherAndPaddingStaysZero) {
  for (const MapType type :
       {MapType::kPercpuHash, MapType::kPercpuArray, MapType::kLruPercpuHash}) {
    MapSet maps = make(spec(type, 4, 3, 2), 2);
    const ByteVector value = bytes({1, 2, 3, 99, 99, 99, 99, 99, 4, 5, 6, 99, 99, 99, 99, 99});
    ASSERT_EQ(maps.user_update(0, u32(1), value, kAny), 0);
    EXPECT_EQ(maps.user_lookup(0, u32(1)), bytes({1, 2, 3, 0, 0, 0, 0, 0, 4, 5, 6, 0, 0, 0, 0, 0}));
  }
}

TEST(UserOps, ProgArray) {
  MapSet maps = make(spec(MapType::kProgArray, 4, 4, 2));
  EXPECT_EQ(maps.user_update(0, u32(0), u32(3), kExist), -EINVAL);
  EXPECT_EQ(maps.user_update(0, u32(2), u32(3), kAny), -E2BIG);
  EXPECT_EQ(maps.user_update(0, u32(0), u32(0), kAny), -EBADF);
  EXPECT_EQ(maps.user_update(0, u32(0), u32(3), kAny), 0);
  EXPECT_EQ(word<std::uint32_t>(maps, maps.lookup(0, u32(0), 0).value()), 3u);
  EXPECT_EQ(maps.lookup(0, u32(1), 0), std::nullopt);
  EXPECT_EQ(maps.user_erase(0, u32(1)), -ENOENT);
  EXPECT_EQ(maps.user_erase(0, u32(2)), -E2BIG);
  EXPECT_EQ(maps.user_erase(0, u32(0)), 0);
  EXPECT_EQ(maps.user_lookup(0, u32(0)), std::nullopt);
}

TEST(UserOps, Devmap) {
  MapSet maps = make(spec(MapType::kDevmap, 4, 4, 2));
  EXPECT_EQ(maps.user_update(0, u32(0), u32(1), 3), -EINVAL);
  EXPECT_EQ(maps.user_update(0, u32(2), u32(1), kNoExist), -E2BIG);
  EXPECT_EQ(maps.user_update(0, u32(0), u32(1), kNoExist), -EEXIST);
  EXPECT_EQ(maps.user_update(0, u32(0), u32(1), kExist), 0);
  EXPECT_TRUE(maps.user_lookup(0, u32(0)));
  EXPECT_EQ(maps.user_update(0, u32(0), u32(0), kAny), 0);
  EXPECT_FALSE(maps.user_lookup(0, u32(0)));
  EXPECT_EQ(maps.user_erase(0, u32(1)), 0);
  EXPECT_EQ(maps.user_erase(0, u32(2)), -EINVAL);
}

TEST(UserOps, DevmapHash) {
  MapSet maps = make(spec(MapType::kDevmapHash, 4, 8, 1));
  const ByteVector lo = bytes({1, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(maps.user_update(0, u32(5), ByteVector(8), kAny), -EINVAL);
  EXPECT_EQ(maps.user_update(0, u32(5), lo, kExist), 0) << "as the kernel";
  EXPECT_EQ(maps.user_update(0, u32(5), lo, kNoExist), -EEXIST);
  EXPECT_EQ(maps.user_update(0, u32(6), lo, kAny), -E2BIG);
  EXPECT_EQ(maps.user_erase(0, u32(6)), -ENOENT);
  EXPECT_EQ(maps.user_erase(0, u32(5)), 0);
}

TEST(UserOps, CpumapAndXskmap) {
  MapSet maps = make({spec(MapType::kCpumap, 4, 4, 2), spec(MapType::kXskmap, 4, 4, 2)});
  EXPECT_EQ(maps.user_update(0, u32(0), u32(16385), kAny), -EOVERFLOW);
  EXPECT_EQ(maps.user_update(0, u32(0), u32(64), kAny), 0);
  EXPECT_EQ(maps.user_update(1, u32(0), u32(5), kExist), -ENOENT);
  EXPECT_EQ(maps.user_update(1, u32(0), u32(5), kNoExist), 0);
  EXPECT_EQ(maps.user_update(1, u32(0), u32(5), kNoExist), 0) << "the same socket again";
  EXPECT_EQ(maps.user_update(1, u32(0), u32(6), kNoExist), -EEXIST);
}

TEST(UserOps, MapsOfMapsTakeOnlyMapsThatAreThere) {
  MapSet maps = make({spec(MapType::kArrayOfMaps, 4, 4, 2), spec(MapType::kHashOfMaps, 4, 4, 2)});
  for (std::size_t map : {0u, 1u}) {
    EXPECT_EQ(maps.user_update(map, u32(0), u32(0), kAny), -EBADF);
    EXPECT_EQ(maps.user_update(map, u32(0), u32(3), kAny), -EBADF);
    EXPECT_EQ(maps.user_update(map, u32(0), u32(2), kAny), 0);
  }
}

TEST(UserOps, ReadOnlyDataStays) {
  MapSpec rodata = spec(MapType::kArray, 4, 4, 1, 0, ".rodata");
  rodata.initial = u32(5);
  rodata.is_readonly = true;
  MapSet maps = make(rodata);
  EXPECT_EQ(maps.user_update(0, u32(0), u32(6), kAny), -EPERM);
  EXPECT_EQ(maps.user_erase(0, u32(0)), -EPERM);
  EXPECT_EQ(maps.user_lookup(0, u32(0)), u32(5));
}

TEST(UserOps, ClearGivesAFreshMapAndLeavesTheOthers) {
  std::vector<MapSpec> specs;
  for (const MapType type :
       {MapType::kHash, MapType::kLpmTrie, MapType::kArray, MapType::kLruHash}) {
    specs.push_back(spec(type, type == MapType::kLpmTrie ? 5 : 4, 4, 4));
  }
  for (std::size_t cleared = 0; cleared < specs.size(); ++cleared) {
    MapSet maps = make(specs);
    MapSet expected = make(specs);
    for (std::size_t map = 0; map < specs.size(); ++map) {
      const ByteVector key(specs[map].key_size, std::byte{1});
      maps.user_update(map, key, u32(9), kAny);
      maps.user_update(map, key, u32(8), kAny);
      if (map != cleared) {
        expected.user_update(map, key, u32(9), kAny);
        expected.user_update(map, key, u32(8), kAny);
      }
    }
    maps.clear(cleared);
    EXPECT_TRUE(std::equal(maps.arena().begin(), maps.arena().end(), expected.arena().begin()));
  }
}

}  // namespace
}  // namespace kiln::test
