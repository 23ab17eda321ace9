// SPDX-License-Identifier: Apache-2.0
//
// What the tests of maps/ share: short ways to describe maps, keys and values.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include <kiln/map_set.h>

namespace kiln::test {

using ByteVector = std::vector<std::byte>;

inline ByteVector bytes(std::initializer_list<unsigned> list) {
  ByteVector result;
  for (unsigned byte : list) {
    result.push_back(std::byte(byte));
  }
  return result;
}

inline ByteVector u32(std::uint32_t number) {
  ByteVector result(4);
  std::memcpy(result.data(), &number, 4);
  return result;
}

inline std::uint32_t u32_of(const ByteVector& bytes) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data(), 4);
  return number;
}

inline MapSpec spec(MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries,
                    std::uint32_t flags = 0, std::string name = "m") {
  MapSpec s;
  s.name = std::move(name);
  s.type = type;
  s.key_size = key;
  s.value_size = value;
  s.max_entries = entries;
  s.flags = type == MapType::kLpmTrie ? flags | 1 : flags;
  return s;
}

inline MapSet make(std::vector<MapSpec> specs, std::uint32_t cpus = 1) {
  auto maps = MapSet::create(specs, cpus);
  EXPECT_TRUE(maps) << maps.error().message;
  return std::move(maps).value();
}

inline MapSet make(const MapSpec& one, std::uint32_t cpus = 1) {
  return make(std::vector{one}, cpus);
}

template <typename T>
T word(const MapSet& maps, std::size_t offset) {
  T value;
  std::memcpy(&value, maps.arena().data() + offset, sizeof value);
  return value;
}

inline MapHeader header(const MapSet& maps, std::size_t map = 0) {
  return word<MapHeader>(maps, maps.descriptor(map).header);
}

/// Checks that every entry of a hash kind is in exactly one place: a chain, the free list, set
/// aside, or unused.
void check_structure(const MapSet& maps, std::size_t map);

}  // namespace kiln::test
