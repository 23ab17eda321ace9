// SPDX-License-Identifier: Apache-2.0
//
// Helpers of queues, stacks and Bloom filters, and per-CPU values of other processors.
//
// Source: kernel/bpf/helpers.c, queue_stack_maps.c, bloom_filter.c, Linux 6.18.
#include <cstring>

#include "helper_runtime.h"

namespace kiln {

KILN_DEFINE_HELPER(map_push_elem) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(r1);
  const std::size_t size = map ? m.maps.descriptor(*map).value_size : 0;
  const std::byte* value = map ? m.read(r2, size) : nullptr;
  return value == nullptr ? 0 : static_cast<std::uint64_t>(m.maps.push(*map, {value, size}, r3));
}

KILN_DEFINE_HELPER(map_pop_elem) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(r1);
  const std::size_t size = map ? m.maps.descriptor(*map).value_size : 0;
  std::byte* value = map ? m.write(r2, size) : nullptr;
  return value == nullptr ? 0 : static_cast<std::uint64_t>(m.maps.pop(*map, {value, size}));
}

KILN_DEFINE_HELPER(map_peek_elem) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(r1);
  const std::size_t size = map ? m.maps.descriptor(*map).value_size : 0;
  std::byte* value = map ? m.write(r2, size) : nullptr;
  return value == nullptr ? 0 : static_cast<std::uint64_t>(m.maps.peek(*map, {value, size}));
}

KILN_DEFINE_HELPER(map_lookup_percpu_elem) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(r1);
  const auto cpu = static_cast<std::uint32_t>(r3);
  const std::uint32_t size = map ? m.maps.descriptor(*map).key_size : 0;
  const std::byte* key = map ? m.read(r2, size) : nullptr;
  if (key == nullptr || cpu >= m.maps.cpu_count()) {
    return 0;
  }
  const std::optional<std::uint32_t> value = m.maps.lookup(*map, {key, size}, cpu);
  return value ? m.memory.map_value(*value) : 0;
}

}  // namespace kiln
