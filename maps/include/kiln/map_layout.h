// SPDX-License-Identifier: Apache-2.0
//
// The bytes of every map in the arena: the one layout that the C++ maps and the NIC's map engine
// share. maps/layout.md is the format page; this header is what code includes.
//
// All maps of an object lie in one arena of little-endian bytes. An address a program sees is
// address::kMap + arena offset. Each map has a MapDescriptor (sixteen 32-bit words, what the driver
// writes to the NIC) and, in the arena, an optional mutable header, a bucket array and its entries.
#pragma once

#include <array>
#include <cstdint>

namespace kiln {

/// Element formats that are not the user's bytes: prog arrays hold u32 program index + 1, maps of maps
/// u32 map index + 1, 0 meaning empty; devmaps, cpumaps, xskmaps and maps of sockets hold the value the
/// user wrote (u32 ifindex first), 0 meaning empty; perf event and cgroup arrays u32.
///
/// Where a map's parts are. All offsets are from the start of the arena, all multiples of 8.
/// The member order is the word order on the wire.
struct MapDescriptor {
  std::uint32_t type = 0;          ///< MapType
  std::uint32_t key_size = 0;      ///< bytes
  std::uint32_t value_size = 0;    ///< bytes
  std::uint32_t max_entries = 0;
  std::uint32_t flags = 0;         ///< BPF_F_*
  std::uint32_t header = 0;        ///< offset of MapHeader, QueueHeader, RingHeader, or 0 for none
  std::uint32_t buckets = 0;       ///< offset of the bucket array: u32 each, entry number + 1, 0 empty
  std::uint32_t bucket_mask = 0;   ///< buckets - 1; their number is a power of two >= max_entries.
                                   ///< Ring buffer: bytes - 1. Bloom filter: bits - 1
  std::uint32_t entries = 0;       ///< offset of entry 0 (arrays: of value 0)
  std::uint32_t entry_stride = 0;  ///< bytes from entry to entry
  std::uint32_t value_offset = 0;  ///< bytes from an entry's start to its value (arrays: 0)
  std::uint32_t value_stride = 0;  ///< bytes from one processor's value to the next (8-rounded)
  std::uint32_t cpu_count = 1;     ///< values per entry: 1 unless per-CPU
  std::uint32_t entry_count = 0;   ///< entries there are: max_entries + kSpareEntries for hashes, without for LRU
  std::uint32_t hash_count = 0;    ///< Bloom filter: bits per value, 1..15. LRU: free entries that a processor takes at
                                   ///< once, 1..128; 0: BPF_F_NO_COMMON_LRU
  std::uint32_t value_lock = 0;    ///< 1 + byte of the value where its struct bpf_spin_lock is; 0: none
};
static_assert(sizeof(MapDescriptor) == 64);

/// Mutable state of a hash or LPM map. Entry numbers are stored plus one, 0 meaning none.
struct MapHeader {
  std::uint32_t free_head = 0;    ///< LIFO of freed entries, linked through MapEntry::next
  std::uint32_t extra = 0;        ///< the entry that the last replacement left, used by the next one
  std::uint32_t count = 0;        ///< entries linked into buckets
  std::uint32_t next_unused = 0;  ///< entries from here on were never used
  std::uint64_t reserved = 0;
  std::array<std::uint64_t, 8> lengths{};  ///< LPM: bit n set: some entry has prefix length n (0..511)
  // LPM only: followed by u32 per prefix length, how many entries have it. Tries with longer
  // prefixes have their bits (a u64 per 64 lengths) here instead of in `lengths`, then the counts.
};
static_assert(sizeof(MapHeader) == 88);

/// Mutable state of an LRU map. The first 16 bytes are those of MapHeader.
struct LruHeader {
  std::uint32_t free_head = 0;
  std::uint32_t extra = 0;        ///< not used
  std::uint32_t count = 0;
  std::uint32_t next_unused = 0;
  std::uint32_t rotation = 0;     ///< inactive entry + 1 at which the next rotation begins, 0: at the list's tail
  std::uint32_t surplus = 0;      ///< active entries - inactive entries, signed
  std::array<std::uint64_t, 3> lists{};  ///< pending, inactive, active: {u32 first, u32 last | list << 30}
  std::uint32_t local_free = 0;   ///< of the free entries, those that are the processor's own
  std::uint32_t taken = 0;        ///< entries that are not free, or the processor's own
};
static_assert(sizeof(LruHeader) == 56);

/// First 8 bytes of a hash entry; the key follows, zero-padded to 8 bytes, then the value(s).
/// LPM keys are the kernel's struct bpf_lpm_trie_key with the host bits of the data cleared.
struct MapEntry {
  std::uint32_t next = 0;  ///< bits 29:0 next entry number + 1; kLive, kReferenced
  std::uint32_t hash = 0;  ///< hash_key() of the key
};
inline constexpr std::uint32_t kEntryNextMask = 0x3fff'ffff;
inline constexpr std::uint32_t kEntryLive = 1u << 30;        ///< linked into a bucket
inline constexpr std::uint32_t kEntryReferenced = 1u << 31;  ///< LRU: looked up since it came into its list

/// Longest prefix whose bit is in MapHeader::lengths.
inline constexpr std::uint32_t kMaxShortPrefix = 511;

/// Queue and stack: numbers of entries, of which there are max_entries + 1. Equal: empty.
struct QueueHeader {
  std::uint32_t head = 0;  ///< where the next value goes
  std::uint32_t tail = 0;  ///< the oldest value
  std::uint64_t reserved = 0;
};
static_assert(sizeof(QueueHeader) == 16);

/// Ring buffers: byte positions that only grow. A position's place is position & bucket_mask.
/// A record is {u32 length | flags, u32 arena offset of the RingHeader, data, padding to 8}. It is
/// never split: one that begins before the end goes on into a second area of the same size.
struct RingHeader {
  std::uint64_t consumer = 0;  ///< everything before was read
  std::uint64_t producer = 0;  ///< everything before is reserved
  std::uint64_t pending = 0;   ///< everything before is committed (ring buffers that programs write)
  std::array<std::uint64_t, 5> reserved{};
};
static_assert(sizeof(RingHeader) == 64);
inline constexpr std::uint32_t kRingBusy = 1u << 31;     ///< reserved, not committed
inline constexpr std::uint32_t kRingDiscard = 1u << 30;  ///< to be passed over
inline constexpr std::uint32_t kRingRecordHeader = 8;

/// Stack traces: `used` buckets hold a trace. A bucket is {u32 addresses, u32 hash, value}; no addresses: empty.
struct StackTraceHeader {
  std::uint32_t used = 0;
  std::uint32_t reserved = 0;
};

/// Local storage has no max_entries; so many owners can have a value.
inline constexpr std::uint32_t kLocalStorageOwners = 1024;

/// Entries beyond max_entries, so that a replacement can be written before it is linked, by as many
/// threads at once. `extra` is one of them.
inline constexpr std::uint32_t kSpareEntries = 32;

/// LRU: so many entries one pass over a list looks at; with BPF_F_NO_COMMON_LRU fewer. The first is also the most
/// free entries that a processor takes at once.
inline constexpr std::uint32_t kLruScans = 128;
inline constexpr std::uint32_t kLruCpuScans = 4;

/// One word of CRC-32C (polynomial 0x1EDC6F41, reflected), as x86's crc32q does it.
/// hash_key(): start from kHashSeed, one step per 8 bytes of zero-padded key, no final inversion;
/// the bucket is hash & bucket_mask.
std::uint32_t crc32c_word(std::uint32_t crc, std::uint64_t word);
inline constexpr std::uint32_t kHashSeed = 0xffff'ffff;

}  // namespace kiln
