// SPDX-License-Identifier: Apache-2.0
//
// Checks map descriptions as BPF_MAP_CREATE does, and gives every part its place in the arena.
#include "layout.h"

#include <fmt/format.h>

#include <bit>

#include <kiln/address.h>
#include <kiln/map_ops.h>

#include "bytes.h"

namespace kiln::detail {
namespace {

constexpr std::uint64_t kPartAlignment = 64;  // a cache line; offset 0 is nobody's
constexpr std::uint64_t kMaxArena = address::kMapMax;

// Flags of BPF_MAP_CREATE that have a say in what is allowed. (uapi/linux/bpf.h)
constexpr std::uint32_t kNoPrealloc = 1u << 0;
constexpr std::uint32_t kNoCommonLru = 1u << 1;

Error input(const MapSpec& spec, std::string_view what) {
  return Error{Errc::kInput,
               fmt::format("map '{}' ({}): {}", spec.name, map_type_name(spec.type), what)};
}

Result<void> check_array(const MapSpec& spec) {
  if (spec.key_size != 4) {
    return input(spec, fmt::format("the key of an array is 4 bytes, not {}", spec.key_size));
  }
  if ((spec.flags & kNoPrealloc) != 0) {
    return input(spec, "an array can't have BPF_F_NO_PREALLOC");
  }
  const bool two_sizes = spec.type == MapType::kDevmap || spec.type == MapType::kCpumap;
  if (two_sizes && spec.value_size != 4 && spec.value_size != 8) {
    return input(spec, fmt::format("value size {} is neither 4 nor 8", spec.value_size));
  }
  if (is_slot_array(spec.type) && !two_sizes && spec.value_size != 4) {
    return input(spec, fmt::format("value size {} is not 4", spec.value_size));
  }
  return {};
}

Result<void> check_hash(const MapSpec& spec) {
  if (spec.key_size == 0) {
    return input(spec, "the key size is 0");
  }
  if (spec.key_size > kMaxKeyBytes) {
    return input(spec, fmt::format("the key has {} bytes, more than the {} of a program's stack",
                                   spec.key_size, kMaxKeyBytes));
  }
  if (is_lru(spec.type) && (spec.flags & kNoPrealloc) != 0) {
    return input(spec, "an LRU hash can't have BPF_F_NO_PREALLOC");
  }
  if (!is_lru(spec.type) && (spec.flags & kNoCommonLru) != 0) {
    return input(spec, "BPF_F_NO_COMMON_LRU is for LRU hashes");
  }
  if (spec.type == MapType::kHashOfMaps && spec.value_size != 4) {
    return input(spec, fmt::format("value size {} is not 4", spec.value_size));
  }
  if (spec.type == MapType::kDevmapHash) {
    if (spec.key_size != 4 || (spec.value_size != 4 && spec.value_size != 8)) {
      return input(spec, "a devmap has keys of 4 bytes and values of 4 or 8");
    }
  }
  if (spec.type == MapType::kLpmTrie) {
    if (spec.key_size < 5 || spec.key_size - 4 > 256) {
      return input(spec,
                   fmt::format("the key has {} bytes, not 4 of prefix length and 1 to 256 of data",
                               spec.key_size));
    }
    if ((spec.flags & kNoPrealloc) == 0) {
      return input(spec, "an LPM trie needs BPF_F_NO_PREALLOC");
    }
    if (spec.key_size - 4 > kMaxLpmDataBytes) {
      return Error{Errc::kUnsupported,
                   fmt::format("map '{}': Kiln's LPM tries have at most {} bytes of data, not {}",
                               spec.name, kMaxLpmDataBytes, spec.key_size - 4)};
    }
  }
  return {};
}

Result<void> check(const MapSpec& spec) {
  if (!has_layout(spec.type)) {
    return Error{Errc::kUnsupported, fmt::format("map '{}': type {} is not supported", spec.name,
                                                 map_type_name(spec.type))};
  }
  if (spec.max_entries == 0) {
    return input(spec, "max_entries is 0");
  }
  if (spec.value_size == 0) {
    return input(spec, "the value size is 0");
  }
  KILN_TRY(is_hash_kind(spec.type) ? check_hash(spec) : check_array(spec));
  if (spec.initial.size() > spec.value_size) {
    return input(spec, fmt::format("{} initial bytes for a value of {}", spec.initial.size(),
                                   spec.value_size));
  }
  return {};
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
  std::uint64_t bytes = sizeof(MapHeader);
  if (spec.type == MapType::kLpmTrie) {
    const std::uint64_t max_prefix = 8 * (spec.key_size - 4);
    bytes += 4 * (max_prefix + 1);
  }
  return bytes;
}

/// False: the map is larger than any arena.
bool place(const MapSpec& spec, std::uint32_t cpu_count, Places& places, MapDescriptor& d) {
  const bool hashed = is_hash_kind(spec.type);
  d.type = static_cast<std::uint32_t>(spec.type);
  d.key_size = spec.key_size;
  d.value_size = spec.value_size;
  d.max_entries = spec.max_entries;
  d.flags = spec.flags;
  d.cpu_count = is_per_cpu(spec.type) ? cpu_count : 1;
  const std::uint64_t value_stride = round_up(spec.value_size, 8);
  const std::uint64_t value_offset = hashed ? sizeof(MapEntry) + round_up(spec.key_size, 8) : 0;
  const std::uint64_t entry_stride = value_offset + value_stride * d.cpu_count;
  const std::uint64_t entry_count = std::uint64_t{spec.max_entries} + (hashed ? kSpareEntries : 0);
  if (entry_stride > kMaxArena || entry_count > kMaxArena / entry_stride) {
    return false;
  }
  d.value_stride = static_cast<std::uint32_t>(value_stride);
  d.value_offset = static_cast<std::uint32_t>(value_offset);
  d.entry_stride = static_cast<std::uint32_t>(entry_stride);
  d.entry_count = static_cast<std::uint32_t>(entry_count);
  if (hashed) {
    const std::uint64_t buckets = std::bit_ceil(std::uint64_t{spec.max_entries});
    d.bucket_mask = static_cast<std::uint32_t>(buckets - 1);
    d.header = places.take(header_bytes(spec));
    d.buckets = places.take(4 * buckets);
  }
  d.entries = places.take(entry_count * entry_stride);
  return !places.overflowed();
}

}  // namespace

MapSpec normalise(MapSpec spec, std::uint32_t cpu_count) {
  if (spec.type == MapType::kPerfEventArray && spec.max_entries == 0) {
    spec.max_entries = cpu_count;
  }
  return spec;
}

Result<Layout> lay_out(std::span<const MapSpec> specs, std::uint32_t cpu_count) {
  Layout layout;
  Places places;
  for (const MapSpec& spec : specs) {
    KILN_TRY(check(spec));
    if (!place(spec, cpu_count, places, layout.descriptors.emplace_back())) {
      return input(spec, "with it, the object's maps take more than 1 GiB");
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
