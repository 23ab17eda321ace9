// SPDX-License-Identifier: Apache-2.0
//
// Arrays, and the choice between them and hash tables.
#include <cerrno>
#include <optional>

#include <kiln/map_ops.h>

#include "bytes.h"
#include "hash_ops.h"

namespace kiln {

using detail::load;

namespace {

std::uint32_t array_lookup(MapView map, const std::byte* key) {
  const MapDescriptor& d = *map.descriptor;
  if (is_cgroup_storage(map.type())) {
    return d.entries;
  }
  const auto index = load<std::uint32_t>(key);
  if (index >= d.max_entries) {
    return 0;
  }
  const std::uint32_t value = d.entries + index * d.entry_stride;
  if (is_slot_array(map.type()) && detail::load_shared<std::uint32_t>(map.arena + value) == 0) {
    return 0;
  }
  return value;
}

/// Where an array's element is, or -errno. Linux takes BPF_F_LOCK apart from the rest, hence an order of
/// checks that hashes don't have.
std::int64_t array_place(MapView map, const std::byte* key, std::uint64_t flags, bool can_lock) {
  const MapDescriptor& d = *map.descriptor;
  const auto index = load<std::uint32_t>(key);
  if ((flags & ~detail::kUpdateLock) > 2) {
    return -EINVAL;
  }
  if (index >= d.max_entries) {
    return -E2BIG;
  }
  if ((flags & 1) != 0) {
    return -EEXIST;
  }
  if ((flags & detail::kUpdateLock) != 0 && !can_lock) {
    return -EINVAL;
  }
  return d.entries + index * d.entry_stride;
}

std::int64_t array_update(MapView map, const std::byte* key, const detail::NewValue& value, std::uint64_t flags) {
  const std::int64_t place = array_place(map, key, flags, map.descriptor->value_lock != 0);
  if (place < 0) {
    return place;
  }
  const auto at = static_cast<std::uint32_t>(place);
  std::optional<detail::ValueLock> lock;
  if ((flags & detail::kUpdateLock) != 0) {
    lock.emplace(map, at);
  }
  detail::store_value(map, at, value);
  return 0;
}

}  // namespace

std::uint32_t map_lookup(MapView map, const std::byte* key) {
  return is_hash_kind(map.type()) ? detail::hash_lookup(map, key) : array_lookup(map, key);
}

std::uint32_t map_peek(MapView map, const std::byte* key) {
  return is_hash_kind(map.type()) ? detail::hash_peek(map, key) : array_lookup(map, key);
}

std::uint32_t map_find(MapView map, const std::byte* key) {
  return is_hash_kind(map.type()) ? detail::hash_find(map, key) : array_lookup(map, key);
}

std::int64_t map_prepare(MapView map, const std::byte* key, std::uint64_t flags) {
  return is_hash_kind(map.type()) ? detail::hash_prepare(map, key, flags) : array_place(map, key, flags, false);
}

std::int64_t map_commit(MapView map, const std::byte* key, std::uint32_t value) {
  return is_hash_kind(map.type()) ? detail::hash_commit(map, key, value) : 0;
}

std::int64_t map_update(MapView map, const std::byte* key, const std::byte* value, std::uint64_t flags,
                        std::uint32_t cpu) {
  const detail::NewValue one{.bytes = value, .cpu = cpu, .every_cpu = false};
  return is_hash_kind(map.type()) ? detail::hash_update(map, key, one, flags) : array_update(map, key, one, flags);
}

std::int64_t map_update_every_cpu(MapView map, const std::byte* key, const std::byte* values, std::uint64_t flags) {
  const detail::NewValue all{.bytes = values, .cpu = 0, .every_cpu = true};
  return is_hash_kind(map.type()) ? detail::hash_update(map, key, all, flags) : array_update(map, key, all, flags);
}

std::int64_t map_erase(MapView map, const std::byte* key) {
  return is_hash_kind(map.type()) ? detail::hash_erase(map, key, nullptr) : -EINVAL;
}

}  // namespace kiln
