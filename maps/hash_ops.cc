// SPDX-License-Identifier: Apache-2.0
//
// Changes to hash tables: update in two halves or in one, delete.
//
// The arena's bytes after hash_update() are those after hash_prepare(), the stores of a value, and
// hash_commit() (README.md), but for the hash and key of entries that were prepared in vain.
#include "hash_ops.h"

#include <cerrno>
#include <optional>

#include <kiln/prefix_index.h>
#include <kiln/result.h>

#include "hash_table.h"
#include "lru.h"

namespace kiln::detail {
namespace {

std::int64_t full_error(MapType type) {
  return type == MapType::kLpmTrie ? -ENOSPC : is_local_storage(type) ? -ENOMEM : -E2BIG;
}

/// Calls `work` with the key that is stored and hashed. An LPM prefix longer than the data: `invalid`.
template <typename Work>
std::int64_t with_key(const Table& table, const std::byte* bytes, Work work) {
  const std::uint32_t size = table.descriptor().key_size;
  if (table.type() != MapType::kLpmTrie) {
    return work(Key(bytes, size));
  }
  LpmKey key(bytes, size);
  if (key.length() > table.max_prefix()) {
    return -EINVAL;
  }
  key.mask(key.length());
  return work(key.key());
}

std::uint32_t prefix_length(const Key& key) { return static_cast<std::uint32_t>(key.word(0)); }

/// Whether the flags fit what is there.
std::int64_t check_flags(bool exists, std::uint64_t flags) {
  if (exists && (flags & ~kUpdateLock) == 1) {
    return -EEXIST;
  }
  return !exists && (flags & ~kUpdateLock) == 2 ? -ENOENT : 0;
}

bool known_flags(const Table& table, std::uint64_t flags) {
  const bool lockable = table.descriptor().value_lock != 0 && !is_lru(table.type());
  return (lockable ? flags & ~kUpdateLock : flags) <= 2;
}

/// An entry that nobody uses, or uses any more.
void give_back(const Table& table, std::uint32_t entry) {
  if (is_lru(table.type())) {
    Lru(table).push(entry);
  } else {
    table.free(entry);
  }
}

/// Links a filled entry for a key that is not there. REQUIRES: there is room.
void insert(const Table& table, const Key& key, std::uint32_t entry) {
  table.write_key(entry, key);
  table.set_count(table.count() + 1);
  if (table.type() == MapType::kLpmTrie) {
    table.count_prefix(prefix_length(key), true);
    if (table.prefixes() != nullptr) {
      table.prefixes()->add(table.at(table.offset(entry)) + sizeof(MapEntry) + sizeof(std::uint32_t), prefix_length(key));
    }
  }
  table.link(entry, key, kEntryLive);
}

void replace(const Table& table, const Key& key, const Found& old, std::uint32_t entry) {
  table.write_key(entry, key);
  table.replace(old, entry, key, kEntryLive | (is_lru(table.type()) ? kEntryReferenced : 0));
  if (is_lru(table.type())) {
    Lru(table).push(old.entry);
  } else {
    table.set_aside(old.entry);
  }
}

/// What an update starts from.
struct Place {
  std::int64_t error = 0;
  Found old;
  std::uint32_t entry = 0;  ///< to write; 0: the old one's value is changed where it is
};

/// An LRU map takes an entry before it knows whether it needs one, and may give up the very one that is to be updated.
Place lru_place(const Table& table, const Key& key, std::uint64_t flags) {
  const Lru lru(table);
  Place place;
  if (!is_per_cpu(table.type()) || flags != 2) {
    place.entry = lru.pop();
    if (place.entry == 0) {
      return {-ENOMEM, {}, 0};
    }
  }
  place.old = table.find(key);
  place.error = check_flags(place.old.entry != 0, flags);
  const bool in_place = place.error == 0 && place.old.entry != 0 && is_per_cpu(table.type());
  if (in_place) {
    mark_referenced(table.at(table.offset(place.old.entry)), table.shared());
  }
  if (place.entry != 0 && (place.error != 0 || in_place)) {
    lru.push(place.entry);
    place.entry = 0;
  }
  return place;
}

Place find_place(const Table& table, const Key& key, std::uint64_t flags) {
  if (is_lru(table.type())) {
    return lru_place(table, key, flags);
  }
  const Found old = table.find(key);
  if (const std::int64_t error = check_flags(old.entry != 0, flags); error != 0) {
    return {error, old, 0};
  }
  if (old.entry != 0 && (is_per_cpu(table.type()) || (flags & kUpdateLock) != 0)) {
    return {0, old, 0};
  }
  if (old.entry == 0 && table.full()) {
    return {full_error(table.type()), {}, 0};
  }
  const std::uint32_t entry = table.take(old.entry != 0);
  return {entry == 0 ? -ENOMEM : 0, old, entry};
}

std::int64_t prepare(const Table& table, const Key& key, std::uint64_t flags) {
  const auto [error, old, entry] = find_place(table, key, flags);
  if (error != 0 || entry == 0) {
    return error != 0 ? error : table.value(old.entry);
  }
  table.set_next(entry, entry);
  store_shared(table.at(table.offset(entry)) + offsetof(MapEntry, hash), key.hash());
  if (is_per_cpu(table.type())) {
    table.clear_values(entry);
  }
  return table.value(entry);
}

std::int64_t commit(const Table& table, const Key& key, std::uint32_t value) {
  const MapDescriptor& d = table.descriptor();
  const auto state = load_shared<std::uint32_t>(table.at(value - d.value_offset));
  const std::uint32_t entry = state & kEntryNextMask;
  const bool prepared = (state & kEntryLive) == 0 && entry != 0 && table.value(entry) == value &&
                        table.hash(entry) == key.hash();
  if (!prepared) {
    return 0;  // a per-CPU value, already changed where it is
  }
  const Found old = table.find(key);
  if (old.entry != 0 && is_per_cpu(table.type())) {
    // Another thread inserted the key since map_prepare(). It wrote other processors' values.
    const std::uint32_t words = d.cpu_count * d.value_stride / 8;
    for (std::uint32_t i = 0; i < words; ++i) {
      std::byte* into = table.at(table.value(old.entry) + 8 * i);
      store_shared(into, load_shared<std::uint64_t>(into) | load_shared<std::uint64_t>(table.at(value + 8 * i)));
    }
    give_back(table, entry);
    return 0;
  }
  if (old.entry != 0) {
    replace(table, key, old, entry);
    return 0;
  }
  if (table.full()) {  // never an LRU map, which has no spare entries
    table.free(entry);
    return full_error(table.type());
  }
  insert(table, key, entry);
  return 0;
}

/// REQUIRES: the lock is held.
std::int64_t update(MapView map, const Table& table, const Key& key, const NewValue& value, std::uint64_t flags) {
  const auto [error, old, entry] = find_place(table, key, flags);
  if (error != 0) {
    return error;
  }
  if (entry == 0) {
    std::optional<ValueLock> lock;
    if ((flags & kUpdateLock) != 0) {
      lock.emplace(map, table.value(old.entry));
    }
    store_value(map, table.value(old.entry), value);
    return 0;
  }
  if (is_per_cpu(table.type())) {
    table.clear_values(entry);
  }
  store_value(map, table.value(entry), value);
  if (old.entry != 0) {
    replace(table, key, old, entry);
  } else {
    insert(table, key, entry);
  }
  return 0;
}

}  // namespace

std::uint32_t hash_find(MapView map, const std::byte* bytes) {
  const Table table(map);
  return static_cast<std::uint32_t>(std::max<std::int64_t>(0, with_key(table, bytes, [&](const Key& key) -> std::int64_t {
    const ReadGuard guard(map.lock);
    const Found found = table.find(key);
    return found.entry == 0 ? 0 : table.value(found.entry);
  })));
}

std::int64_t hash_prepare(MapView map, const std::byte* bytes, std::uint64_t flags) {
  const Table table(map);
  if (flags > 2) {
    return -EINVAL;
  }
  return with_key(table, bytes, [&](const Key& key) {
    const Guard guard(map.lock);
    return prepare(table, key, flags);
  });
}

std::int64_t hash_commit(MapView map, const std::byte* bytes, std::uint32_t value) {
  const Table table(map);
  return with_key(table, bytes, [&](const Key& key) {
    const Guard guard(map.lock);
    return commit(table, key, value);
  });
}

std::int64_t hash_update(MapView map, const std::byte* bytes, const NewValue& value, std::uint64_t flags) {
  const Table table(map);
  if (!known_flags(table, flags)) {
    return -EINVAL;
  }
  return with_key(table, bytes, [&](const Key& key) {
    const Guard guard(map.lock);
    return update(map, table, key, value, flags);
  });
}

std::int64_t hash_erase(MapView map, const std::byte* bytes, std::byte* old) {
  const Table table(map);
  return with_key(table, bytes, [&](const Key& key) -> std::int64_t {
    const Guard guard(map.lock);
    const Found found = table.find(key);
    if (found.entry == 0) {
      return -ENOENT;
    }
    if (old != nullptr) {
      const MapDescriptor& d = table.descriptor();
      copy_out(old, table.at(table.value(found.entry)), d.cpu_count * d.value_stride, table.shared());
    }
    table.unlink(found);
    give_back(table, found.entry);
    table.set_count(table.count() - 1);
    if (table.type() == MapType::kLpmTrie) {
      table.count_prefix(prefix_length(key), false);
    }
    return 0;
  });
}

}  // namespace kiln::detail
