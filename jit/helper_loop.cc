// SPDX-License-Identifier: Apache-2.0
//
// Helpers that call functions of the program: loop, for_each_map_elem.
//
// Source: kernel/bpf/bpf_iter.c, arraymap.c and hashtab.c, Linux 6.18. Elements of a hash come in the order of
// its buckets, which are Kiln's own.
#include <cerrno>
#include <cstring>

#include "helper_runtime.h"

namespace kiln {

KILN_DEFINE_HELPER(loop) {
  HelperRuntime& m = runtime(machine);
  if (r4 != 0) {
    return negative(EINVAL);
  }
  // Without flags Linux has the loop as code (inline_bpf_loop), which looks at all of R1 and gives an error of 32 bits.
  if (r1 > kMaxLoops) {
    return static_cast<std::uint32_t>(-E2BIG);
  }
  const auto rounds = static_cast<std::uint32_t>(r1);
  for (std::uint32_t i = 0; i < rounds; ++i) {
    const std::uint64_t stop = m.call_function(r2, {i, r3, 0, 0, 0});
    if (m.faulted != 0) {
      return 0;
    }
    if (stop != 0) {
      return i + 1;
    }
  }
  return rounds;
}

KILN_DEFINE_HELPER(for_each_map_elem) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(r1);
  if (!map) {
    return 0;
  }
  if (r4 != 0) {
    return negative(EINVAL);
  }
  // The callback may change the map: it is walked by what it held at first, and what has gone is passed over.
  std::vector<std::vector<std::byte>> keys;
  m.maps.for_each(*map, [&](std::span<const std::byte> key, std::span<const std::byte>) {
    keys.emplace_back(key.begin(), key.end());
  });
  std::uint64_t visited = 0;
  for (const std::vector<std::byte>& key : keys) {
    const std::optional<std::uint32_t> value = m.maps.lookup(*map, key, m.cpu());
    if (!value) {
      continue;
    }
    ++visited;
    const std::uint64_t stop = m.call_function(r2, {r1, m.lend(key), m.memory.map_value(*value), r3, 0});
    m.give_back(key.size());
    if (m.faulted != 0 || stop != 0) {
      break;
    }
  }
  return visited;
}

}  // namespace kiln
