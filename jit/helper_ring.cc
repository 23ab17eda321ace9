// SPDX-License-Identifier: Apache-2.0
//
// Helpers of ring buffers. A record that was submitted is an event for the user, who is taken to read it at once.
//
// Source: kernel/bpf/ringbuf.c, Linux 6.18.
#include <cerrno>
#include <cstring>

#include <kiln/ring_reader.h>

#include "dynptr.h"
#include "helper_runtime.h"

namespace kiln {
namespace {

constexpr std::uint64_t kWakeups = 3;  // BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP: nobody sleeps here

/// The map of a ring buffer helper, nullopt after fault().
std::optional<std::uint32_t> ring_map(HelperRuntime& m, std::uint64_t handle) { return m.map_of(handle); }

void end_record(HelperRuntime& m, std::uint64_t address, bool discard) {
  const std::uint64_t record = address - m.memory.map_value(0);
  if (record >= m.maps.arena().size()) {
    m.fault("what ends is not a record of a ring buffer");
    return;
  }
  ring_commit(m.maps.arena().data(), static_cast<std::uint32_t>(record), discard);
}

}  // namespace

KILN_DEFINE_HELPER(ringbuf_output) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = ring_map(m, r1);
  const std::byte* from = !map || r3 == 0 ? nullptr : m.read(r2, r3);
  if (m.faulted != 0) {
    return 0;
  }
  if ((r4 & ~kWakeups) != 0) {
    return negative(EINVAL);
  }
  const std::uint32_t record = ring_reserve(m.maps.view(*map), r3);
  if (record == 0) {
    return negative(EAGAIN);
  }
  if (from != nullptr) {
    std::memcpy(m.maps.arena().data() + record, from, r3);
  }
  ring_commit(m.maps.arena().data(), record, false);
  return 0;
}

KILN_DEFINE_HELPER(ringbuf_reserve) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = ring_map(m, r1);
  if (!map || r3 != 0) {
    return 0;
  }
  const std::uint32_t record = ring_reserve(m.maps.view(*map), r2);
  return record == 0 ? 0 : m.memory.map_value(record);
}

KILN_DEFINE_HELPER(ringbuf_submit) {
  end_record(runtime(machine), r1, false);
  return 0;
}

KILN_DEFINE_HELPER(ringbuf_discard) {
  end_record(runtime(machine), r1, true);
  return 0;
}

KILN_DEFINE_HELPER(ringbuf_query) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = ring_map(m, r1);
  return map ? ring_query(m.maps.view(*map), r2) : 0;
}

KILN_DEFINE_HELPER(ringbuf_reserve_dynptr) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = ring_map(m, r1);
  const auto size = static_cast<std::uint32_t>(r2);
  if (!map) {
    return 0;
  }
  Dynptr dynptr;
  std::int64_t error = r3 != 0 ? -EINVAL : size > Dynptr::kMaxSize ? -E2BIG : 0;
  if (error == 0) {
    const std::uint32_t record = ring_reserve(m.maps.view(*map), size);
    error = record == 0 ? -EINVAL : 0;
    if (record != 0) {
      dynptr = {.data = m.memory.map_value(record), .size = size, .offset = 0, .kind = DynptrKind::kRingbuf};
    }
  }
  write_dynptr(m, r4, dynptr);
  return static_cast<std::uint64_t>(error);
}

namespace {

std::uint64_t end_dynptr(HelperRuntime& m, std::uint64_t address, bool discard) {
  const std::optional<Dynptr> dynptr = read_dynptr(m, address);
  if (dynptr && !dynptr->is_null()) {
    end_record(m, dynptr->data, discard);
    write_dynptr(m, address, {});
  }
  return 0;
}

}  // namespace

KILN_DEFINE_HELPER(ringbuf_submit_dynptr) { return end_dynptr(runtime(machine), r1, false); }
KILN_DEFINE_HELPER(ringbuf_discard_dynptr) { return end_dynptr(runtime(machine), r1, true); }

/// What ring buffers hold at the end of a run becomes events.
void HelperRuntime::drain_rings() {
  for (const std::uint32_t map : rings) {
    if (!keeps_events) {
      ring_forget(maps.view(map));
      continue;
    }
    RingRecord next;
    while (ring_next(maps.view(map), next) == 0) {
      const std::byte* at = maps.arena().data() + next.data;
      record({.kind = EventKind::kRing, .map = map, .index = 0, .data = {at, at + next.size}});
      ring_release(maps.view(map), next);
    }
  }
}

}  // namespace kiln
