// SPDX-License-Identifier: Apache-2.0
//
// The invariants of a hash table in the arena, checked from outside.
#include "test_maps.h"

#include <map>
#include <set>

#include "bytes.h"

namespace kiln::test {

/// Every entry that is not free is in one list of an LRU map, and both ways of counting them agree.
static void check_lists(const MapSet& maps, std::size_t map, std::uint32_t free_entries) {
  const MapDescriptor& d = maps.descriptor(map);
  const auto h = word<LruHeader>(maps, d.header);
  std::array<std::uint32_t, 3> sizes{};
  std::set<std::uint32_t> seen;
  for (std::uint32_t list = 0; list < 3; ++list) {
    std::uint32_t before = 0;
    std::uint32_t link = static_cast<std::uint32_t>(h.lists[list]);
    for (; link != 0; ++sizes[list]) {
      ASSERT_TRUE(seen.insert(link).second);
      const std::uint32_t at = d.entries + (link - 1) * d.entry_stride + d.value_offset - 8;
      ASSERT_EQ(word<std::uint32_t>(maps, at + 4), before | (list + 1) << 30);
      before = link;
      link = word<std::uint32_t>(maps, at);
    }
    ASSERT_EQ(static_cast<std::uint32_t>(h.lists[list] >> 32) & kEntryNextMask, before);
  }
  ASSERT_EQ(h.surplus, sizes[2] - sizes[1]);
  ASSERT_EQ(h.taken, sizes[0] + sizes[1] + sizes[2] + h.local_free);
  ASSERT_EQ(d.entry_count - h.taken + h.local_free, free_entries + d.entry_count - h.next_unused);
}

void check_structure(const MapSet& maps, std::size_t map) {
  const MapDescriptor& d = maps.descriptor(map);
  const MapHeader h = header(maps, map);
  const auto entry = [&](std::uint32_t link) { return d.entries + (link - 1) * d.entry_stride; };
  std::map<std::uint32_t, int> seen;
  std::uint32_t live = 0;
  std::map<std::uint32_t, std::uint32_t> lengths;
  for (std::uint32_t bucket = 0; bucket <= d.bucket_mask; ++bucket) {
    auto link = word<std::uint32_t>(maps, d.buckets + 4 * bucket);
    ASSERT_EQ(link & ~kEntryNextMask, 0u) << "a bucket has no flags";
    while (link != 0) {
      ASSERT_LE(link, h.next_unused);
      ASSERT_EQ(seen[link]++, 0) << "entry twice";
      const auto e = word<MapEntry>(maps, entry(link));
      ASSERT_TRUE(e.next & kEntryLive);
      ASSERT_EQ(e.hash & d.bucket_mask, bucket);
      std::uint32_t hash = kHashSeed;
      for (std::uint32_t at = 0; at < detail::round_up(d.key_size, 8); at += 8) {
        hash = crc32c_word(hash, word<std::uint64_t>(maps, entry(link) + 8 + at));
      }
      ASSERT_EQ(e.hash, hash) << "the hash is that of the padded key";
      ++lengths[word<std::uint32_t>(maps, entry(link) + 8)];
      ++live;
      link = e.next & kEntryNextMask;
    }
  }
  ASSERT_EQ(live, h.count);
  std::uint32_t free_entries = 0;
  for (std::uint32_t link = h.free_head; link != 0; ++free_entries) {
    ASSERT_EQ(seen[link]++, 0) << "free entry twice";
    link = word<std::uint32_t>(maps, entry(link));
    ASSERT_EQ(link & ~kEntryNextMask, 0u);
  }
  if (h.extra != 0) {
    ASSERT_EQ(seen[h.extra]++, 0);
    ASSERT_EQ(word<std::uint32_t>(maps, entry(h.extra)), 0u);
  }
  ASSERT_EQ(seen.size(), h.next_unused) << "an entry is lost";
  if (is_lru(maps.spec(map).type)) {
    check_lists(maps, map, free_entries);
  }
  if (maps.spec(map).type == MapType::kLpmTrie) {
    for (std::uint32_t n = 0; n <= 8 * (d.key_size - 4); ++n) {
      ASSERT_EQ(word<std::uint32_t>(maps, d.header + 88 + 4 * n), lengths[n]);
      ASSERT_EQ((h.lengths[n / 64] >> (n % 64)) & 1, lengths[n] != 0 ? 1u : 0u);
    }
  }
}

}  // namespace kiln::test
