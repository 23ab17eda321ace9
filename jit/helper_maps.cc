// SPDX-License-Identifier: Apache-2.0
//
// Helpers that work on maps: lookup, update, delete, redirect_map, tail_call.
//
// What a map does is MapSet's; this is the way in and out: keys and values from program memory, value
// addresses and inner maps back. Source: kernel/bpf/helpers.c, __bpf_xdp_redirect_map() in
// include/linux/filter.h, emit_bpf_tail_call_indirect() in arch/x86/net/bpf_jit_comp.c, Linux 6.18.
#include <cstring>

#include "helper_runtime.h"

namespace kiln {
namespace {

std::span<const std::byte> key_bytes(HelperRuntime& m, std::uint32_t map, std::uint64_t address) {
  const std::uint32_t size = m.maps.descriptor(map).key_size;
  const std::byte* at = m.read(address, size);
  return at == nullptr ? std::span<const std::byte>() : std::span(at, size);
}

/// The u32 at the start of a slot array's element: 0 means empty, or beyond the array.
std::uint32_t slot_value(HelperRuntime& m, std::uint32_t map, std::uint32_t index) {
  const std::optional<std::uint32_t> at = m.maps.lookup(map, std::as_bytes(std::span(&index, 1)), 0);
  std::uint32_t value = 0;
  if (at) {
    std::memcpy(&value, m.maps.arena().data() + *at, sizeof(value));
  }
  return value;
}

bool holds_maps(const MapSpec& spec) {
  return spec.type == MapType::kArrayOfMaps || spec.type == MapType::kHashOfMaps;
}

}  // namespace

std::uint64_t helper_map_lookup_elem(std::uint64_t handle, std::uint64_t key, std::uint64_t, std::uint64_t,
                                     std::uint64_t, MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(handle);
  const std::span<const std::byte> bytes = map ? key_bytes(m, *map, key) : std::span<const std::byte>();
  if (bytes.data() == nullptr) {
    return 0;
  }
  const std::optional<std::uint32_t> at = m.maps.lookup(*map, bytes, m.cpu());
  if (!at) {
    return 0;
  }
  if (holds_maps(m.maps.spec(*map))) {  // the element is a map: its handle, or NULL for an empty slot
    std::uint32_t inner = 0;
    std::memcpy(&inner, m.maps.arena().data() + *at, sizeof(inner));
    return inner == 0 ? 0 : map_handle(inner - 1);
  }
  return m.memory.map_value(*at);
}

std::uint64_t helper_map_update_elem(std::uint64_t handle, std::uint64_t key, std::uint64_t value, std::uint64_t flags,
                                     std::uint64_t, MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(handle);
  const std::span<const std::byte> bytes = map ? key_bytes(m, *map, key) : std::span<const std::byte>();
  if (bytes.data() == nullptr) {
    return 0;
  }
  const std::uint32_t size = m.maps.descriptor(*map).value_size;
  const std::byte* from = m.read(value, size);
  if (from == nullptr) {
    return 0;
  }
  return static_cast<std::uint64_t>(m.maps.update(*map, bytes, {from, size}, flags, m.cpu()));
}

std::uint64_t helper_map_delete_elem(std::uint64_t handle, std::uint64_t key, std::uint64_t, std::uint64_t,
                                     std::uint64_t, MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(handle);
  const std::span<const std::byte> bytes = map ? key_bytes(m, *map, key) : std::span<const std::byte>();
  return bytes.data() == nullptr ? 0 : static_cast<std::uint64_t>(m.maps.erase(*map, bytes));
}

std::uint64_t helper_redirect_map(std::uint64_t handle, std::uint64_t key, std::uint64_t flags, std::uint64_t,
                                  std::uint64_t, MachineState* machine) {
  constexpr std::uint64_t kActionMask = 3;  // what to return when the slot is empty
  constexpr std::uint64_t kBroadcast = 1 << 3, kExcludeIngress = 1 << 4;
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(handle);
  if (!map) {
    return 0;
  }
  const MapType type = m.maps.spec(*map).type;
  const bool devices = type == MapType::kDevmap || type == MapType::kDevmapHash;
  const std::uint64_t known = kActionMask | (devices ? kBroadcast | kExcludeIngress : 0);
  if ((flags & ~known) != 0) {
    return static_cast<std::uint64_t>(Verdict::kAborted);
  }
  const auto index = static_cast<std::uint32_t>(key);
  if (slot_value(m, *map, index) == 0 && (flags & kBroadcast) == 0) {
    m.redirect.reset();
    return flags & kActionMask;
  }
  m.redirect = RedirectTarget{.map = static_cast<std::int32_t>(*map), .key = index};
  return static_cast<std::uint64_t>(Verdict::kRedirect);
}

std::uint64_t helper_tail_call(std::uint64_t, std::uint64_t handle, std::uint64_t index, std::uint64_t, std::uint64_t,
                               MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(handle);
  if (!map || m.tail_calls >= kMaxTailCalls) {
    return 0;
  }
  const std::uint32_t target = slot_value(m, *map, static_cast<std::uint32_t>(index));
  if (target == 0 || target > m.callable.size() || !m.callable[target - 1]) {
    return 0;
  }
  ++m.tail_calls;
  return target;
}

}  // namespace kiln
