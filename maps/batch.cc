// SPDX-License-Identifier: Apache-2.0
//
// Many elements in one call, as BPF_MAP_*_BATCH. Source: generic_map_update_batch() and its neighbours in
// kernel/bpf/syscall.c, __htab_map_lookup_and_delete_batch() in kernel/bpf/hashtab.c, Linux 6.18.
//
// The token is Kiln's own (a cursor of next_element()): the kernel's is opaque, too.
#include <cerrno>
#include <cstring>
#include <utility>

#include <kiln/map_batch.h>

#include "value.h"

namespace kiln {
namespace {

constexpr std::int64_t kNotSupported = -524;

bool is_table(MapType type) {
  return type == MapType::kHash || type == MapType::kPercpuHash || is_lru(type) || type == MapType::kHashOfMaps;
}
bool reads_in_batches(MapType type) {
  return is_table(type) || is_array(type) || type == MapType::kLpmTrie || type == MapType::kArrayOfMaps;
}
bool erases_in_batches(MapType type) { return is_table(type) || type == MapType::kLpmTrie; }

}  // namespace

std::int64_t update_batch(MapSet& maps, std::size_t map, std::span<const std::byte> keys,
                          std::span<const std::byte> values, std::uint32_t& count, std::uint64_t flags) {
  const MapSpec& spec = maps.spec(map);
  const std::uint32_t asked = std::exchange(count, 0);
  if (!reads_in_batches(spec.type)) {
    return kNotSupported;
  }
  if ((flags & ~detail::kUpdateLock) != 0 || ((flags & detail::kUpdateLock) != 0 && !spec.lock_offset)) {
    return -EINVAL;
  }
  const std::size_t value_bytes = maps.user_value_size(map);
  for (; count < asked; ++count) {
    const std::int64_t result = maps.user_update(map, keys.subspan(std::size_t{count} * spec.key_size, spec.key_size),
                                            values.subspan(count * value_bytes, value_bytes), flags);
    if (result != 0) {
      return result;
    }
  }
  return 0;
}

std::int64_t erase_batch(MapSet& maps, std::size_t map, std::span<const std::byte> keys, std::uint32_t& count) {
  const MapSpec& spec = maps.spec(map);
  const std::uint32_t asked = std::exchange(count, 0);
  if (!erases_in_batches(spec.type)) {
    return kNotSupported;
  }
  for (; count < asked; ++count) {
    const std::int64_t result = maps.user_erase(map, keys.subspan(std::size_t{count} * spec.key_size, spec.key_size));
    if (result != 0) {
      return result;
    }
  }
  return 0;
}

std::int64_t read_batch(MapSet& maps, std::size_t map, std::uint32_t& token, std::span<std::byte> keys,
                        std::span<std::byte> values, std::uint32_t& count, bool erase) {
  const MapSpec& spec = maps.spec(map);
  const std::uint32_t asked = std::exchange(count, 0);
  if (erase ? !is_table(spec.type) : !reads_in_batches(spec.type)) {
    return kNotSupported;
  }
  const std::uint32_t denied = kWriteOnlyForUser | (erase ? kReadOnlyForUser : 0);
  if ((spec.flags & denied) != 0 || (erase && (maps.is_frozen(map) || spec.is_readonly))) {
    return -EPERM;
  }
  const std::size_t value_bytes = maps.user_value_size(map);
  MapSet::Element element;
  while (count < asked) {
    if (!maps.next_element(map, token, element)) {
      return -ENOENT;
    }
    const auto key = keys.subspan(std::size_t{count} * spec.key_size, spec.key_size);
    const auto value = values.subspan(count * value_bytes, value_bytes);
    if (element.key == 0) {
      std::memcpy(key.data(), &element.index, sizeof element.index);
    } else {
      detail::copy_out(key.data(), maps.arena().data() + element.key, spec.key_size, maps.is_shared());
    }
    // By key again: between the two the element may have gone, and then it is passed over.
    const std::int64_t result = erase ? maps.user_read_and_erase(map, key, value, 0) : maps.user_read(map, key, value, 0);
    count += result == 0 ? 1 : 0;
    if (result != 0 && result != -ENOENT) {
      return result;
    }
  }
  // The kernel says at once that nothing is left.
  std::uint32_t beyond = token;
  return asked != 0 && !maps.next_element(map, beyond, element) ? -ENOENT : 0;
}

}  // namespace kiln
