// SPDX-License-Identifier: Apache-2.0
//
// bpf_xdp_pull_data(): bytes of a frame in pieces become linear, where the window has room for them.
//
// Source: net/core/filter.c (bpf_xdp_pull_data), Linux 6.18.
#include <cerrno>
#include <cstring>

#include "kfuncs.h"

namespace kiln {

KILN_DEFINE_KFUNC(bpf_xdp_pull_data) {
  HelperRuntime& m = runtime(machine);
  FramePosition& at = m.frame.position;
  const std::uint64_t length = static_cast<std::uint32_t>(r2), linear = at.end - at.data;
  if (length <= linear) {
    return 0;
  }
  const std::uint64_t tailroom = m.frame.window_bytes - address::kTailReserved - at.end;
  const std::uint64_t headroom = at.meta - address::kHeadReserved;
  std::uint64_t missing = length - linear;
  if (length > m.packet_length() || missing > tailroom + headroom) {
    return as_int(-EINVAL);
  }
  if (missing > tailroom) {
    const auto down = static_cast<std::uint32_t>(missing - tailroom);
    std::memmove(m.frame.window + at.meta - down, m.frame.window + at.meta, at.end - at.meta);
    at = {.meta = at.meta - down, .data = at.data - down, .end = at.end - down};
  }
  std::vector<std::vector<std::byte>>& pieces = m.frame.rest->pieces;
  while (missing != 0) {
    std::vector<std::byte>& piece = pieces.front();
    const std::size_t take = std::min<std::size_t>(missing, piece.size());
    std::memcpy(m.frame.window + at.end, piece.data(), take);
    at.end += static_cast<std::uint32_t>(take);
    missing -= take;
    piece.erase(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(take));
    if (piece.empty()) {
      pieces.erase(pieces.begin());
    }
  }
  m.frame.publish();
  return 0;
}

}  // namespace kiln
