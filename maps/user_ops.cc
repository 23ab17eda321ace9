// SPDX-License-Identifier: Apache-2.0
//
// What user space does to maps through bpf(2), with the kernel's results. Source: kernel/bpf/syscall.c
// (map_update_elem() and so on, bpf_map_copy_value(), bpf_map_update_value()), Linux 6.18.
#include <cerrno>
#include <cstring>

#include <kiln/map_set.h>

#include "bytes.h"
#include "hash_ops.h"
#include "lru.h"

namespace kiln {
namespace {

using detail::load;
using detail::store;

constexpr std::int64_t kNotSupported = -524;  // ENOTSUPP, which the C library has no name for

}  // namespace

// The const methods hand out no pointer; a lookup that marks an LRU entry is never among them.
MapView MapSet::const_view(std::size_t map) const {
  return {const_cast<std::byte*>(arena_.data()),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
          &descriptors_[map], is_shared_ ? &locks_[map] : nullptr};
}

std::size_t MapSet::user_value_size(std::size_t map) const {
  const MapDescriptor& d = descriptors_[map];
  return is_per_cpu(specs_[map].type) ? std::size_t{d.cpu_count} * d.value_stride : d.value_size;
}

/// User space sees no lock.
void MapSet::read_value(std::size_t map, std::uint32_t value, std::span<std::byte> out) const {
  const MapDescriptor& d = descriptors_[map];
  detail::copy_out(out.data(), at(value), static_cast<std::uint32_t>(out.size()), is_shared_);
  if (d.value_lock != 0) {
    std::memset(out.data() + d.value_lock - 1, 0, detail::kLockBytes);
  }
}

std::int64_t MapSet::user_update(std::size_t map, std::span<const std::byte> key,
                                 std::span<const std::byte> value, std::uint64_t flags) {
  const MapSpec& spec = specs_[map];
  if (spec.is_readonly || frozen_[map] || (spec.flags & kReadOnlyForUser) != 0) {
    return -EPERM;
  }
  if ((flags & detail::kUpdateLock) != 0 && !spec.lock_offset) {
    return -EINVAL;
  }
  if (is_slot_array(spec.type)) {
    return update_slot(map, key, value, flags);
  }
  if (is_keyless(spec.type)) {
    return push(map, value, flags);
  }
  if (is_ring(spec.type)) {
    return kNotSupported;
  }
  if (spec.type == MapType::kStackTrace) {
    return -EINVAL;
  }
  if (is_cgroup_storage(spec.type)) {
    if ((flags & ~(detail::kUpdateLock | kExist)) != 0) {
      return -EINVAL;
    }
    detail::store_value(view(map), descriptors_[map].entries, {value.data(), 0, is_per_cpu(spec.type)});
    return 0;
  }
  return store_all(map, key, value, flags);
}

std::int64_t MapSet::restore(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value) {
  if (is_lru(specs_[map].type)) {
    const detail::Guard guard(view(map).lock);
    detail::Lru(detail::Table(view(map))).spare();
  }
  return user_update(map, key, value, kAny);
}

std::int64_t MapSet::erase_any(std::size_t map, std::span<const std::byte> key) {
  const MapType type = specs_[map].type;
  if (is_slot_array(type)) {
    return erase_slot(map, key);
  }
  if (type == MapType::kBloomFilter) {
    return -EOPNOTSUPP;
  }
  if (is_ring(type)) {
    return kNotSupported;
  }
  if (type == MapType::kStackTrace) {
    const auto id = load<std::uint32_t>(key.data());
    return id > descriptors_[map].bucket_mask ? -E2BIG : erase_trace(map, id);
  }
  return map_erase(view(map), key.data());
}

std::int64_t MapSet::erase_trace(std::size_t map, std::uint32_t id) {
  const MapDescriptor& d = descriptors_[map];
  const detail::Guard guard(view(map).lock);
  std::byte* const bucket = arena_.data() + d.entries + std::size_t{id} * d.entry_stride;
  if (load<std::uint32_t>(bucket) == 0) {
    return -ENOENT;
  }
  store(bucket, std::uint32_t{0});
  std::byte* const used = arena_.data() + d.header;
  store(used, load<std::uint32_t>(used) - 1);
  return 0;
}

std::int64_t MapSet::user_erase(std::size_t map, std::span<const std::byte> key) {
  const MapSpec& spec = specs_[map];
  if (spec.is_readonly || frozen_[map] || (spec.flags & kReadOnlyForUser) != 0) {
    return -EPERM;
  }
  return erase_any(map, key);
}

std::int64_t MapSet::user_read(std::size_t map, std::span<const std::byte> key, std::span<std::byte> value,
                               std::uint64_t flags) const {
  const MapSpec& spec = specs_[map];
  if ((spec.flags & kWriteOnlyForUser) != 0) {
    return -EPERM;
  }
  if ((flags & ~detail::kUpdateLock) != 0 || ((flags & detail::kUpdateLock) != 0 && !spec.lock_offset)) {
    return -EINVAL;
  }
  if (is_keyless(spec.type)) {
    return peek_value(const_view(map), value.data());
  }
  const bool unreadable = is_ring(spec.type) || spec.type == MapType::kPerfEventArray || spec.type == MapType::kCgroupArray;
  if (unreadable) {
    return kNotSupported;
  }
  if (spec.type == MapType::kXskmap) {
    return -EOPNOTSUPP;
  }
  const bool sockets = spec.type == MapType::kSockmap || spec.type == MapType::kSockhash ||
                       spec.type == MapType::kReuseportSockarray;
  if (sockets && spec.value_size != 8) {
    return -ENOSPC;  // a cookie does not fit
  }
  const std::uint32_t found = spec.type == MapType::kStackTrace ? 0 : map_peek(const_view(map), key.data());
  if (found != 0) {
    std::optional<detail::ValueLock> lock;
    if (flags != 0) {
      lock.emplace(const_view(map), found);
    }
    read_value(map, found, value);
    return 0;
  }
  const auto trace = spec.type == MapType::kStackTrace ? user_lookup(map, key) : std::nullopt;
  if (!trace) {
    return -ENOENT;
  }
  std::memcpy(value.data(), trace->data(), trace->size());
  return 0;
}

std::int64_t MapSet::user_read_and_erase(std::size_t map, std::span<const std::byte> key,
                                         std::span<std::byte> value, std::uint64_t flags) {
  const MapSpec& spec = specs_[map];
  const bool denied = (spec.flags & (kReadOnlyForUser | kWriteOnlyForUser)) != 0;
  if (denied || frozen_[map] || spec.is_readonly) {
    return -EPERM;
  }
  const bool hash = spec.type == MapType::kHash || spec.type == MapType::kPercpuHash || is_lru(spec.type);
  if (flags != 0 && (!hash || flags != detail::kUpdateLock || !spec.lock_offset)) {
    return -EINVAL;
  }
  if (is_queue_or_stack(spec.type)) {
    return pop(map, value);
  }
  if (hash) {
    const std::int64_t result = detail::hash_erase(view(map), key.data(), value.data());
    return result;
  }
  if (spec.type == MapType::kStackTrace) {
    const std::int64_t result = user_read(map, key, value, 0);
    return result != 0 ? result : erase_trace(map, load<std::uint32_t>(key.data()));
  }
  return kNotSupported;
}

std::int64_t MapSet::freeze(std::size_t map) {
  if (specs_[map].lock_offset) {
    return kNotSupported;
  }
  if (frozen_[map] || specs_[map].is_readonly || (specs_[map].flags & kReadOnlyForUser) != 0) {
    return -EPERM;
  }
  frozen_[map] = true;
  return 0;
}

std::optional<std::vector<std::byte>> MapSet::user_lookup(std::size_t map,
                                                          std::span<const std::byte> key) const {
  std::uint32_t value = 0;
  if (specs_[map].type == MapType::kStackTrace) {
    const MapDescriptor& d = descriptors_[map];
    const auto id = load<std::uint32_t>(key.data());
    if (id <= d.bucket_mask && load<std::uint32_t>(at(d.entries + id * d.entry_stride)) != 0) {
      value = d.entries + id * d.entry_stride + d.value_offset;
    }
  } else {
    value = map_peek(const_view(map), key.data());
  }
  if (value == 0) {
    return std::nullopt;
  }
  std::vector<std::byte> bytes(user_value_size(map));
  read_value(map, value, bytes);
  return bytes;
}

}  // namespace kiln
