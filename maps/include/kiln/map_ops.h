// SPDX-License-Identifier: Apache-2.0
//
// The operations on one map, on nothing but its descriptor and the arena's bytes.
//
// The same four requests that the NIC's map engine serves (core_services.def), with the same
// memory writes (maps/README.md), so that either side can be checked against the other. MapSet
// builds the helper functions from them; machine code may call them directly. Not here: the copying
// of values, which is the caller's between map_prepare() and map_commit().
#pragma once

#include <cstddef>
#include <cstdint>

#include <kiln/map_layout.h>
#include <kiln/program.h>

namespace kiln {

/// REQUIRES: descriptor and arena outlive the view, and belong together.
struct MapView {
  std::byte* arena = nullptr;
  const MapDescriptor* descriptor = nullptr;
  MapType type() const { return static_cast<MapType>(descriptor->type); }
};

/// Values at index * entry_stride, no header, no buckets.
constexpr bool is_array(MapType type) {
  return type == MapType::kArray || type == MapType::kPercpuArray;
}
/// Arrays whose elements may be missing: the first u32 is 0 then.
constexpr bool is_slot_array(MapType type) {
  return type == MapType::kProgArray || type == MapType::kPerfEventArray ||
         type == MapType::kArrayOfMaps || type == MapType::kDevmap || type == MapType::kCpumap ||
         type == MapType::kXskmap;
}
constexpr bool is_lru(MapType type) {
  return type == MapType::kLruHash || type == MapType::kLruPercpuHash;
}
constexpr bool is_per_cpu(MapType type) {
  return type == MapType::kPercpuHash || type == MapType::kPercpuArray ||
         type == MapType::kLruPercpuHash;
}
/// Header, buckets, entries.
constexpr bool is_hash_kind(MapType type) {
  return type == MapType::kHash || type == MapType::kPercpuHash || is_lru(type) ||
         type == MapType::kLpmTrie || type == MapType::kHashOfMaps || type == MapType::kDevmapHash;
}
constexpr bool has_layout(MapType type) {
  return is_array(type) || is_slot_array(type) || is_hash_kind(type);
}

/// Longest key, as the NIC's service port and Kiln's stack-sized buffers have it.
inline constexpr std::uint32_t kMaxKeyBytes = 512;
/// LPM: longest data, so that every prefix length has a bit in MapHeader::lengths.
inline constexpr std::uint32_t kMaxLpmDataBytes = 60;

// REQUIRES, all of them: `key` holds key_size bytes.

/// \return arena offset of processor 0's value, or 0 if there is no such element.
std::uint32_t map_lookup(MapView map, const std::byte* key);
/// The same, but an LRU map does not notice.
std::uint32_t map_peek(MapView map, const std::byte* key);
/// First half of an update. \param flags  BPF_ANY, BPF_NOEXIST, BPF_EXIST.
/// \return arena offset of processor 0's value, where the caller writes the new one; or -errno.
std::int64_t map_prepare(MapView map, const std::byte* key, std::uint64_t flags);
/// Second half. \param value  what map_prepare() gave for the same key. \return 0 or -errno.
std::int64_t map_commit(MapView map, const std::byte* key, std::uint32_t value);
/// \return 0 or -errno.
std::int64_t map_erase(MapView map, const std::byte* key);

}  // namespace kiln
