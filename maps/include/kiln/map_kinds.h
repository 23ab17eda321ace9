// SPDX-License-Identifier: Apache-2.0
//
// Which map types are built alike. A type that is in no group here has no layout: MapSet refuses it.
#pragma once

#include <kiln/program.h>

namespace kiln {

/// Values at index * entry_stride, no header, no buckets.
constexpr bool is_array(MapType type) {
  return type == MapType::kArray || type == MapType::kPercpuArray;
}
/// Arrays whose elements may be missing: the first u32 is 0 then.
constexpr bool is_slot_array(MapType type) {
  return type == MapType::kProgArray || type == MapType::kPerfEventArray ||
         type == MapType::kCgroupArray || type == MapType::kArrayOfMaps ||
         type == MapType::kDevmap || type == MapType::kCpumap || type == MapType::kXskmap ||
         type == MapType::kSockmap || type == MapType::kReuseportSockarray;
}
constexpr bool is_lru(MapType type) {
  return type == MapType::kLruHash || type == MapType::kLruPercpuHash;
}
constexpr bool is_per_cpu(MapType type) {
  return type == MapType::kPercpuHash || type == MapType::kPercpuArray ||
         type == MapType::kLruPercpuHash || type == MapType::kPercpuCgroupStorage;
}
/// One value per owner (socket, task, inode, cgroup), which a 32-bit number names.
constexpr bool is_local_storage(MapType type) {
  return type == MapType::kSkStorage || type == MapType::kTaskStorage ||
         type == MapType::kInodeStorage || type == MapType::kCgrpStorage;
}
/// Header, buckets, entries.
constexpr bool is_hash_kind(MapType type) {
  return type == MapType::kHash || type == MapType::kPercpuHash || is_lru(type) ||
         type == MapType::kLpmTrie || type == MapType::kHashOfMaps || type == MapType::kDevmapHash ||
         type == MapType::kSockhash || is_local_storage(type);
}
/// The storage of the cgroup that a program is attached to: one value, whatever the key.
constexpr bool is_cgroup_storage(MapType type) {
  return type == MapType::kCgroupStorage || type == MapType::kPercpuCgroupStorage;
}
/// A ring of max_entries + 1 values, first in first out or last in first out.
constexpr bool is_queue_or_stack(MapType type) {
  return type == MapType::kQueue || type == MapType::kStack;
}
/// Values are pushed, popped and peeked at; there are no keys.
constexpr bool is_keyless(MapType type) {
  return is_queue_or_stack(type) || type == MapType::kBloomFilter;
}
constexpr bool holds_maps(MapType type) {
  return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps;
}
constexpr bool has_layout(MapType type) {
  return is_array(type) || is_slot_array(type) || is_hash_kind(type) || is_cgroup_storage(type) ||
         is_keyless(type) || is_ring(type) || type == MapType::kStackTrace;
}

// Flags of BPF_MAP_CREATE. Source: uapi/linux/bpf.h.
inline constexpr std::uint32_t kNoPrealloc = 1u << 0;
inline constexpr std::uint32_t kNoCommonLru = 1u << 1;
inline constexpr std::uint32_t kNumaNode = 1u << 2;
inline constexpr std::uint32_t kReadOnlyForUser = 1u << 3;     ///< BPF_F_RDONLY
inline constexpr std::uint32_t kWriteOnlyForUser = 1u << 4;    ///< BPF_F_WRONLY
inline constexpr std::uint32_t kStackBuildId = 1u << 5;
inline constexpr std::uint32_t kZeroSeed = 1u << 6;
inline constexpr std::uint32_t kReadOnlyForProgram = 1u << 7;  ///< BPF_F_RDONLY_PROG
inline constexpr std::uint32_t kWriteOnlyForProgram = 1u << 8; ///< BPF_F_WRONLY_PROG
inline constexpr std::uint32_t kClone = 1u << 9;
inline constexpr std::uint32_t kMmapable = 1u << 10;
inline constexpr std::uint32_t kPreserveElements = 1u << 11;
inline constexpr std::uint32_t kInnerMap = 1u << 12;

}  // namespace kiln
