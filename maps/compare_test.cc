// SPDX-License-Identifier: Apache-2.0
#include "test_maps.h"

#include <algorithm>

namespace kiln::test {
namespace {

const std::vector<MapSpec> kSpecs = {spec(MapType::kHash, 4, 4, 8, 0, "h"),
                                     spec(MapType::kArray, 4, 4, 3, 0, "a"),
                                     spec(MapType::kDevmap, 4, 4, 2, 0, "d")};

TEST(CompareMaps, ContentCountsNotHistory) {
  MapSet left = make(kSpecs);
  MapSet right = make(kSpecs);
  for (std::uint32_t key = 1; key <= 4; ++key) {
    left.update(0, u32(key), u32(key), kAny, 0);
    right.update(0, u32(5 - key), u32(9), kAny, 0);
    right.update(0, u32(5 - key), u32(5 - key), kAny, 0);
  }
  EXPECT_FALSE(std::equal(left.arena().begin(), left.arena().end(), right.arena().begin()));
  EXPECT_TRUE(compare_maps(left, right, 10).empty());
}

TEST(CompareMaps, ReportsMissingExtraAndDifferentSortedByKey) {
  MapSet left = make(kSpecs);
  MapSet right = make(kSpecs);
  left.update(0, u32(3), u32(1), kAny, 0);
  left.update(0, u32(1), u32(1), kAny, 0);
  left.update(0, u32(4), u32(1), kAny, 0);
  right.update(0, u32(2), u32(2), kAny, 0);
  right.update(0, u32(3), u32(2), kAny, 0);
  right.update(0, u32(4), u32(1), kAny, 0);
  right.update(1, u32(2), u32(7), kAny, 0);
  left.user_update(2, u32(1), u32(1), kAny);
  const auto differences = compare_maps(left, right, 10);
  ASSERT_EQ(differences.size(), 5u);
  EXPECT_EQ(differences[0].key, u32(1));
  EXPECT_EQ(differences[0].left, u32(1));
  EXPECT_TRUE(differences[0].right.empty());
  EXPECT_EQ(differences[1].key, u32(2));
  EXPECT_TRUE(differences[1].left.empty());
  EXPECT_EQ(differences[1].right, u32(2));
  EXPECT_EQ(differences[2].key, u32(3));
  EXPECT_EQ(differences[2].left, u32(1));
  EXPECT_EQ(differences[2].right, u32(2));
  EXPECT_EQ(differences[3].map, 1u);
  EXPECT_EQ(differences[3].left, u32(0));
  EXPECT_EQ(differences[4].map, 2u);
  EXPECT_TRUE(differences[4].right.empty());
  EXPECT_EQ(compare_maps(left, right, 2).size(), 2u);
}

}  // namespace
}  // namespace kiln::test
