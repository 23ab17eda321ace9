// SPDX-License-Identifier: Apache-2.0
//
// One hash-kind map in the arena: names for the places in it, and the steps that operations are made of.
//
// Every store into the arena is listed in README.md under the operation that makes it; the RTL makes the
// same ones. Links hold entry number + 1, 0 meaning none. Whoever changes something holds the map's lock
// (sync.h); the order of stores is such that a look-up under way sees an entry only when it is complete.
#pragma once

#include <cstddef>

#include "bytes.h"
#include "hash_key.h"
#include "sync.h"

namespace kiln::detail {

struct Found {
  std::uint32_t link = 0;   ///< arena offset of the u32 that points to it: a bucket or a `next`
  std::uint32_t entry = 0;  ///< entry number + 1, 0 if there is none
};

class Table {
 public:
  explicit Table(MapView map) : base_(map.arena), d_(*map.descriptor), type_(map.type()), lock_(map.lock), prefixes_(map.prefixes) {}

  MapType type() const { return type_; }
  const MapDescriptor& descriptor() const { return d_; }
  bool shared() const { return lock_ != nullptr; }
  MapLock* lock() const { return lock_; }
  PrefixIndex* prefixes() const { return prefixes_; }
  bool full() const { return count() == d_.max_entries; }

  // Header fields.
  std::byte* header(std::size_t field) const { return base_ + d_.header + field; }
  std::uint32_t get(std::size_t field) const { return load<std::uint32_t>(header(field)); }
  void set(std::size_t field, std::uint32_t value) const { store(header(field), value); }
  std::uint32_t count() const { return get(offsetof(MapHeader, count)); }
  void set_count(std::uint32_t count) const { set(offsetof(MapHeader, count), count); }

  // Entries, by number + 1.
  std::uint32_t offset(std::uint32_t link) const { return d_.entries + (link - 1) * d_.entry_stride; }
  std::uint32_t value(std::uint32_t link) const { return offset(link) + d_.value_offset; }
  std::uint32_t next(std::uint32_t link) const { return load_shared<std::uint32_t>(at(offset(link))); }
  void set_next(std::uint32_t link, std::uint32_t next) const { store_release(at(offset(link)), next); }
  std::uint32_t hash(std::uint32_t link) const {
    return load_shared<std::uint32_t>(at(offset(link) + offsetof(MapEntry, hash)));
  }
  std::uint32_t bucket(std::uint32_t hash) const { return d_.buckets + 4 * (hash & d_.bucket_mask); }
  std::byte* at(std::uint32_t offset) const { return base_ + offset; }

  /// REQUIRES of this and all below: the lock is held, or there is none.
  Found find(const Key& key) const;
  void unlink(const Found& found) const;
  void link(std::uint32_t link, const Key& key, std::uint32_t flags) const;
  /// link() and then unlink() of `old`, but the key is there all the time.
  void replace(const Found& old, std::uint32_t link, const Key& key, std::uint32_t flags) const;
  /// An entry to fill, or 0. A replacement uses the one that the last replacement set aside, so that
  /// it works in a full map and a pointer into a replaced value stays good until the next one.
  std::uint32_t take(bool replaces) const;
  void free(std::uint32_t link) const;
  /// Keeps a replaced entry for the next replacement, or frees it.
  void set_aside(std::uint32_t link) const;
  /// Takes a live entry, whose predecessor is not known, out of its chain.
  void unlink_entry(std::uint32_t link) const;
  void write_key(std::uint32_t link, const Key& key) const;
  void clear_values(std::uint32_t link) const;

  // LPM.
  std::uint32_t max_prefix() const { return 8 * (d_.key_size - 4); }
  std::uint64_t lengths(std::uint32_t word) const {
    return load_shared<std::uint64_t>(header(lengths_at() + 8 * std::size_t{word}));
  }
  /// One entry more or less has this prefix length.
  void count_prefix(std::uint32_t length, bool up) const;

 private:
  std::size_t lengths_at() const {
    return max_prefix() <= kMaxShortPrefix ? offsetof(MapHeader, lengths) : sizeof(MapHeader);
  }
  std::size_t counts_at() const {
    return sizeof(MapHeader) + (max_prefix() <= kMaxShortPrefix ? 0 : 8 * (std::size_t{max_prefix()} / 64 + 1));
  }

  std::byte* base_;
  const MapDescriptor& d_;
  MapType type_;
  MapLock* lock_;
  PrefixIndex* prefixes_;
};

/// LRU: the entry was looked up. Another thread may be changing the link beside the mark.
inline void mark_referenced(std::byte* entry, bool shared) {
  const auto state = load_shared<std::uint32_t>(entry);
  if ((state & kEntryReferenced) != 0) {
    return;
  }
  if (shared) {
    __atomic_fetch_or(reinterpret_cast<Aliased<std::uint32_t>::type*>(entry), kEntryReferenced, __ATOMIC_RELAXED);
  } else {
    store(entry, state | kEntryReferenced);
  }
}

}  // namespace kiln::detail
