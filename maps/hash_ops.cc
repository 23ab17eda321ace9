// SPDX-License-Identifier: Apache-2.0
//
// The chained hash table, its free list, the LRU clock and the longest-prefix search.
//
// Every store into the arena is listed in maps/README.md under the operation that makes it; the
// RTL makes the same ones. Links hold entry number + 1, 0 meaning none.
#include "hash_ops.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>

#include <kiln/result.h>

#include "bytes.h"
#include "hash_key.h"

namespace kiln::detail {
namespace {

struct Found {
  std::uint32_t link = 0;   ///< arena offset of the u32 that points to it: a bucket or a `next`
  std::uint32_t entry = 0;  ///< entry number + 1, 0 if there is none
};

/// One hash-kind map, with names for the places in it.
class Table {
 public:
  explicit Table(MapView map) : base_(map.arena), d_(*map.descriptor), type_(map.type()) {}

  MapType type() const { return type_; }
  const MapDescriptor& descriptor() const { return d_; }

  // Header fields.
  std::byte* header(std::size_t field) const { return base_ + d_.header + field; }
  std::uint32_t get(std::size_t field) const { return load<std::uint32_t>(header(field)); }
  void set(std::size_t field, std::uint32_t value) const { store(header(field), value); }
  std::uint32_t count() const { return get(offsetof(MapHeader, count)); }

  // Entries, by number + 1.
  std::uint32_t offset(std::uint32_t link) const {
    return d_.entries + (link - 1) * d_.entry_stride;
  }
  std::uint32_t value(std::uint32_t link) const { return offset(link) + d_.value_offset; }
  std::uint32_t next(std::uint32_t link) const { return load<std::uint32_t>(base_ + offset(link)); }
  void set_next(std::uint32_t link, std::uint32_t next) const { store(base_ + offset(link), next); }
  std::uint32_t hash(std::uint32_t link) const {
    return load<std::uint32_t>(base_ + offset(link) + offsetof(MapEntry, hash));
  }
  std::uint32_t bucket(std::uint32_t hash) const {
    return d_.buckets + 4 * (hash & d_.bucket_mask);
  }

  Found find(const Key& key) const;
  void unlink(const Found& found) const;
  void link(std::uint32_t link, const Key& key, std::uint32_t flags) const;
  std::uint32_t take(bool replaces) const;
  void free(std::uint32_t link) const;
  void evict() const;
  void count_prefix(std::uint32_t length, bool up) const;
  std::byte* at(std::uint32_t offset) const { return base_ + offset; }

  std::uint64_t lengths(std::uint32_t word) const {
    return load<std::uint64_t>(header(offsetof(MapHeader, lengths) + 8 * std::size_t{word}));
  }
  std::uint32_t max_prefix() const { return 8 * (d_.key_size - 4); }

 private:
  std::byte* base_;
  const MapDescriptor& d_;
  MapType type_;
};

Found Table::find(const Key& key) const {
  Found found{bucket(key.hash), 0};
  for (;;) {
    const std::uint32_t link = load<std::uint32_t>(base_ + found.link) & kEntryNextMask;
    if (link == 0) {
      return {};
    }
    const std::uint32_t entry = offset(link);
    if (load<std::uint32_t>(base_ + entry + offsetof(MapEntry, hash)) == key.hash) {
      const std::byte* stored = base_ + entry + sizeof(MapEntry);
      std::uint32_t i = 0;
      while (i < key.words && load<std::uint64_t>(stored + 8 * i) == key.word[i]) {
        ++i;
      }
      if (i == key.words) {
        found.entry = link;
        return found;
      }
    }
    found.link = entry;
  }
}

/// Takes an entry out of its chain; flags beside the link that pointed to it stay.
void Table::unlink(const Found& found) const {
  const std::uint32_t link = load<std::uint32_t>(base_ + found.link);
  store(base_ + found.link, (link & ~kEntryNextMask) | (next(found.entry) & kEntryNextMask));
}

/// Puts an entry at the head of its bucket. A bucket word has no flags.
void Table::link(std::uint32_t link, const Key& key, std::uint32_t flags) const {
  const std::uint32_t at = bucket(key.hash);
  set_next(link, load<std::uint32_t>(base_ + at) | flags);
  store(base_ + offset(link) + offsetof(MapEntry, hash), key.hash);
  store(base_ + at, link);
}

/// An entry to fill, or 0. A replacement uses the one that the last replacement set aside, so that
/// it works in a full map and a pointer into a replaced value stays good until the next one.
std::uint32_t Table::take(bool replaces) const {
  const std::uint32_t extra = get(offsetof(MapHeader, extra));
  if (replaces && extra != 0) {
    set(offsetof(MapHeader, extra), 0);
    return extra;
  }
  const std::uint32_t freed = get(offsetof(MapHeader, free_head));
  if (freed != 0) {
    set(offsetof(MapHeader, free_head), next(freed) & kEntryNextMask);
    return freed;
  }
  const std::uint32_t unused = get(offsetof(MapHeader, next_unused));
  if (unused < d_.entry_count) {
    set(offsetof(MapHeader, next_unused), unused + 1);
    return unused + 1;
  }
  return 0;
}

void Table::free(std::uint32_t link) const {
  set_next(link, get(offsetof(MapHeader, free_head)));
  set(offsetof(MapHeader, free_head), link);
}

/// REQUIRES: count() > 0. Throws out the next entry that nobody looked up since the hand passed,
/// clearing at most kLruScan marks on the way.
void Table::evict() const {
  const std::uint32_t unused = get(offsetof(MapHeader, next_unused));
  std::uint32_t hand = get(offsetof(MapHeader, clock_hand));
  std::uint32_t cleared = 0;
  std::uint32_t victim = 0;
  while (victim == 0) {
    const std::uint32_t link = (hand >= unused ? 0 : hand) + 1;
    hand = link;
    const std::uint32_t state = next(link);
    if ((state & kEntryLive) == 0) {
      continue;
    }
    if ((state & kEntryReferenced) != 0 && cleared < kLruScan) {
      set_next(link, state & ~kEntryReferenced);
      ++cleared;
      continue;
    }
    victim = link;
  }
  set(offsetof(MapHeader, clock_hand), hand);
  Found found{bucket(hash(victim)), victim};
  for (;;) {
    const std::uint32_t link = load<std::uint32_t>(base_ + found.link) & kEntryNextMask;
    KILN_CHECK(link != 0);
    if (link == victim) {
      break;
    }
    found.link = offset(link);
  }
  unlink(found);
  free(victim);
  set(offsetof(MapHeader, count), count() - 1);
}

/// LPM: one entry more or less has this prefix length.
void Table::count_prefix(std::uint32_t length, bool up) const {
  const std::size_t counter = sizeof(MapHeader) + 4 * std::size_t{length};
  const std::uint32_t before = get(counter);
  const std::uint32_t after = up ? before + 1 : before - 1;
  set(counter, after);
  if ((before == 0) != (after == 0)) {
    const std::size_t word = offsetof(MapHeader, lengths) + length / 64 * 8;
    store(header(word), load<std::uint64_t>(header(word)) ^ std::uint64_t{1} << (length % 64));
  }
}

void mark_referenced(std::byte* entry) {
  const auto state = load<std::uint32_t>(entry);
  if ((state & kEntryReferenced) == 0) {
    store(entry, state | kEntryReferenced);
  }
}

/// The key that is stored and hashed. False: an LPM prefix longer than the data.
bool make_key(const Table& table, const std::byte* bytes, Key& key) {
  const std::uint32_t size = table.descriptor().key_size;
  read_words(key, bytes, size);
  if (table.type() == MapType::kLpmTrie) {
    const auto length = static_cast<std::uint32_t>(key.word[0]);
    if (length > table.max_prefix()) {
      return false;
    }
    mask_prefix(key, length);
  }
  key.rehash();
  return true;
}

std::uint32_t prefix_length(const Key& key) {
  return static_cast<std::uint32_t>(key.word[0]);
}

/// Longest prefix: every length that some entry has, from the key's own down.
std::uint32_t lpm_lookup(const Table& table, Key& key) {
  const std::uint32_t longest = prefix_length(key);
  std::uint64_t lengths = table.lengths(longest / 64) << (63 - longest % 64) >> (63 - longest % 64);
  for (std::uint32_t word = longest / 64;; lengths = table.lengths(--word)) {
    while (lengths != 0) {
      const auto bit = static_cast<std::uint32_t>(std::bit_width(lengths)) - 1;
      lengths ^= std::uint64_t{1} << bit;
      mask_prefix(key, 64 * word + bit);
      key.rehash();
      if (const Found found = table.find(key); found.entry != 0) {
        return table.value(found.entry);
      }
    }
    if (word == 0) {
      return 0;
    }
  }
}

/// find() for a key of N words, on nothing but what it needs. \return offset of the value, or 0.
template <std::size_t N>
std::uint32_t peek(MapView map, std::array<std::uint64_t, N> key) {
  std::uint32_t hash = kHashSeed;
  for (const std::uint64_t word : key) {
    hash = crc32c_step(hash, word);
  }
  const MapDescriptor& d = *map.descriptor;
  const std::byte* entries = map.arena + d.entries;
  auto link = load<std::uint32_t>(map.arena + d.buckets + 4 * (hash & d.bucket_mask));
  while (link != 0) {
    const std::byte* entry = entries + std::size_t{link - 1} * d.entry_stride;
    // Words that differ leave a bit set: one branch, whatever N is. The key alone decides.
    std::uint64_t differs = 0;
    for (std::size_t i = 0; i < N; ++i) {
      differs |= load<std::uint64_t>(entry + sizeof(MapEntry) + 8 * i) ^ key[i];
    }
    if (differs == 0) {
      return static_cast<std::uint32_t>(entry - map.arena) + d.value_offset;
    }
    link = load<std::uint32_t>(entry) & kEntryNextMask;
  }
  return 0;
}

std::int64_t full_error(MapType type) {
  return type == MapType::kLpmTrie ? -ENOSPC : -E2BIG;
}

}  // namespace

std::uint32_t hash_peek(MapView map, const std::byte* bytes) {
  const std::uint32_t size = map.descriptor->key_size;
  if (map.type() == MapType::kLpmTrie) {
    const Table table(map);
    Key key;
    return make_key(table, bytes, key) ? lpm_lookup(table, key) : 0;
  }
  // Most keys are one or two words: kept in registers.
  if (size == 4) {
    return peek<1>(map, {load<std::uint32_t>(bytes)});
  }
  if (size == 8) {
    return peek<1>(map, {load<std::uint64_t>(bytes)});
  }
  if (size > 8 && size <= 16) {  // as in read_words()
    return peek<2>(map, {load<std::uint64_t>(bytes),
                         load<std::uint64_t>(bytes + size - 8) >> (8 * (16 - size))});
  }
  const Table table(map);
  Key key;
  read_words(key, bytes, size);
  key.rehash();
  const Found found = table.find(key);
  return found.entry != 0 ? table.value(found.entry) : 0;
}

std::uint32_t hash_lookup(MapView map, const std::byte* bytes) {
  const std::uint32_t value = hash_peek(map, bytes);
  if (value != 0 && is_lru(map.type())) {
    mark_referenced(map.arena + value - map.descriptor->value_offset);
  }
  return value;
}

std::int64_t hash_prepare(MapView map, const std::byte* bytes, std::uint64_t flags) {
  const Table table(map);
  const MapDescriptor& d = table.descriptor();
  Key key;
  if (flags > 2 || !make_key(table, bytes, key)) {
    return -EINVAL;
  }
  const Found old = table.find(key);
  if (old.entry != 0 && flags == 1) {
    return -EEXIST;
  }
  if (old.entry == 0 && flags == 2) {
    return -ENOENT;
  }
  if (old.entry != 0 && is_per_cpu(table.type())) {
    if (is_lru(table.type())) {
      mark_referenced(table.at(table.offset(old.entry)));
    }
    return table.value(old.entry);
  }
  if (old.entry == 0 && !is_lru(table.type()) && table.count() == d.max_entries) {
    return full_error(table.type());
  }
  const std::uint32_t entry = table.take(old.entry != 0);
  if (entry == 0) {
    return -ENOMEM;
  }
  table.set_next(entry, entry);
  store(table.at(table.offset(entry)) + offsetof(MapEntry, hash), key.hash);
  if (is_per_cpu(table.type())) {
    std::memset(table.at(table.value(entry)), 0, std::size_t{d.cpu_count} * d.value_stride);
  }
  return table.value(entry);
}

std::int64_t hash_commit(MapView map, const std::byte* bytes, std::uint32_t value) {
  const Table table(map);
  const MapDescriptor& d = table.descriptor();
  Key key;
  KILN_CHECK(make_key(table, bytes, key));  // map_prepare() took the same key
  const auto state = load<std::uint32_t>(table.at(value - d.value_offset));
  const std::uint32_t entry = state & kEntryNextMask;
  const bool prepared = (state & kEntryLive) == 0 && entry != 0 && table.value(entry) == value &&
                        table.hash(entry) == key.hash;
  if (!prepared) {
    return 0;  // a per-CPU value, already changed where it is
  }
  const Found old = table.find(key);
  if (old.entry != 0 && is_per_cpu(table.type())) {
    // Another thread inserted the key since map_prepare(). It wrote other processors' values.
    const std::uint32_t words = d.cpu_count * d.value_stride / 8;
    for (std::uint32_t i = 0; i < words; ++i) {
      std::byte* into = table.at(table.value(old.entry) + 8 * i);
      store(into, load<std::uint64_t>(into) | load<std::uint64_t>(table.at(value + 8 * i)));
    }
    table.free(entry);
    return 0;
  }
  if (old.entry == 0 && table.count() == d.max_entries) {
    if (!is_lru(table.type())) {
      table.free(entry);
      return full_error(table.type());
    }
    table.evict();
  }
  for (std::uint32_t i = 0; i < key.words; ++i) {
    store(table.at(table.offset(entry)) + sizeof(MapEntry) + 8 * i, key.word[i]);
  }
  if (old.entry != 0) {
    table.unlink(old);
    table.link(entry, key, kEntryLive | (is_lru(table.type()) ? kEntryReferenced : 0));
    if (table.get(offsetof(MapHeader, extra)) == 0) {
      table.set(offsetof(MapHeader, extra), old.entry);
      table.set_next(old.entry, 0);
    } else {
      table.free(old.entry);
    }
    return 0;
  }
  table.set(offsetof(MapHeader, count), table.count() + 1);
  if (table.type() == MapType::kLpmTrie) {
    table.count_prefix(prefix_length(key), true);
  }
  table.link(entry, key, kEntryLive);
  return 0;
}

std::int64_t hash_erase(MapView map, const std::byte* bytes) {
  const Table table(map);
  Key key;
  if (!make_key(table, bytes, key)) {
    return -EINVAL;
  }
  const Found found = table.find(key);
  if (found.entry == 0) {
    return -ENOENT;
  }
  table.unlink(found);
  table.free(found.entry);
  table.set(offsetof(MapHeader, count), table.count() - 1);
  if (table.type() == MapType::kLpmTrie) {
    table.count_prefix(prefix_length(key), false);
  }
  return 0;
}

}  // namespace kiln::detail
