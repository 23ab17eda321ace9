// SPDX-License-Identifier: Apache-2.0
//
// Gives every part of every map its place in the arena.
#include "layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include <kiln/address.h>
#include <kiln/map_ops.h>

#include "bytes.h"

namespace kiln::detail {
namespace {

constexpr std::uint64_t kPartAlignment = 64;  // a cache line; offset 0 is nobody's
constexpr std::uint64_t kMaxArena = address::kMapMax;

Error too_large(const MapSpec& spec) {
  return Error{Errc::kInput, fmt::format("map '{}' ({}): with it, the object's maps take more than 1 GiB", spec.name,
                                         map_type_name(spec.type))};
}

/// Hands out arena offsets. Sizes are 64-bit, so that no sum overflows before it is refused.
class Places {
 public:
  std::uint32_t take(std::uint64_t bytes) {
    const std::uint64_t at = used_;
    used_ = bytes > kMaxArena ? kMaxArena + 1 : round_up(used_ + bytes, kPartAlignment);
    used_ = std::min(used_, kMaxArena + 1);
    return static_cast<std::uint32_t>(at);
  }
  bool overflowed() const { return used_ > kMaxArena; }
  std::uint64_t used() const { return used_; }

 private:
  std::uint64_t used_ = kPartAlignment;
};

std::uint64_t header_bytes(const MapSpec& spec) {
  if (is_queue_or_stack(spec.type)) {
    return sizeof(QueueHeader);
  }
  if (is_ring(spec.type)) {
    return sizeof(RingHeader);
  }
  if (spec.type == MapType::kStackTrace) {
    return sizeof(StackTraceHeader);
  }
  if (!is_hash_kind(spec.type)) {
    return 0;
  }
  if (is_lru(spec.type)) {
    return sizeof(LruHeader);
  }
  std::uint64_t bytes = sizeof(MapHeader);
  if (spec.type == MapType::kLpmTrie) {
    const std::uint64_t max_prefix = 8 * (spec.key_size - 4);
    bytes += max_prefix > kMaxShortPrefix ? 8 * (max_prefix / 64 + 1) : 0;
    bytes += round_up(4 * (max_prefix + 1), 8);
  }
  return bytes;
}

/// The kernel's size of a Bloom filter: 7/5 bits per value and hash function, up to a power of two.
std::uint32_t bloom_mask(const MapSpec& spec, std::uint32_t hash_count) {
  const std::uint64_t wanted = std::uint64_t{spec.max_entries} * hash_count;
  const std::uint64_t bits = wanted > 0xffff'ffff ? wanted : wanted / 5 * 7;
  return bits > 1u << 31 ? 0xffff'ffff : static_cast<std::uint32_t>(std::bit_ceil(std::max<std::uint64_t>(bits, 64)) - 1);
}

constexpr std::uint64_t kLruLinkBytes = 8;

bool has_cpu_lists(const MapSpec& spec) { return is_lru(spec.type) && (spec.flags & kNoCommonLru) != 0; }

/// Half a processor's share, within bounds, as in Linux.
std::uint32_t lru_target(const MapSpec& spec, std::uint32_t possible_cpus) {
  return has_cpu_lists(spec) ? 0 : std::clamp(spec.max_entries / possible_cpus / 2, 1u, kLruScans);
}

/// How many entries there are, and where a value is in one.
struct Shape {
  std::uint64_t entry_count = 0;
  std::uint64_t value_offset = 0;
  std::uint64_t value_stride = 0;
  std::uint64_t entry_stride = 0;
};

Shape shape_of(const MapSpec& spec, const MapDescriptor& d, std::uint32_t possible_cpus) {
  Shape shape{.entry_count = d.max_entries, .value_stride = round_up(spec.value_size, 8)};
  if (is_lru(spec.type)) {
    shape.entry_count /= has_cpu_lists(spec) ? possible_cpus : 1;
    shape.value_offset = sizeof(MapEntry) + round_up(spec.key_size, 8) + kLruLinkBytes;
  } else if (is_hash_kind(spec.type)) {
    shape.entry_count += kSpareEntries;
    shape.value_offset = sizeof(MapEntry) + round_up(spec.key_size, 8);
  } else if (is_queue_or_stack(spec.type)) {
    shape.entry_count += 1;
  } else if (spec.type == MapType::kStackTrace) {
    shape.entry_count = std::bit_ceil(shape.entry_count);
    shape.value_offset = 8;
  } else if (spec.type == MapType::kBloomFilter) {
    return {.entry_count = (std::uint64_t{d.bucket_mask} + 1) / 64, .entry_stride = 8};
  } else if (is_ring(spec.type)) {
    return {.entry_count = 2 * std::uint64_t{spec.max_entries} / 8, .entry_stride = 8};
  }
  shape.entry_stride = shape.value_offset + shape.value_stride * d.cpu_count;
  return shape;
}

std::uint32_t descriptor_entries(const MapSpec& spec) {
  return is_local_storage(spec.type) ? kLocalStorageOwners : is_cgroup_storage(spec.type) ? 1 : spec.max_entries;
}

void describe(const MapSpec& spec, const Processors& cpus, MapDescriptor& d) {
  d.type = static_cast<std::uint32_t>(spec.type);
  d.key_size = spec.key_size;
  d.value_size = spec.value_size;
  d.max_entries = descriptor_entries(spec);
  d.flags = spec.flags;
  d.cpu_count = is_per_cpu(spec.type) ? cpus.values : 1;
  d.value_lock = spec.lock_offset ? *spec.lock_offset + 1 : 0;
  if (spec.type == MapType::kBloomFilter) {
    d.hash_count = spec.map_extra == 0 ? 5 : static_cast<std::uint32_t>(spec.map_extra);
    d.bucket_mask = bloom_mask(spec, d.hash_count);
  } else if (is_lru(spec.type)) {
    d.hash_count = lru_target(spec, cpus.possible);
    d.bucket_mask = static_cast<std::uint32_t>(std::bit_ceil(std::uint64_t{d.max_entries}) - 1);
  } else if (is_ring(spec.type)) {
    d.bucket_mask = spec.max_entries - 1;
  } else if (is_hash_kind(spec.type) || spec.type == MapType::kStackTrace) {
    d.bucket_mask = static_cast<std::uint32_t>(std::bit_ceil(std::uint64_t{d.max_entries}) - 1);
  }
}

/// False: the map is larger than any arena.
bool place(const MapSpec& spec, const Processors& cpus, Places& places, MapDescriptor& d) {
  describe(spec, cpus, d);
  const Shape shape = shape_of(spec, d, cpus.possible);
  if (shape.entry_stride > kMaxArena || shape.entry_count > kMaxArena / shape.entry_stride) {
    return false;
  }
  d.value_stride = static_cast<std::uint32_t>(shape.value_stride);
  d.value_offset = static_cast<std::uint32_t>(shape.value_offset);
  d.entry_stride = static_cast<std::uint32_t>(shape.entry_stride);
  d.entry_count = static_cast<std::uint32_t>(shape.entry_count);
  if (const std::uint64_t bytes = header_bytes(spec); bytes != 0) {
    d.header = places.take(bytes);
  }
  if (is_hash_kind(spec.type)) {
    d.buckets = places.take(4 * (std::uint64_t{d.bucket_mask} + 1));
  }
  d.entries = places.take(shape.entry_count * shape.entry_stride);
  return !places.overflowed();
}

/// libbpf's adjust_ringbuf_sz(): the next power of two of pages.
std::uint32_t ring_size(std::uint32_t asked) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t pages = (asked + kPage - 1) / kPage;
  const std::uint64_t bytes = std::bit_ceil(pages) * kPage;
  return asked == 0 || bytes > 0xffff'ffff ? asked : static_cast<std::uint32_t>(bytes);
}

}  // namespace

MapSpec normalise(MapSpec spec, const Processors& cpus) {
  if (spec.type == MapType::kPerfEventArray && spec.max_entries == 0) {
    spec.max_entries = cpus.values;
  }
  if (has_cpu_lists(spec)) {  // each processor's list has as many
    const std::uint64_t rounded = round_up(spec.max_entries, cpus.possible);
    spec.max_entries = static_cast<std::uint32_t>(rounded > 0xffff'ffff ? rounded - cpus.possible : rounded);
  }
  if (is_ring(spec.type)) {
    spec.max_entries = ring_size(spec.max_entries);
  }
  return spec;
}

Result<Layout> lay_out(std::span<const MapSpec> specs, const Processors& cpus) {
  Layout layout;
  Places places;
  for (const MapSpec& spec : specs) {
    KILN_TRY(check_spec(spec));
    if (!place(spec, cpus, places, layout.descriptors.emplace_back())) {
      return too_large(spec);
    }
  }
  layout.arena_bytes = static_cast<std::size_t>(places.used());
  return layout;
}

std::pair<std::uint32_t, std::uint32_t> extent(const MapDescriptor& d) {
  const std::uint32_t begin = d.header != 0 ? d.header : d.entries;
  return {begin, d.entries + d.entry_count * d.entry_stride};
}

}  // namespace kiln::detail
