// SPDX-License-Identifier: Apache-2.0
//
// Longest-prefix match, against a list that is searched from front to back.
#include <algorithm>
#include <cerrno>
#include <map>
#include <random>

#include "test_maps.h"

namespace kiln::test {
namespace {

ByteVector prefix(std::uint32_t length, std::initializer_list<unsigned> data) {
  ByteVector key = u32(length);
  for (unsigned byte : data) {
    key.push_back(std::byte(byte));
  }
  return key;
}

TEST(Lpm, LongestPrefixWins) {
  MapSet maps = make(spec(MapType::kLpmTrie, 8, 4, 10));
  ASSERT_EQ(maps.update(0, prefix(0, {0, 0, 0, 0}), u32(1), kAny, 0), 0);
  ASSERT_EQ(maps.update(0, prefix(8, {10, 9, 9, 9}), u32(2), kAny, 0), 0);
  ASSERT_EQ(maps.update(0, prefix(25, {10, 1, 2, 0x80}), u32(3), kAny, 0), 0);
  EXPECT_EQ(maps.user_lookup(0, prefix(32, {10, 1, 2, 0xff})), u32(3));
  EXPECT_EQ(maps.user_lookup(0, prefix(32, {10, 1, 2, 0x7f})), u32(2));
  EXPECT_EQ(maps.user_lookup(0, prefix(24, {10, 1, 2, 0xff})), u32(2))
      << "a short key sees short prefixes";
  EXPECT_EQ(maps.user_lookup(0, prefix(32, {11, 1, 2, 3})), u32(1));
  EXPECT_EQ(maps.user_lookup(0, prefix(33, {10, 1, 2, 3})), std::nullopt);
  EXPECT_EQ(maps.erase(0, prefix(0, {1, 2, 3, 4})), 0);
  EXPECT_EQ(maps.user_lookup(0, prefix(32, {11, 1, 2, 3})), std::nullopt);
  check_structure(maps, 0);
}

TEST(Lpm, ResultCodes) {
  MapSet maps = make(spec(MapType::kLpmTrie, 5, 4, 1));
  EXPECT_EQ(maps.update(0, prefix(9, {1}), u32(1), kAny, 0), -EINVAL);
  EXPECT_EQ(maps.update(0, prefix(8, {1}), u32(1), 3, 0), -EINVAL);
  EXPECT_EQ(maps.update(0, prefix(8, {1}), u32(1), kExist, 0), -ENOENT);
  EXPECT_EQ(maps.update(0, prefix(8, {1}), u32(1), kNoExist, 0), 0);
  EXPECT_EQ(maps.update(0, prefix(8, {1}), u32(1), kNoExist, 0), -EEXIST);
  EXPECT_EQ(maps.update(0, prefix(8, {2}), u32(1), kExist, 0), -ENOENT);
  EXPECT_EQ(maps.update(0, prefix(8, {2}), u32(1), kAny, 0), -ENOSPC);
  EXPECT_EQ(maps.update(0, prefix(8, {1}), u32(2), kExist, 0), 0);
  EXPECT_EQ(maps.erase(0, prefix(9, {1})), -EINVAL);
  EXPECT_EQ(maps.erase(0, prefix(7, {1})), -ENOENT);
  EXPECT_EQ(maps.erase(0, prefix(8, {1})), 0);
}

bool matches(const ByteVector& entry, const ByteVector& key, std::uint32_t length) {
  for (std::uint32_t bit = 0; bit < length; ++bit) {
    const auto mask = std::byte(0x80 >> (bit % 8));
    if ((entry[4 + bit / 8] & mask) != (key[4 + bit / 8] & mask)) {
      return false;
    }
  }
  return true;
}

TEST(Lpm, RandomTablesMatchALinearSearch) {
  std::mt19937 random(11);
  for (const std::uint32_t data : {1u, 3u, 4u, 5u, 16u, 60u}) {
    MapSet maps = make(spec(MapType::kLpmTrie, 4 + data, 4, 24));
    std::vector<std::pair<ByteVector, std::uint32_t>> model;  // key as given, value
    const auto random_key = [&] {
      ByteVector key = u32(random() % (8 * data + 1));
      key.resize(4 + data, std::byte(random() % 2 ? 0xff : 0));
      key[4 + random() % data] = std::byte(random() % 4 << 6);
      return key;
    };
    for (std::uint32_t step = 0; step < 1500; ++step) {
      const ByteVector key = random_key();
      std::uint32_t length;
      std::memcpy(&length, key.data(), 4);
      const auto same = std::find_if(model.begin(), model.end(), [&](const auto& e) {
        return std::equal(key.begin(), key.begin() + 4, e.first.begin()) &&
               matches(e.first, key, length);
      });
      if (random() % 3 == 0) {
        ASSERT_EQ(maps.erase(0, key), same == model.end() ? -ENOENT : 0);
        if (same != model.end()) {
          model.erase(same);
        }
      } else if (same != model.end()) {
        ASSERT_EQ(maps.update(0, key, u32(step), kAny, 0), 0);
        same->second = step;
      } else if (model.size() == 24) {
        ASSERT_EQ(maps.update(0, key, u32(step), kAny, 0), -ENOSPC);
      } else {
        ASSERT_EQ(maps.update(0, key, u32(step), kAny, 0), 0);
        model.emplace_back(key, step);
      }
      const ByteVector wanted = random_key();
      std::uint32_t limit;
      std::memcpy(&limit, wanted.data(), 4);
      std::optional<ByteVector> expected;
      std::int64_t best = -1;
      for (const auto& [entry, value] : model) {
        std::uint32_t n;
        std::memcpy(&n, entry.data(), 4);
        if (n <= limit && static_cast<std::int64_t>(n) > best && matches(entry, wanted, n)) {
          best = n;
          expected = u32(value);
        }
      }
      ASSERT_EQ(maps.user_lookup(0, wanted), expected);
    }
    check_structure(maps, 0);
  }
}

/// With an index beside it, a trie gives the same answers and the same bytes after anything that may happen to it.
TEST(Lpm, IndexOfPrefixesChangesNothing) {
  for (const std::uint32_t data_bytes : {1u, 2u, 4u, 7u, 16u, 20u}) {
    MapSpec spec;
    spec.name = "trie";
    spec.type = MapType::kLpmTrie;
    spec.key_size = 4 + data_bytes;
    spec.value_size = 4;
    spec.max_entries = 60;
    spec.flags = kNoPrealloc;
    auto plain = MapSet::create(std::span(&spec, 1), 1);
    ASSERT_TRUE(plain) << plain.error().message;
    MapSet indexed = *plain;
    std::mt19937 random(data_bytes);
    const auto key = [&] {
      std::vector<std::byte> bytes(spec.key_size);
      const std::uint32_t length = random() % (8 * data_bytes + 1);
      std::memcpy(bytes.data(), &length, 4);
      for (std::uint32_t i = 4; i < spec.key_size; ++i) {
        bytes[i] = static_cast<std::byte>(random() % 4 == 0 ? random() : 0x80);
      }
      return bytes;
    };
    for (std::uint32_t step = 0; step < 3000; ++step) {
      if (step % 500 == 100) {
        indexed.index_prefixes();
      }
      const std::vector<std::byte> at = key();
      const std::uint32_t value = step;
      const std::span<const std::byte> bytes = std::as_bytes(std::span(&value, 1));
      switch (random() % 4) {
        case 0:
          EXPECT_EQ(plain->update(0, at, bytes, step % 3, 0), indexed.update(0, at, bytes, step % 3, 0));
          break;
        case 1:
          EXPECT_EQ(plain->erase(0, at), indexed.erase(0, at));
          break;
        default:
          EXPECT_EQ(plain->lookup(0, at, 0), indexed.lookup(0, at, 0)) << data_bytes << " bytes, step " << step;
      }
    }
    EXPECT_TRUE(std::ranges::equal(plain->arena(), indexed.arena()));
  }
}

}  // namespace
}  // namespace kiln::test
