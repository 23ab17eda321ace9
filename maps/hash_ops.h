// SPDX-License-Identifier: Apache-2.0
//
// Hash tables in the arena: hash, per-CPU, LRU, LPM, and the hashes of devices and maps.
//
// The algorithms of maps/README.md, one function each; map_ops.h chooses between these and arrays.
#pragma once

#include <kiln/map_ops.h>

namespace kiln::detail {

// REQUIRES: is_hash_kind(map.type()). Same results as the functions of map_ops.h.
std::uint32_t hash_lookup(MapView map, const std::byte* key);
std::uint32_t hash_peek(MapView map, const std::byte* key);
std::int64_t hash_prepare(MapView map, const std::byte* key, std::uint64_t flags);
std::int64_t hash_commit(MapView map, const std::byte* key, std::uint32_t value);
std::int64_t hash_erase(MapView map, const std::byte* key);

}  // namespace kiln::detail
