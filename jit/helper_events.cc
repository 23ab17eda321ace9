// SPDX-License-Identifier: Apache-2.0
//
// perf_event_output: a record, and bytes of the packet behind it, to whoever listens in a slot of the map.
//
// A program sees only what it returns, and that is what the kernel returns. Source: kernel/trace/bpf_trace.c
// (__bpf_perf_event_output), net/core/filter.c (bpf_xdp_event_output, bpf_skb_event_output), Linux 6.18.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "helper_runtime.h"

namespace kiln {

KILN_DEFINE_HELPER(perf_event_output) {
  constexpr std::uint64_t kIndexMask = 0xffff'ffff, kCurrentCpu = 0xffff'ffff;
  constexpr std::uint64_t kPacketBytesMask = 0xfffffull << 32;
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(r2);
  const std::byte* bytes = !map || r5 == 0 ? nullptr : m.read(r4, r5);
  if (m.faulted != 0) {
    return 0;
  }
  const bool has_packet = m.type == ProgramType::kXdp || m.skb;
  if ((r3 & ~(kIndexMask | (has_packet ? kPacketBytesMask : 0))) != 0) {
    return negative(EINVAL);
  }
  const std::uint64_t packet_bytes = (r3 & kPacketBytesMask) >> 32;
  if (packet_bytes > m.packet_length()) {
    return negative(EFAULT);
  }
  const auto asked = static_cast<std::uint32_t>(r3 & kIndexMask);
  const std::uint32_t index = asked == kCurrentCpu ? m.cpu() : asked;
  if (index >= m.maps.descriptor(*map).max_entries) {
    return negative(E2BIG);
  }
  const std::optional<std::uint32_t> slot = m.maps.lookup(*map, std::as_bytes(std::span(&index, 1)), 0);
  std::uint32_t listener = 0;
  if (slot) {
    std::memcpy(&listener, m.maps.arena().data() + *slot, sizeof(listener));
  }
  if (listener == 0) {
    return negative(ENOENT);
  }
  if (index != m.cpu()) {
    return negative(EOPNOTSUPP);  // that event belongs to another processor
  }
  if (!m.keeps_events) {
    return 0;
  }
  Event event{.kind = EventKind::kPerf, .map = *map, .index = index, .data = std::vector<std::byte>(r5 + packet_bytes)};
  std::copy_n(bytes, r5, event.data.data());
  if (packet_bytes != 0) {
    m.load_packet(0, std::span(event.data).subspan(r5));
  }
  m.record(std::move(event));
  return 0;
}

}  // namespace kiln
