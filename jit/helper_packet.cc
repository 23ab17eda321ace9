// SPDX-License-Identifier: Apache-2.0
//
// Helpers that move the frame's ends, and redirect.
//
// Source: net/core/filter.c (bpf_xdp_adjust_head, _tail, _meta, bpf_xdp_redirect), include/net/xdp.h
// (xdp_metalen_invalid), Linux 6.18. Offsets are C ints there: only 32 bits of R2 count.
#include <cerrno>
#include <cstring>

#include "helper_runtime.h"

namespace kiln {
namespace {

constexpr std::int64_t kMaxMeta = 255;  // skb_shared_info::meta_len is a u8

std::uint64_t negative(int error) { return static_cast<std::uint64_t>(-std::int64_t{error}); }

void move_to(HelperRuntime& m, std::int64_t meta, std::int64_t data, std::int64_t end) {
  m.frame.position = {.meta = static_cast<std::uint32_t>(meta),
                      .data = static_cast<std::uint32_t>(data),
                      .end = static_cast<std::uint32_t>(end)};
  m.frame.publish();
}

}  // namespace

std::uint64_t helper_xdp_adjust_head(std::uint64_t, std::uint64_t offset, std::uint64_t, std::uint64_t, std::uint64_t,
                                     MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const FramePosition old = m.frame.position;
  const std::int64_t by = static_cast<std::int32_t>(offset);
  const std::int64_t meta_bytes = std::int64_t{old.data} - old.meta;
  const std::int64_t data = old.data + by;
  if (data < address::kHeadReserved + meta_bytes || data > std::int64_t{old.end} - kMinFrame) {
    return negative(EINVAL);
  }
  std::memmove(m.frame.window + old.meta + by, m.frame.window + old.meta, static_cast<std::size_t>(meta_bytes));
  move_to(m, old.meta + by, data, old.end);
  return 0;
}

std::uint64_t helper_xdp_adjust_tail(std::uint64_t, std::uint64_t offset, std::uint64_t, std::uint64_t, std::uint64_t,
                                     MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const FramePosition old = m.frame.position;
  const std::int64_t by = static_cast<std::int32_t>(offset);
  const std::int64_t end = old.end + by;
  if (end > std::int64_t{m.frame.window_bytes} - address::kTailReserved || end < std::int64_t{old.data} + kMinFrame) {
    return negative(EINVAL);
  }
  if (by > 0) {
    std::memset(m.frame.window + old.end, 0, static_cast<std::size_t>(by));
  }
  move_to(m, old.meta, old.data, end);
  return 0;
}

std::uint64_t helper_xdp_adjust_meta(std::uint64_t, std::uint64_t offset, std::uint64_t, std::uint64_t, std::uint64_t,
                                     MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const FramePosition old = m.frame.position;
  const std::int64_t meta = old.meta + std::int64_t{static_cast<std::int32_t>(offset)};
  const std::int64_t meta_bytes = old.data - meta;
  if (meta < address::kHeadReserved || meta_bytes < 0) {
    return negative(EINVAL);
  }
  if (meta_bytes % 4 != 0 || meta_bytes > kMaxMeta) {
    return negative(EACCES);
  }
  move_to(m, meta, old.data, old.end);
  return 0;
}

std::uint64_t helper_redirect(std::uint64_t ifindex, std::uint64_t flags, std::uint64_t, std::uint64_t, std::uint64_t,
                              MachineState* machine) {
  if (flags != 0) {
    return static_cast<std::uint64_t>(Verdict::kAborted);
  }
  runtime(machine).redirect = RedirectTarget{.map = -1, .key = static_cast<std::uint32_t>(ifindex)};
  return static_cast<std::uint64_t>(Verdict::kRedirect);
}

}  // namespace kiln
