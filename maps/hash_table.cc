// SPDX-License-Identifier: Apache-2.0
//
// The chained hash table and its free list.
#include "hash_table.h"

#include <kiln/result.h>

namespace kiln::detail {

namespace {

/// \param equal  whether the entry at an address is the one.
template <typename Equal>
Found find_in_chain(const Table& table, std::uint32_t hash, Equal equal) {
  Found found{table.bucket(hash), 0};
  for (;;) {
    const std::uint32_t link = load_shared<std::uint32_t>(table.at(found.link)) & kEntryNextMask;
    if (link == 0) {
      return {};
    }
    const std::uint32_t entry = table.offset(link);
    if (equal(table.at(entry))) {
      found.entry = link;
      return found;
    }
    found.link = entry;
  }
}

}  // namespace

Found Table::find(const Key& key) const {
  if (key.words() == 1) {  // the hash would tell nothing that the word does not
    return find_in_chain(*this, key.hash(), [word = key.word(0)](const std::byte* entry) {
      return load_shared<std::uint64_t>(entry + sizeof(MapEntry)) == word;
    });
  }
  return find_in_chain(*this, key.hash(), [&key](const std::byte* entry) {
    std::uint32_t i = 0;
    if (load_shared<std::uint32_t>(entry + offsetof(MapEntry, hash)) != key.hash()) {
      return false;
    }
    while (i < key.words() && load_shared<std::uint64_t>(entry + sizeof(MapEntry) + 8 * std::size_t{i}) == key.word(i)) {
      ++i;
    }
    return i == key.words();
  });
}

/// Takes an entry out of its chain; flags beside the link that pointed to it stay.
void Table::unlink(const Found& found) const {
  const auto link = load_shared<std::uint32_t>(at(found.link));
  store_release(at(found.link), (link & ~kEntryNextMask) | (next(found.entry) & kEntryNextMask));
}

/// Puts an entry at the head of its bucket. A bucket word has no flags.
void Table::link(std::uint32_t link, const Key& key, std::uint32_t flags) const {
  std::byte* const first = at(bucket(key.hash()));
  store_shared(at(offset(link)) + offsetof(MapEntry, hash), key.hash());
  set_next(link, load_shared<std::uint32_t>(first) | flags);
  store_release(first, link);
}

void Table::replace(const Found& old, std::uint32_t link, const Key& key, std::uint32_t flags) const {
  const std::uint32_t first_at = bucket(key.hash());
  store_shared(at(offset(link)) + offsetof(MapEntry, hash), key.hash());
  const std::uint32_t after = next(old.entry) & kEntryNextMask;
  if (old.link == first_at) {
    set_next(link, after | flags);
    store_release(at(first_at), link);
    return;
  }
  set_next(link, load_shared<std::uint32_t>(at(first_at)) | flags);
  store_release(at(first_at), link);
  unlink(old);
}

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

void Table::set_aside(std::uint32_t link) const {
  if (get(offsetof(MapHeader, extra)) == 0) {
    set(offsetof(MapHeader, extra), link);
    set_next(link, 0);
  } else {
    free(link);
  }
}

void Table::unlink_entry(std::uint32_t link) const {
  const Found found = find_in_chain(*this, hash(link), [mine = at(offset(link))](const std::byte* entry) { return entry == mine; });
  KILN_CHECK(found.entry == link);
  unlink(found);
  set_count(count() - 1);
}

void Table::write_key(std::uint32_t link, const Key& key) const {
  std::byte* const stored = at(offset(link)) + sizeof(MapEntry);
  for (std::uint32_t i = 0; i < key.words(); ++i) {
    store_shared(stored + 8 * std::size_t{i}, key.word(i));
  }
}

void Table::clear_values(std::uint32_t link) const {
  std::byte* const values = at(value(link));
  const std::size_t bytes = std::size_t{d_.cpu_count} * d_.value_stride;
  for (std::size_t i = 0; i < bytes; i += 8) {
    store_shared(values + i, std::uint64_t{0});
  }
}

void Table::count_prefix(std::uint32_t length, bool up) const {
  const std::size_t counter = counts_at() + 4 * std::size_t{length};
  const std::uint32_t before = get(counter);
  const std::uint32_t after = up ? before + 1 : before - 1;
  set(counter, after);
  if ((before == 0) != (after == 0)) {
    std::byte* const word = header(lengths_at() + length / 64 * 8);
    store_shared(word, load_shared<std::uint64_t>(word) ^ std::uint64_t{1} << (length % 64));
  }
}

}  // namespace kiln::detail
