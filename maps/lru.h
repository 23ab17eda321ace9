// SPDX-License-Identifier: Apache-2.0
//
// The lists of an LRU map: which entries are free, and which the map gives up when it has none. As Linux keeps
// them, seen from one processor: every operation is made on the same one, whichever thread makes it.
// Source: maps/layout.md, LRU; kernel/bpf/bpf_lru_list.c, Linux 6.18.
#pragma once

#include "hash_table.h"

namespace kiln::detail {

/// Where an entry in use is: kPending until the processor's own free entries run out, then in one of the others.
enum class LruList : std::uint32_t { kPending = 1, kInactive = 2, kActive = 3 };

/// REQUIRES of all: the map's lock is held, or there is none.
class Lru {
 public:
  explicit Lru(const Table& table) : table_(table) {}

  /// A free entry, in a list already but not live; other entries may have to go for it. 0: all entries that are not
  /// free are being written by other threads.
  std::uint32_t pop() const;
  /// Frees an entry that is in no bucket.
  void push(std::uint32_t link) const;
  /// The next pop() takes a free entry if there is one, even if it is the last.
  void spare() const;

 private:
  struct Links {
    std::uint32_t next = 0;  ///< away from the head of the list; 0: none
    std::uint32_t prev = 0;  ///< with the list in bits 31:30
  };
  std::byte* place(LruList list, std::uint32_t link) const;
  Links links(std::uint32_t link) const { return load<Links>(place({}, link)); }
  std::uint32_t prev(std::uint32_t link) const { return links(link).prev & kEntryNextMask; }
  std::uint32_t first(LruList list) const { return load<Links>(place(list, 0)).next; }
  std::uint32_t last(LruList list) const { return load<Links>(place(list, 0)).prev & kEntryNextMask; }
  void set(LruList list, std::uint32_t link, const Links& links) const { store(place(list, link), links); }
  void add_to(std::size_t field, std::uint32_t amount) const { table_.set(field, table_.get(field) + amount); }
  /// An entry more (1) or fewer (-1) in a list.
  void count(LruList list, std::uint32_t amount) const;

  bool referenced(std::uint32_t link) const { return (table_.next(link) & kEntryReferenced) != 0; }
  bool has_common_lists() const { return table_.descriptor().hash_count != 0; }
  std::uint32_t scans() const { return has_common_lists() ? kLruScans : kLruCpuScans; }

  void insert(std::uint32_t link, LruList list) const;
  LruList remove(std::uint32_t link) const;
  void move(std::uint32_t link, LruList list) const;
  void flush() const;
  void rotate() const;
  void rotate_active() const;
  void rotate_inactive() const;
  std::uint32_t shrink(std::uint32_t wanted) const;
  bool evict(std::uint32_t link) const;
  void refill() const;

  const Table& table_;
};

}  // namespace kiln::detail
