// SPDX-License-Identifier: Apache-2.0
//
// What user space does to slots: maps whose values name something else (programs, maps, devices,
// processors, sockets), with the kernel's results.
//
// The kernel has file descriptors there; here programs and maps are named by index + 1, as in the arena, and an
// ifindex or socket is not checked for existence.
#include <cerrno>

#include <kiln/map_set.h>

#include "bytes.h"
#include "sync.h"

namespace kiln {

using detail::load;
using detail::store;

namespace {

constexpr std::uint32_t kMaxCpumapQueue = 16384;

/// Whether an element is a file descriptor of something that is there, and flags must be 0.
bool by_descriptor(MapType type) {
  return type == MapType::kProgArray || type == MapType::kPerfEventArray || type == MapType::kCgroupArray ||
         type == MapType::kArrayOfMaps;
}
bool holds_sockets(MapType type) {
  return type == MapType::kXskmap || type == MapType::kSockmap || type == MapType::kReuseportSockarray;
}

/// struct bpf_devmap_val, bpf_cpumap_val: a program that is not given is 0.
std::uint64_t device_value(std::span<const std::byte> value) {
  const auto number = load<std::uint32_t>(value.data());
  const auto program = value.size() == 8 ? load<std::int32_t>(value.data() + 4) : 0;
  return number | static_cast<std::uint64_t>(std::max(program, 0)) << 32;
}

/// Whether what is in the slot lets the update go on; 1: nothing changes.
std::int64_t check_socket_slot(MapType type, std::uint32_t there, std::uint32_t given, std::uint64_t flags) {
  if (type == MapType::kXskmap && there == given) {
    return 1;  // the kernel sees that before it looks at the flags
  }
  if (there != 0 && flags == kNoExist) {
    return -EEXIST;
  }
  return there == 0 && flags == kExist ? -ENOENT : 0;
}

}  // namespace

/// bpf_map_meta_equal() and array_map_meta_equal(): whether map number inner - 1 may be an element.
bool MapSet::fits_outer(std::size_t map, std::uint32_t inner) const {
  if (!specs_[map].inner) {
    return true;  // described without a template, by hand
  }
  const MapSpec& wanted = specs_[*specs_[map].inner];
  const MapSpec& given = specs_[inner - 1];
  return given.type == wanted.type && given.key_size == wanted.key_size && given.value_size == wanted.value_size &&
         given.flags == wanted.flags && given.lock_offset == wanted.lock_offset &&
         (!is_array(wanted.type) || (wanted.flags & kInnerMap) != 0 || given.max_entries == wanted.max_entries);
}

std::int64_t MapSet::update_slot(std::size_t map, std::span<const std::byte> key,
                                 std::span<const std::byte> value, std::uint64_t flags) {
  const MapDescriptor& d = descriptors_[map];
  const MapType type = specs_[map].type;
  const auto index = load<std::uint32_t>(key.data());
  const auto first = load<std::uint32_t>(value.data());
  if (flags > (by_descriptor(type) ? kAny : kExist)) {
    return -EINVAL;
  }
  if (index >= d.max_entries) {
    return -E2BIG;
  }
  if ((by_descriptor(type) || holds_sockets(type)) && (first == 0 || (holds_maps(type) && first > size()))) {
    return -EBADF;
  }
  if (holds_maps(type) && !fits_outer(map, first)) {
    return -EINVAL;
  }
  const detail::Guard guard(view(map).lock);
  std::byte* const slot = arena_.data() + d.entries + std::size_t{index} * d.entry_stride;
  if (holds_sockets(type)) {
    const std::int64_t result = check_socket_slot(type, load<std::uint32_t>(slot), first, flags);
    if (result != 0) {
      return result > 0 ? 0 : result;
    }
    detail::store_release(slot, value.size() == 8 ? load<std::uint64_t>(value.data()) : first);
    return 0;
  }
  if (flags == kNoExist) {
    return -EEXIST;
  }
  if (by_descriptor(type)) {
    detail::store_release(slot, std::uint64_t{first});
    return 0;
  }
  if (type == MapType::kCpumap && first > kMaxCpumapQueue) {
    return -EOVERFLOW;
  }
  const std::uint64_t word = device_value(value);
  if (first == 0 && word != 0 && type == MapType::kDevmap) {
    return -EINVAL;  // a program for no device
  }
  detail::store_release(slot, first == 0 ? std::uint64_t{0} : word);  // 0: it is taken out
  return 0;
}

std::int64_t MapSet::erase_slot(std::size_t map, std::span<const std::byte> key) {
  const MapDescriptor& d = descriptors_[map];
  const MapType type = specs_[map].type;
  const auto index = load<std::uint32_t>(key.data());
  const bool counted = by_descriptor(type) || type == MapType::kReuseportSockarray;
  if (index >= d.max_entries) {
    return counted ? -E2BIG : -EINVAL;
  }
  const detail::Guard guard(view(map).lock);
  std::byte* const slot = arena_.data() + d.entries + std::size_t{index} * d.entry_stride;
  if (load<std::uint32_t>(slot) == 0 && (counted || type == MapType::kSockmap)) {
    return counted ? -ENOENT : -EINVAL;
  }
  detail::store_release(slot, std::uint64_t{0});
  return 0;
}

/// Devices, maps and sockets in hash tables, and the rest that user_update() has no more to say about.
std::int64_t MapSet::store_all(std::size_t map, std::span<const std::byte> key,
                               std::span<const std::byte> value, std::uint64_t flags) {
  const MapType type = specs_[map].type;
  const auto first = value.size() >= 4 ? load<std::uint32_t>(value.data()) : 0;
  std::array<std::byte, 8> device{};
  if (type == MapType::kDevmapHash) {
    if (flags > kExist || first == 0) {
      return -EINVAL;
    }
    flags &= kNoExist;  // the kernel inserts a missing device even for BPF_EXIST
    store(device.data(), device_value(value));
    value = std::span<const std::byte>(device).first(value.size());
  }
  if (type == MapType::kHashOfMaps) {
    if (first == 0 || first > size()) {
      return -EBADF;
    }
    if (!fits_outer(map, first)) {
      return -EINVAL;
    }
  }
  if (type == MapType::kSockhash && first == 0) {
    return -EBADF;
  }
  return is_per_cpu(type) ? map_update_every_cpu(view(map), key.data(), value.data(), flags)
                          : map_update(view(map), key.data(), value.data(), flags, 0);
}

}  // namespace kiln
