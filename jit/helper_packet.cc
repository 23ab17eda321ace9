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
  if (meta_bytes != 0) {
    std::memmove(m.frame.window + old.meta + by, m.frame.window + old.meta, static_cast<std::size_t>(meta_bytes));
  }
  move_to(m, old.meta + by, data, old.end);
  return 0;
}

namespace {

/// bpf_xdp_frags_shrink_tail(): whole pieces go first, the linear part last.
std::uint64_t shrink_pieces(HelperRuntime& m, std::uint64_t by) {
  if (by + kMinFrame > m.packet_length()) {
    return negative(EINVAL);
  }
  auto& pieces = m.frame.rest->pieces;
  while (by != 0 && !pieces.empty()) {
    const std::uint64_t take = std::min<std::uint64_t>(by, pieces.back().size());
    by -= take;
    if (take == pieces.back().size()) {
      pieces.pop_back();
    } else {
      pieces.back().resize(pieces.back().size() - take);
    }
  }
  const FramePosition old = m.frame.position;
  move_to(m, old.meta, old.data, old.end - static_cast<std::int64_t>(by));
  return 0;
}

/// bpf_xdp_frags_increase_tail(): only as far as the last page goes.
std::uint64_t grow_last_piece(HelperRuntime& m, std::uint64_t by) {
  std::vector<std::byte>& last = m.frame.rest->pieces.back();
  if (by > FrameRest::kPieceBytes - last.size()) {
    return negative(EINVAL);
  }
  last.resize(last.size() + by);
  return 0;
}

}  // namespace

std::uint64_t helper_xdp_adjust_tail(std::uint64_t, std::uint64_t offset, std::uint64_t, std::uint64_t, std::uint64_t,
                                     MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const FramePosition old = m.frame.position;
  const std::int64_t by = static_cast<std::int32_t>(offset);
  if (m.frame.rest != nullptr && !m.frame.rest->pieces.empty()) {
    return by < 0 ? shrink_pieces(m, static_cast<std::uint64_t>(-by)) : grow_last_piece(m, static_cast<std::uint64_t>(by));
  }
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
  constexpr std::uint64_t kIngress = 1, kTcShot = 2, kTcRedirect = 7;
  HelperRuntime& m = runtime(machine);
  const bool is_xdp = m.is_xdp();
  if ((flags & ~(is_xdp ? 0 : kIngress)) != 0) {
    return is_xdp ? static_cast<std::uint64_t>(Verdict::kAborted) : kTcShot;
  }
  m.redirect = RedirectTarget{.map = -1, .key = static_cast<std::uint32_t>(ifindex)};
  return is_xdp ? static_cast<std::uint64_t>(Verdict::kRedirect) : kTcRedirect;
}

}  // namespace kiln
