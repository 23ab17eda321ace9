// SPDX-License-Identifier: Apache-2.0
//
// The operations on one map, on nothing but its descriptor and the arena's bytes.
//
// Among them the requests that the NIC's map engine serves (core_services.def), with the same memory
// writes (maps/layout.md), so that either side can be checked against the other. MapSet builds the
// helper functions from them; machine code may call them directly. Between map_prepare() and
// map_commit() the caller writes the value.
//
// Thread safety: with MapView::lock set, any number of threads may call these on one map. Code that
// walks a chain by itself then believes what it finds, but calls map_peek() before it believes that
// something is not there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <kiln/map_kinds.h>
#include <kiln/map_layout.h>
#include <kiln/map_lock.h>
#include <kiln/program.h>

namespace kiln {

class PrefixIndex;

/// REQUIRES: descriptor and arena outlive the view, and belong together.
struct MapView {
  std::byte* arena = nullptr;
  const MapDescriptor* descriptor = nullptr;
  MapLock* lock = nullptr;  ///< of this map; nullptr: no other thread works on it
  PrefixIndex* prefixes = nullptr;  ///< of an LPM trie, if there is one
  MapType type() const { return static_cast<MapType>(descriptor->type); }
};

/// LPM: longest data.
inline constexpr std::uint32_t kMaxLpmDataBytes = 256;

// REQUIRES, all of them: `key` holds key_size bytes.

/// \return arena offset of processor 0's value, or 0 if there is no such element.
std::uint32_t map_lookup(MapView map, const std::byte* key);
/// The same, but an LRU map does not notice.
std::uint32_t map_peek(MapView map, const std::byte* key);
/// The same, but an LPM trie looks for exactly this prefix.
std::uint32_t map_find(MapView map, const std::byte* key);
/// First half of an update. \param flags  BPF_ANY, BPF_NOEXIST, BPF_EXIST.
/// \return arena offset of processor 0's value, where the caller writes the new one; or -errno.
std::int64_t map_prepare(MapView map, const std::byte* key, std::uint64_t flags);
/// Second half. \param value  what map_prepare() gave for the same key. \return 0 or -errno.
std::int64_t map_commit(MapView map, const std::byte* key, std::uint32_t value);
/// Both halves and the value, as one step for other threads. \param value  value_size bytes, stored for `cpu`
/// in a per-CPU map (an insertion zeroes the others'). \param flags  also BPF_F_LOCK. \return 0 or -errno.
std::int64_t map_update(MapView map, const std::byte* key, const std::byte* value, std::uint64_t flags,
                        std::uint32_t cpu);
/// The same with a value for each processor, value_stride apart.
std::int64_t map_update_every_cpu(MapView map, const std::byte* key, const std::byte* values, std::uint64_t flags);
/// \return 0 or -errno.
std::int64_t map_erase(MapView map, const std::byte* key);

// Queues, stacks and Bloom filters. REQUIRES: is_keyless(type); `value` has value_size bytes.

/// Bloom filter: adds the value. \return 0 or -errno.
std::int64_t push_value(MapView map, const std::byte* value, std::uint64_t flags);
/// Takes out the oldest (queue) or newest (stack). \return 0, or -errno and `value` is zeroed.
std::int64_t pop_value(MapView map, std::byte* value);
/// The same and leaves it there. Bloom filter: whether `value` may be in it, 0 or -ENOENT.
std::int64_t peek_value(MapView map, std::byte* value);

// Ring buffers. REQUIRES: is_ring(type).

/// Room for a record of `size` bytes. \return arena offset of its data, or 0.
std::uint32_t ring_reserve(MapView map, std::uint64_t size);
/// Ends a reservation, whichever map it is in. \param record  what ring_reserve() gave.
void ring_commit(std::byte* arena, std::uint32_t record, bool discard);
/// BPF_RB_AVAIL_DATA 0, RING_SIZE 1, CONS_POS 2, PROD_POS 3; other `what`: 0.
std::uint64_t ring_query(MapView map, std::uint64_t what);

/// A record at the consumer's position.
struct RingRecord {
  std::uint32_t data = 0;  ///< arena offset; 0: there is none
  std::uint32_t size = 0;
};
/// Passes over discarded records, then tells the next one, which stays there until ring_release().
/// \return 0, or -ENODATA: nothing is there or it is not committed; user ring buffers also
/// -EAGAIN: one discarded record was passed over; -EINVAL, -E2BIG: what the producer wrote makes no sense.
std::int64_t ring_next(MapView map, RingRecord& record);
void ring_release(MapView map, const RingRecord& record);

/// Stack traces. `addresses` innermost first, already without what the program skips; at least one.
/// \param flags  BPF_F_FAST_STACK_CMP 0x200, BPF_F_REUSE_STACKID 0x400; others are not looked at.
/// \return the trace's id, or -EEXIST, -ENOMEM.
std::int64_t put_stack_trace(MapView map, std::span<const std::uint64_t> addresses, std::uint64_t flags);

}  // namespace kiln
