// SPDX-License-Identifier: Apache-2.0
//
// Hash and array operations: results, where values lie, and the table's structure, against
// std::map.
#include <cerrno>
#include <map>
#include <random>

#include "test_maps.h"

namespace kiln::test {
namespace {

TEST(ArrayOps, ResultCodesAndOrderOfChecks) {
  MapSet maps = make(spec(MapType::kArray, 4, 8, 4));
  const ByteVector value = bytes({1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(maps.update(0, u32(1), value, kAny, 0), 0);
  EXPECT_EQ(maps.update(0, u32(1), value, kExist, 0), 0);
  EXPECT_EQ(maps.update(0, u32(1), value, kNoExist, 0), -EEXIST);
  EXPECT_EQ(maps.update(0, u32(4), value, kNoExist, 0), -E2BIG);
  EXPECT_EQ(maps.update(0, u32(4), value, 3, 0), -EINVAL);
  EXPECT_EQ(maps.update(0, u32(4), value, 4, 0), -E2BIG);
  EXPECT_EQ(maps.update(0, u32(1), value, 5, 0), -EEXIST);
  EXPECT_EQ(maps.update(0, u32(1), value, 4, 0), -EINVAL);
  EXPECT_EQ(maps.update(0, u32(1), value, 1ull << 32, 0), -EINVAL);
  EXPECT_EQ(maps.erase(0, u32(1)), -EINVAL);
  EXPECT_EQ(maps.lookup(0, u32(1), 0), maps.descriptor(0).entries + 8);
  EXPECT_EQ(maps.lookup(0, u32(4), 0), std::nullopt);
  EXPECT_EQ(maps.user_lookup(0, u32(1)), value);
}

TEST(HashOps, ResultCodesAndOrderOfChecks) {
  MapSet maps = make(spec(MapType::kHash, 4, 4, 2));
  EXPECT_EQ(maps.update(0, u32(1), u32(10), kExist, 0), -ENOENT);
  EXPECT_EQ(maps.update(0, u32(1), u32(10), 3, 0), -EINVAL);
  EXPECT_EQ(maps.update(0, u32(1), u32(10), 4, 0), -EINVAL);
  EXPECT_EQ(maps.update(0, u32(1), u32(10), kNoExist, 0), 0);
  EXPECT_EQ(maps.update(0, u32(1), u32(11), kNoExist, 0), -EEXIST);
  EXPECT_EQ(maps.update(0, u32(2), u32(20), kAny, 0), 0);
  EXPECT_EQ(maps.update(0, u32(3), u32(30), kAny, 0), -E2BIG);
  EXPECT_EQ(maps.update(0, u32(3), u32(30), kExist, 0), -ENOENT);
  EXPECT_EQ(maps.update(0, u32(2), u32(21), kExist, 0), 0);
  EXPECT_EQ(maps.erase(0, u32(3)), -ENOENT);
  EXPECT_EQ(maps.erase(0, u32(1)), 0);
  EXPECT_EQ(maps.update(0, u32(3), u32(30), kAny, 0), 0);
  EXPECT_EQ(maps.user_lookup(0, u32(2)), u32(21));
  check_structure(maps, 0);
}

// As in the kernel: a pointer that a program holds keeps seeing the value it looked up.
TEST(HashOps, ReplacementLeavesTheOldValueWhereItWas) {
  MapSet maps = make(spec(MapType::kHash, 4, 4, 1));
  ASSERT_EQ(maps.update(0, u32(1), u32(10), kAny, 0), 0);
  const std::uint32_t old = maps.lookup(0, u32(1), 0).value();
  ASSERT_EQ(maps.update(0, u32(1), u32(11), kAny, 0), 0);
  EXPECT_NE(maps.lookup(0, u32(1), 0).value(), old);
  EXPECT_EQ(word<std::uint32_t>(maps, old), 10u);
  EXPECT_EQ(header(maps).extra, 1u);
  ASSERT_EQ(maps.update(0, u32(1), u32(12), kAny, 0), 0);
  EXPECT_EQ(maps.lookup(0, u32(1), 0).value(), old) << "the entry set aside is used next";
}

// README.md, COMMIT: two threads between PREPARE and COMMIT.
TEST(HashOps, SecondCommitOfTheSameKeyReplaces) {
  MapSet maps = make(spec(MapType::kHash, 4, 4, 1));
  const MapView view = maps.view(0);
  const ByteVector key = u32(7);
  const auto a = static_cast<std::uint32_t>(map_prepare(view, key.data(), kAny));
  const auto b = static_cast<std::uint32_t>(map_prepare(view, key.data(), kAny));
  ASSERT_NE(a, b);
  EXPECT_EQ(map_commit(view, key.data(), a), 0);
  EXPECT_EQ(map_commit(view, key.data(), b), 0);
  EXPECT_EQ(map_lookup(view, key.data()), b);
  check_structure(maps, 0);
}

TEST(HashOps, CommitIntoAMapThatFilledMeanwhileFails) {
  MapSet maps = make(spec(MapType::kHash, 4, 4, 1));
  const MapView view = maps.view(0);
  const ByteVector one = u32(1);
  const ByteVector two = u32(2);
  const auto a = static_cast<std::uint32_t>(map_prepare(view, one.data(), kAny));
  const auto b = static_cast<std::uint32_t>(map_prepare(view, two.data(), kAny));
  EXPECT_EQ(map_commit(view, two.data(), b), 0);
  EXPECT_EQ(map_commit(view, one.data(), a), -E2BIG);
  EXPECT_EQ(map_lookup(view, one.data()), 0u);
  check_structure(maps, 0);
}

TEST(HashOps, PreparedEntriesRunOut) {
  MapSet maps = make(spec(MapType::kHash, 4, 4, 1));
  std::uint32_t number = 0;
  while (number <= kSpareEntries && map_prepare(maps.view(0), u32(number).data(), kAny) > 0) {
    ++number;
  }
  EXPECT_EQ(number, kSpareEntries + 1);
  EXPECT_EQ(map_prepare(maps.view(0), u32(99).data(), kAny), -ENOMEM);
}

TEST(PercpuHashOps, UpdateIsInPlaceAndInsertionZeroesTheOthers) {
  MapSet maps = make(spec(MapType::kPercpuHash, 4, 4, 2), 2);
  ASSERT_EQ(maps.update(0, u32(1), u32(10), kAny, 1), 0);
  EXPECT_EQ(maps.user_lookup(0, u32(1)), bytes({0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0}));
  const std::uint32_t at = maps.lookup(0, u32(1), 0).value();
  EXPECT_EQ(maps.lookup(0, u32(1), 1), at + 8);
  ASSERT_EQ(maps.update(0, u32(1), u32(11), kExist, 0), 0);
  EXPECT_EQ(maps.lookup(0, u32(1), 0), at);
  EXPECT_EQ(maps.user_lookup(0, u32(1)), bytes({11, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0}));
  ASSERT_EQ(maps.erase(0, u32(1)), 0);
  ASSERT_EQ(maps.update(0, u32(2), u32(12), kAny, 0), 0);
  EXPECT_EQ(maps.user_lookup(0, u32(2)), bytes({12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(PercpuHashOps, TwoThreadsInsertingOneKeyBothCount) {
  MapSet maps = make(spec(MapType::kPercpuHash, 4, 4, 2), 2);
  const MapView view = maps.view(0);
  const ByteVector key = u32(7);
  const auto a = static_cast<std::uint32_t>(map_prepare(view, key.data(), kAny));
  const auto b = static_cast<std::uint32_t>(map_prepare(view, key.data(), kAny));
  view.arena[a] = std::byte{1};
  view.arena[b + 8] = std::byte{2};
  EXPECT_EQ(map_commit(view, key.data(), a), 0);
  EXPECT_EQ(map_commit(view, key.data(), b), 0);
  EXPECT_EQ(maps.user_lookup(0, key), bytes({1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}));
  check_structure(maps, 0);
}

// Thread A updates in place; B deletes the key, C prepares another one in the same entry.
TEST(PercpuHashOps, CommitOfAnEntryThatWasDeletedChangesNothing) {
  MapSet maps = make(spec(MapType::kPercpuHash, 4, 4, 2), 1);
  const MapView view = maps.view(0);
  const ByteVector one = u32(1);
  const ByteVector two = u32(2);
  ASSERT_EQ(maps.update(0, one, u32(5), kAny, 0), 0);
  const auto a = static_cast<std::uint32_t>(map_prepare(view, one.data(), kAny));
  ASSERT_EQ(map_erase(view, one.data()), 0);
  EXPECT_EQ(map_commit(view, one.data(), a), 0);
  check_structure(maps, 0);
  const auto c = static_cast<std::uint32_t>(map_prepare(view, two.data(), kAny));
  ASSERT_EQ(a, c);
  EXPECT_EQ(map_commit(view, one.data(), a), 0);
  EXPECT_EQ(map_lookup(view, one.data()), 0u);
  EXPECT_EQ(map_commit(view, two.data(), c), 0);
  EXPECT_EQ(map_lookup(view, two.data()), c);
  check_structure(maps, 0);
}

struct ByBytes {
  bool operator()(const ByteVector& a, const ByteVector& b) const {
    return std::memcmp(a.data(), b.data(), std::min(a.size(), b.size())) < 0;  // all of one size
  }
};
using Model = std::map<ByteVector, ByteVector, ByBytes>;

// Every key size, so that padding and comparison are right at each edge.
TEST(HashOps, RandomOperationsMatchAnOrderedMap) {
  std::mt19937 random(7);
  std::size_t done = 0;
  for (std::uint32_t key_size = 1; key_size <= 40; ++key_size) {
    const std::uint32_t value_size = 1 + key_size % 13;
    MapSet maps = make(spec(MapType::kHash, key_size, value_size, 17));
    Model model;
    for (int step = 0; step < 600; ++step) {
      ByteVector key(key_size, std::byte{0xff});
      key[random() % key_size] = std::byte(random() % 4);
      key[0] = std::byte(random() % 8);
      ByteVector value(value_size, std::byte(random()));
      const bool known = model.count(key) != 0;
      if (random() % 3 == 0) {
        ASSERT_EQ(maps.erase(0, key), known ? 0 : -ENOENT);
        model.erase(key);
      } else {
        const std::uint64_t flags = random() % 3;
        const std::int64_t expected = known && flags == kNoExist     ? -EEXIST
                                      : !known && flags == kExist    ? -ENOENT
                                      : !known && model.size() == 17 ? -E2BIG
                                                                     : 0;
        ASSERT_EQ(maps.update(0, key, value, flags, 0), expected);
        if (expected == 0) {
          model[key] = value;
        }
      }
      ++done;
    }
    check_structure(maps, 0);
    Model contents;
    maps.for_each(0, [&](auto k, auto v) {
      contents[ByteVector(k.begin(), k.end())] = ByteVector(v.begin(), v.end());
    });
    ASSERT_EQ(contents, model) << "key size " << key_size;
  }
  std::printf("%zu operations\n", done);
}

}  // namespace
}  // namespace kiln::test
