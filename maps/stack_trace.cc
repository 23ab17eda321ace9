// SPDX-License-Identifier: Apache-2.0
//
// Stack traces, found by their hash. Source: __bpf_get_stackid() in kernel/bpf/stackmap.c, Linux 6.18.
//
// The hash is Kiln's, so ids are not the kernel's.
#include <algorithm>
#include <cerrno>

#include <kiln/map_ops.h>

#include "bytes.h"
#include "hash_key.h"
#include "sync.h"

namespace kiln {

using detail::load;
using detail::store;

std::int64_t put_stack_trace(MapView map, std::span<const std::uint64_t> addresses, std::uint64_t flags) {
  constexpr std::uint64_t kCompareHashOnly = 1 << 9;
  constexpr std::uint64_t kReuse = 1 << 10;
  const MapDescriptor& d = *map.descriptor;
  const std::span<const std::uint64_t> kept = addresses.first(std::min<std::size_t>(addresses.size(), d.value_size / 8));
  const auto bytes = std::as_bytes(kept);
  const std::uint32_t hash = detail::hash_bytes(bytes.data(), static_cast<std::uint32_t>(bytes.size()));
  const std::uint32_t id = hash & d.bucket_mask;
  const detail::Guard guard(map.lock);
  std::byte* const bucket = map.arena + d.entries + std::size_t{id} * d.entry_stride;
  std::byte* const used = map.arena + d.header;
  const auto count = load<std::uint32_t>(bucket);
  if (count != 0 && load<std::uint32_t>(bucket + 4) == hash &&
      ((flags & kCompareHashOnly) != 0 ||
       (count == kept.size() && std::equal(bytes.begin(), bytes.end(), bucket + d.value_offset)))) {
    return id;
  }
  if (count != 0 && (flags & kReuse) == 0) {
    return -EEXIST;
  }
  // A bucket that is overwritten gives its memory back only afterwards.
  const auto in_use = load<std::uint32_t>(used);
  if (in_use == d.max_entries) {
    return -ENOMEM;
  }
  store(used, count == 0 ? in_use + 1 : in_use);
  store(bucket, static_cast<std::uint32_t>(kept.size()));
  store(bucket + 4, hash);
  std::copy(bytes.begin(), bytes.end(), bucket + d.value_offset);
  std::fill(bucket + d.value_offset + bytes.size(), bucket + d.value_offset + d.value_size, std::byte{0});
  return id;
}

}  // namespace kiln
