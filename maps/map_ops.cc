// SPDX-License-Identifier: Apache-2.0
//
// Arrays, and the choice between them and hash tables.
#include <cerrno>

#include <kiln/map_ops.h>

#include "bytes.h"
#include "hash_ops.h"

namespace kiln {

using detail::load;

namespace {

std::uint32_t array_lookup(MapView map, const std::byte* key) {
  const MapDescriptor& d = *map.descriptor;
  const auto index = load<std::uint32_t>(key);
  if (index >= d.max_entries) {
    return 0;
  }
  const std::uint32_t value = d.entries + index * d.entry_stride;
  if (is_slot_array(map.type()) && load<std::uint32_t>(map.arena + value) == 0) {
    return 0;
  }
  return value;
}

}  // namespace

std::uint32_t map_lookup(MapView map, const std::byte* key) {
  return is_hash_kind(map.type()) ? detail::hash_lookup(map, key) : array_lookup(map, key);
}

std::uint32_t map_peek(MapView map, const std::byte* key) {
  return is_hash_kind(map.type()) ? detail::hash_peek(map, key) : array_lookup(map, key);
}

std::int64_t map_prepare(MapView map, const std::byte* key, std::uint64_t flags) {
  if (is_hash_kind(map.type())) {
    return detail::hash_prepare(map, key, flags);
  }
  // Linux takes BPF_F_LOCK (4) apart from the rest, hence an order of checks that hashes don't
  // have.
  constexpr std::uint64_t kLock = 4;
  const MapDescriptor& d = *map.descriptor;
  const auto index = load<std::uint32_t>(key);
  if ((flags & ~kLock) > 2) {
    return -EINVAL;
  }
  if (index >= d.max_entries) {
    return -E2BIG;
  }
  if ((flags & 1) != 0) {
    return -EEXIST;
  }
  if ((flags & kLock) != 0) {
    return -EINVAL;
  }
  return d.entries + index * d.entry_stride;
}

std::int64_t map_commit(MapView map, const std::byte* key, std::uint32_t value) {
  return is_hash_kind(map.type()) ? detail::hash_commit(map, key, value) : 0;
}

std::int64_t map_erase(MapView map, const std::byte* key) {
  return is_hash_kind(map.type()) ? detail::hash_erase(map, key) : -EINVAL;
}

}  // namespace kiln
