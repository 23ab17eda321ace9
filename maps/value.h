// SPDX-License-Identifier: Apache-2.0
//
// Copying values in and out of the arena, where programs may be at them, and without the bytes of a
// struct bpf_spin_lock, which stay what they are.
#pragma once

#include <algorithm>

#include <kiln/map_ops.h>

#include "bytes.h"
#include "sync.h"

namespace kiln::detail {

inline constexpr std::uint64_t kUpdateLock = 4;  ///< BPF_F_LOCK
inline constexpr std::uint32_t kLockBytes = 4;   ///< sizeof(struct bpf_spin_lock)

/// What an update stores: one processor's value, or each processor's, value_stride apart.
struct NewValue {
  const std::byte* bytes = nullptr;
  std::uint32_t cpu = 0;
  bool every_cpu = false;
};

/// Copies bytes that others may touch meanwhile, whole words where both sides have them.
inline void copy_in(std::byte* to, const std::byte* from, std::uint32_t size, bool shared) {
  if (!shared) {
    std::memmove(to, from, size);
    return;
  }
  std::uint32_t i = 0;
  if (reinterpret_cast<std::uintptr_t>(to) % 8 == 0) {
    for (; i + 8 <= size; i += 8) {
      store_shared(to + i, load<std::uint64_t>(from + i));
    }
  }
  for (; i < size; ++i) {
    store_shared(to + i, std::to_integer<std::uint8_t>(from[i]));
  }
}

inline void copy_out(std::byte* to, const std::byte* from, std::uint32_t size, bool shared) {
  if (!shared) {
    std::memcpy(to, from, size);
    return;
  }
  std::uint32_t i = 0;
  if (reinterpret_cast<std::uintptr_t>(from) % 8 == 0) {
    for (; i + 8 <= size; i += 8) {
      store(to + i, load_shared<std::uint64_t>(from + i));
    }
  }
  for (; i < size; ++i) {
    store(to + i, load_shared<std::uint8_t>(from + i));
  }
}

/// One processor's value, but not its lock.
inline void copy_value_in(std::byte* to, const std::byte* from, const MapDescriptor& d, bool shared) {
  if (d.value_lock == 0) {
    copy_in(to, from, d.value_size, shared);
    return;
  }
  const std::uint32_t before = d.value_lock - 1;
  const std::uint32_t after = before + kLockBytes;
  copy_in(to, from, before, shared);
  copy_in(to + after, from + after, d.value_size - after, shared);
}

/// Stores a new value at `value`, where processor 0's is. Padding stays as it is: zero.
inline void store_value(MapView map, std::uint32_t value, const NewValue& source) {
  const MapDescriptor& d = *map.descriptor;
  const bool shared = map.lock != nullptr;
  if (d.cpu_count == 1) {
    copy_value_in(map.arena + value, source.bytes, d, shared);
    return;
  }
  if (!source.every_cpu) {
    copy_in(map.arena + value + source.cpu * d.value_stride, source.bytes, d.value_size, shared);
    return;
  }
  for (std::uint32_t cpu = 0; cpu < d.cpu_count; ++cpu) {
    const std::size_t at = std::size_t{cpu} * d.value_stride;
    copy_in(map.arena + value + at, source.bytes + at, d.value_size, shared);
  }
}

/// Holds the struct bpf_spin_lock inside a value, as bpf_spin_lock() does.
class ValueLock {
 public:
  ValueLock(MapView map, std::uint32_t value)
      : word_(reinterpret_cast<Aliased<std::uint32_t>::type*>(map.arena + value + map.descriptor->value_lock - 1)) {
    while (__atomic_exchange_n(word_, 1, __ATOMIC_ACQUIRE) != 0) {
      cpu_relax();
    }
  }
  ~ValueLock() { __atomic_store_n(word_, 0, __ATOMIC_RELEASE); }
  ValueLock(const ValueLock&) = delete;
  ValueLock& operator=(const ValueLock&) = delete;

 private:
  Aliased<std::uint32_t>::type* word_;
};

}  // namespace kiln::detail
