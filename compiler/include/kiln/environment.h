// SPDX-License-Identifier: Apache-2.0
//
// What a program can see and can't compute: clock, random numbers, processor number, frame limits.
//
// Injected, so that engines given the same Environment agree to the bit. The defaults are those of
// the kernel's BPF_PROG_TEST_RUN: loopback's ifindex 1, receive queue 0, a 4096-byte page.
#pragma once

#include <cstddef>
#include <cstdint>

#include <kiln/address.h>

namespace kiln {

struct Environment {
  std::uint64_t clock_ns = 1'000'000'000;  ///< bpf_ktime_get_ns() during the first frame
  std::uint64_t clock_step_ns = 1'000;     ///< added for every further frame; constant during a frame
  std::uint64_t random_seed = 0x9e3779b97f4a7c15;  ///< not 0; state of next_random()
  std::uint32_t cpu_count = 1;  ///< per-CPU maps hold this many values
  std::uint32_t window_bytes = address::kWindowBytes;  ///< frame buffer: headroom, frame, tailroom

  static constexpr std::size_t kMinFrame = 14;  ///< an Ethernet header
  std::size_t max_frame() const {
    return window_bytes - address::kHeadroom - address::kTailReserved;
  }
  /// Whether a program is given a frame of this length.
  bool fits(std::size_t frame_bytes) const {
    return frame_bytes >= kMinFrame && frame_bytes <= max_frame();
  }
};

/// bpf_get_prandom_u32() everywhere but in the kernel: xorshift64 (13, 7, 17), low 32 bits.
/// \source G. Marsaglia, Xorshift RNGs, 2003.
constexpr std::uint32_t next_random(std::uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<std::uint32_t>(state);
}

}  // namespace kiln
