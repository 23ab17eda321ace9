// SPDX-License-Identifier: Apache-2.0
//
// Hash tables in the arena: hash, per-CPU, LRU, LPM, local storage, and the hashes of devices, sockets, maps.
//
// The algorithms of maps/layout.md, one function each; map_ops.h chooses between these and arrays.
#pragma once

#include <kiln/map_ops.h>

#include "value.h"

namespace kiln::detail {

// REQUIRES: is_hash_kind(map.type()). Same results as the functions of map_ops.h.
std::uint32_t hash_lookup(MapView map, const std::byte* key);
std::uint32_t hash_peek(MapView map, const std::byte* key);
std::uint32_t hash_find(MapView map, const std::byte* key);
std::int64_t hash_prepare(MapView map, const std::byte* key, std::uint64_t flags);
std::int64_t hash_commit(MapView map, const std::byte* key, std::uint32_t value);
/// Both halves and the value between them, as one step for other threads.
std::int64_t hash_update(MapView map, const std::byte* key, const NewValue& value, std::uint64_t flags);
/// \param old  if not nullptr: where the value goes (value_stride bytes a processor) before it is gone.
std::int64_t hash_erase(MapView map, const std::byte* key, std::byte* old);

}  // namespace kiln::detail
