// SPDX-License-Identifier: Apache-2.0
//
// A MapSet and a bpf_memory_system with the same maps, for tests that make the same operations on both.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <kiln/map_set.h>

#include "nic_memory_bench.h"

namespace kiln::nic_test {

constexpr std::uint32_t kMapAddress = 0x4000'0000;
using Bytes = std::vector<std::byte>;

/// Operations of one comparison: `usual`, or what KILN_MAP_STEPS in the environment says.
inline int operations(int usual) {
  const char* asked = std::getenv("KILN_MAP_STEPS");
  return asked == nullptr ? usual : std::max(1, std::atoi(asked));
}

inline MapSpec spec(MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries, std::uint32_t flags = 0) {
  MapSpec s;
  s.name = fmt::format("m{}_{}_{}", static_cast<unsigned>(type), key, entries);
  s.type = type;
  s.key_size = key;
  s.value_size = value;
  s.max_entries = entries;
  s.flags = type == MapType::kLpmTrie ? 1 : flags;
  return s;
}

inline std::vector<std::uint64_t> words_of(std::span<const std::byte> key) {
  std::vector<std::uint64_t> words((key.size() + 7) / 8);
  std::memcpy(words.data(), key.data(), key.size());
  return words;
}

/// A MapSet and the RTL with the same contents.
class Pair {
 public:
  Pair(const std::vector<MapSpec>& specs, std::uint32_t cpus, std::uint32_t seed) : rtl(seed), random(seed) {
    auto made = MapSet::create(specs, cpus);
    EXPECT_TRUE(made) << made.error().message;
    maps.emplace(std::move(made).value());
    for (std::size_t i = 0; i < maps->size(); ++i) {
      rtl.write_descriptor(i, maps->descriptor(i));
    }
    load();
  }
  void load() { rtl.write(maps->arena()); }

  void expect_equal_arenas(const std::string& where) {
    const Bytes got = rtl.read(maps->arena().size());
    for (std::size_t at = 0; at < got.size(); ++at) {
      ASSERT_EQ(got[at], maps->arena()[at]) << where << ": arena byte " << at;
    }
  }

  /// Keys from a small set, so that tables of a few entries see hits, misses and collisions.
  Bytes key(std::size_t map, unsigned distinct) {
    const MapSpec& s = maps->spec(map);
    Bytes key(s.key_size);
    const unsigned pick = random() % distinct;
    for (std::size_t i = 0; i < key.size(); ++i) {
      key[i] = std::byte(i == 0 ? pick : i == key.size() - 1 ? pick * 7 : pick >> (i % 3));
    }
    if (s.type == MapType::kLpmTrie) {
      const std::uint32_t bits = 8 * (s.key_size - 4);
      const std::uint32_t prefix = random() % 20 == 0 ? bits + 1 + random() % 3 : random() % (bits + 1);
      std::memcpy(key.data(), &prefix, 4);
      for (std::size_t i = 4; i < key.size(); ++i) {
        key[i] = std::byte(random() % 4 == 0 ? 0x80 : 0x00);
      }
    } else if (is_array(s.type) || is_slot_array(s.type)) {
      const std::uint32_t index = random() % (s.max_entries + 2);
      std::memcpy(key.data(), &index, 4);
    }
    return key;
  }

  std::uint64_t request(Service op, std::size_t map, const Bytes& key, std::uint64_t data = 0,
                        std::uint64_t* took = nullptr) {
    return rtl.call({.core = static_cast<std::uint8_t>(random() % 2),
                     .thread = static_cast<std::uint8_t>(random() % 8),
                     .op = op,
                     .imm = static_cast<std::uint32_t>(map),
                     .data = data,
                     .keys = words_of(key)},
                    took);
  }
  static std::uint64_t address(std::uint32_t offset) { return offset == 0 ? 0 : kMapAddress + offset; }

  /// Writes a value as a program would, in pieces of any size and alignment, on both sides.
  void store_value(std::uint32_t offset, std::uint32_t bytes) {
    for (std::uint32_t done = 0; done < bytes;) {
      std::uint32_t size = 1u << random() % 4;
      while (size > bytes - done) {
        size /= 2;
      }
      const std::uint64_t data = std::uint64_t{random()} << 32 | random();
      rtl.call({.op = kSvcSTORE, .size = size_code(size), .addr = kMapAddress + offset + done, .data = data});
      std::memcpy(maps->arena().data() + offset + done, &data, size);
      done += size;
    }
  }

  MemoryBench rtl;
  std::optional<MapSet> maps;
  std::mt19937 random;
};

}  // namespace kiln::nic_test
