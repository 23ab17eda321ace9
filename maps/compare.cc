// SPDX-License-Identifier: Apache-2.0
//
// Compares two states of the same maps by content. Where an entry lies does not matter, nor what
// an LRU remembers of look-ups.
#include <algorithm>
#include <cstring>
#include <utility>

#include <kiln/map_set.h>

namespace kiln {
namespace {

using Bytes = std::span<const std::byte>;
using Element = std::pair<Bytes, Bytes>;  // key, value

std::vector<std::byte> copy(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

bool equal(Bytes a, Bytes b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

// Both are keys of one map, hence of one size.
bool less(Bytes a, Bytes b) {
  return std::memcmp(a.data(), b.data(), a.size()) < 0;
}

/// The live elements of a hash kind, sorted by key. The spans point into the arena.
std::vector<Element> sorted_elements(const MapSet& maps, std::size_t map) {
  std::vector<Element> elements;
  maps.for_each(map, [&](Bytes key, Bytes value) { elements.emplace_back(key, value); });
  std::sort(elements.begin(), elements.end(),
            [](const Element& a, const Element& b) { return less(a.first, b.first); });
  return elements;
}

void compare_hashes(const MapSet& left, const MapSet& right, std::size_t map, std::size_t limit,
                    std::vector<MapDifference>& out) {
  const std::vector<Element> a = sorted_elements(left, map);
  const std::vector<Element> b = sorted_elements(right, map);
  auto i = a.begin();
  auto j = b.begin();
  while ((i != a.end() || j != b.end()) && out.size() < limit) {
    if (j == b.end() || (i != a.end() && less(i->first, j->first))) {
      out.push_back({map, copy(i->first), copy(i->second), {}});
      ++i;
    } else if (i == a.end() || less(j->first, i->first)) {
      out.push_back({map, copy(j->first), {}, copy(j->second)});
      ++j;
    } else {
      if (!equal(i->second, j->second)) {
        out.push_back({map, copy(i->first), copy(i->second), copy(j->second)});
      }
      ++i;
      ++j;
    }
  }
}

void compare_arrays(const MapSet& left, const MapSet& right, std::size_t map, std::size_t limit,
                    std::vector<MapDifference>& out) {
  const std::uint32_t entries = left.descriptor(map).entry_count;
  for (std::uint32_t index = 0; index < entries && out.size() < limit; ++index) {
    std::vector<std::byte> key(left.spec(map).key_size);
    std::memcpy(key.data(), &index, sizeof index);
    auto a = left.user_lookup(map, key);
    auto b = right.user_lookup(map, key);
    if (a != b) {
      out.push_back({map, copy(key), std::move(a).value_or(std::vector<std::byte>{}),
                     std::move(b).value_or(std::vector<std::byte>{})});
    }
  }
}

/// Queues, stacks, ring buffers: the n-th of either. Bloom filters: their bits.
void compare_sequences(const MapSet& left, const MapSet& right, std::size_t map, std::size_t limit,
                       std::vector<MapDifference>& out) {
  const auto values = [map](const MapSet& maps) {
    std::vector<Bytes> all;
    maps.for_each(map, [&](Bytes, Bytes value) { all.push_back(value); });
    const MapDescriptor& d = maps.descriptor(map);
    if (maps.spec(map).type == MapType::kBloomFilter) {
      all.push_back(maps.arena().subspan(d.entries, std::size_t{d.entry_count} * d.entry_stride));
    }
    return all;
  };
  const std::vector<Bytes> a = values(left);
  const std::vector<Bytes> b = values(right);
  for (std::uint32_t i = 0; i < std::max(a.size(), b.size()) && out.size() < limit; ++i) {
    const Bytes one = i < a.size() ? a[i] : Bytes{};
    const Bytes other = i < b.size() ? b[i] : Bytes{};
    if (i >= a.size() || i >= b.size() || !equal(one, other)) {
      std::array<std::byte, 4> key{};
      std::memcpy(key.data(), &i, sizeof i);
      out.push_back({map, copy(key), copy(one), copy(other)});
    }
  }
}

/// Nearly always the answer, and far cheaper than looking at elements.
bool same_arena(const MapSet& left, const MapSet& right) {
  const Bytes a = left.arena();
  const Bytes b = right.arena();
  return left.cpu_count() == right.cpu_count() && a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace

std::vector<MapDifference> compare_maps(const MapSet& left, const MapSet& right,
                                        std::size_t limit) {
  KILN_CHECK(left.size() == right.size());
  std::vector<MapDifference> out;
  if (same_arena(left, right)) {
    return out;
  }
  for (std::size_t map = 0; map < left.size() && out.size() < limit; ++map) {
    const MapType type = left.spec(map).type;
    if (is_keyless(type) || is_ring(type)) {
      compare_sequences(left, right, map, limit, out);
    } else if (is_hash_kind(type)) {
      compare_hashes(left, right, map, limit, out);
    } else {
      compare_arrays(left, right, map, limit, out);
    }
  }
  return out;
}

}  // namespace kiln
