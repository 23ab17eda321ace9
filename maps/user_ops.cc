// SPDX-License-Identifier: Apache-2.0
//
// What user space does to maps through bpf(2), with the kernel's results.
//
// Differs from the kernel where that has file descriptors: programs and maps are named by index +
// 1, as in the arena. An ifindex or socket is not checked for existence, and BPF_F_RDONLY and
// BPF_F_WRONLY (permissions of a descriptor) are ignored.
#include <cerrno>
#include <cstring>

#include <kiln/map_set.h>

#include "bytes.h"

namespace kiln {
namespace {

using detail::load;
using detail::store;

constexpr std::uint32_t kMaxCpumapQueue = 16384;

// The const methods hand out no pointer; a lookup that marks an LRU entry is never among them.
MapView read_only(const MapSet& set, std::size_t map) {
  return {const_cast<std::byte*>(set.arena().data()),
          &set.descriptor(map)};  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

}  // namespace

std::size_t MapSet::user_value_size(std::size_t map) const {
  const MapDescriptor& d = descriptors_[map];
  return is_per_cpu(specs_[map].type) ? std::size_t{d.cpu_count} * d.value_stride : d.value_size;
}

std::vector<std::byte> MapSet::read_value(std::size_t map, std::uint32_t value) const {
  return {at(value), at(value) + user_value_size(map)};
}

/// Only value_size bytes of each processor's: padding in the arena is always zero.
void MapSet::write_value(std::size_t map, std::uint32_t offset, std::span<const std::byte> value) {
  const MapDescriptor& d = descriptors_[map];
  KILN_CHECK(value.size() == user_value_size(map));
  for (std::uint32_t cpu = 0; cpu < d.cpu_count; ++cpu) {
    const std::size_t from = std::size_t{cpu} * d.value_stride;
    std::memcpy(arena_.data() + offset + from, value.data() + from, d.value_size);
  }
}

/// Prog arrays, perf event arrays, arrays of maps, and maps of devices, processors and sockets.
std::int64_t MapSet::update_slot(std::size_t map, std::span<const std::byte> key,
                                 std::span<const std::byte> value, std::uint64_t flags) {
  const MapDescriptor& d = descriptors_[map];
  const MapType type = specs_[map].type;
  const auto index = load<std::uint32_t>(key.data());
  const auto first = load<std::uint32_t>(value.data());
  const std::uint32_t slot = d.entries + index * d.entry_stride;
  const bool by_descriptor = type == MapType::kProgArray || type == MapType::kPerfEventArray ||
                             type == MapType::kArrayOfMaps;
  if (flags > (by_descriptor ? kAny : kExist)) {
    return -EINVAL;
  }
  if (index >= d.max_entries) {
    return -E2BIG;
  }
  if (by_descriptor || type == MapType::kXskmap) {
    if (first == 0 || (type == MapType::kArrayOfMaps && first > size())) {
      return -EBADF;
    }
  }
  if (type == MapType::kXskmap) {
    const auto socket = load<std::uint32_t>(at(slot));
    const bool used = socket != 0;
    if (socket == first) {
      return 0;  // the kernel sees that nothing changes before it looks at the flags
    }
    if (used && flags == kNoExist) {
      return -EEXIST;
    }
    if (!used && flags == kExist) {
      return -ENOENT;
    }
  } else if (flags == kNoExist) {
    return -EEXIST;
  }
  if (type == MapType::kCpumap && first > kMaxCpumapQueue) {
    return -EOVERFLOW;
  }
  if (first == 0) {  // a device or processor is taken out
    std::memset(arena_.data() + slot, 0, d.entry_stride);
    return 0;
  }
  write_value(map, slot, value);
  return 0;
}

std::int64_t MapSet::user_update(std::size_t map, std::span<const std::byte> key,
                                 std::span<const std::byte> value, std::uint64_t flags) {
  const MapSpec& spec = specs_[map];
  if (spec.is_readonly) {
    return -EPERM;
  }
  constexpr std::uint64_t kLock = 4;
  if ((flags & kLock) != 0) {
    return -EINVAL;  // no value here has a bpf_spin_lock
  }
  if (is_slot_array(spec.type)) {
    return update_slot(map, key, value, flags);
  }
  if (spec.type == MapType::kDevmapHash) {
    if (flags > kExist || load<std::uint32_t>(value.data()) == 0) {
      return -EINVAL;
    }
    flags &= kNoExist;  // the kernel inserts a missing device even for BPF_EXIST
  }
  if (spec.type == MapType::kHashOfMaps) {
    const auto inner = load<std::uint32_t>(value.data());
    if (inner == 0 || inner > size()) {
      return -EBADF;
    }
  }
  const std::int64_t prepared = map_prepare(view(map), key.data(), flags);
  if (prepared < 0) {
    return prepared;
  }
  const auto offset = static_cast<std::uint32_t>(prepared);
  write_value(map, offset, value);
  return map_commit(view(map), key.data(), offset);
}

std::int64_t MapSet::user_erase(std::size_t map, std::span<const std::byte> key) {
  const MapDescriptor& d = descriptors_[map];
  const MapType type = specs_[map].type;
  if (specs_[map].is_readonly) {
    return -EPERM;
  }
  if (!is_slot_array(type)) {
    return map_erase(view(map), key.data());
  }
  const bool by_descriptor = type == MapType::kProgArray || type == MapType::kPerfEventArray ||
                             type == MapType::kArrayOfMaps;
  const auto index = load<std::uint32_t>(key.data());
  if (index >= d.max_entries) {
    return by_descriptor ? -E2BIG : -EINVAL;
  }
  std::byte* slot = arena_.data() + d.entries + index * d.entry_stride;
  if (by_descriptor && load<std::uint32_t>(slot) == 0) {
    return -ENOENT;
  }
  std::memset(slot, 0, d.entry_stride);
  return 0;
}

std::optional<std::vector<std::byte>> MapSet::user_lookup(std::size_t map,
                                                          std::span<const std::byte> key) const {
  const std::uint32_t value = map_peek(read_only(*this, map), key.data());
  if (value == 0) {
    return std::nullopt;
  }
  return read_value(map, value);
}

void MapSet::for_each(std::size_t map,
                      const std::function<void(std::span<const std::byte>,
                                               std::span<const std::byte>)>& visit) const {
  const MapDescriptor& d = descriptors_[map];
  const std::size_t value_bytes = user_value_size(map);
  if (!is_hash_kind(specs_[map].type)) {
    for (std::uint32_t index = 0; index < d.max_entries; ++index) {
      const std::byte* value = at(d.entries + index * d.entry_stride);
      if (is_slot_array(specs_[map].type) && load<std::uint32_t>(value) == 0) {
        continue;
      }
      std::array<std::byte, 4> key{};
      store(key.data(), index);
      visit(key, {value, value_bytes});
    }
    return;
  }
  const auto used = load<std::uint32_t>(at(d.header + offsetof(MapHeader, next_unused)));
  for (std::uint32_t number = 0; number < used; ++number) {
    const std::byte* entry = at(d.entries + number * d.entry_stride);
    if ((load<std::uint32_t>(entry) & kEntryLive) != 0) {
      visit({entry + sizeof(MapEntry), d.key_size}, {entry + d.value_offset, value_bytes});
    }
  }
}

}  // namespace kiln
