// SPDX-License-Identifier: Apache-2.0
//
// What a program can see and can't compute: clocks, random numbers, processor, task, network, frame limits.
//
// Injected, so that engines given the same Environment agree to the bit. The defaults are those of
// the kernel's BPF_PROG_TEST_RUN: loopback's ifindex 1, receive queue 0, a 4096-byte page. How it is
// written down for the command line: host/README.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <kiln/address.h>
#include <kiln/network.h>

namespace kiln {

/// The process in whose context a program runs.
struct Task {
  std::uint32_t pid = 1;   ///< of the thread
  std::uint32_t tgid = 1;  ///< of the process
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string comm = "kiln";  ///< at most 15 bytes count
  std::uint64_t cgroup_id = 1;
  std::vector<std::uint64_t> stack = {};  ///< return addresses, innermost first
};

struct Environment {
  // Clocks are constant during a frame; every further frame adds clock_step_ns to each.
  std::uint64_t clock_ns = 1'000'000'000;  ///< bpf_ktime_get_ns() during the first frame
  std::uint64_t clock_step_ns = 1'000;
  std::uint64_t boot_offset_ns = 0;  ///< what bpf_ktime_get_boot_ns() is ahead (time asleep)
  std::uint64_t tai_offset_ns = 1'700'000'000'000'000'000;  ///< what bpf_ktime_get_tai_ns() is ahead
  std::uint32_t hz = 1000;  ///< ticks a second of bpf_jiffies64(), and of the clocks called coarse
  std::uint64_t random_seed = 0x9e3779b97f4a7c15;  ///< not 0; state of next_random()
  std::uint32_t cpu_count = 1;  ///< per-CPU maps hold this many values
  std::uint32_t possible_cpus = 0;  ///< what LRU maps reckon with, as with num_possible_cpus(); 0: cpu_count
  std::uint32_t cpu = 0;        ///< bpf_get_smp_processor_id(); < cpu_count
  std::uint32_t numa_node = 0;
  Task task;
  Network network;
  std::array<std::uint64_t, 4> syncookie_key = {1, 2, 3, 4};  ///< two SipHash keys of two words
  std::uint32_t window_bytes = address::kWindowBytes;  ///< frame buffer: headroom, frame, tailroom

  static constexpr std::size_t kMinFrame = 14;  ///< an Ethernet header
  std::size_t max_frame() const {
    return window_bytes - address::kHeadroom - address::kTailReserved;
  }
  /// The same for a program with xdp.frags: as many more pages as a frame can have (MAX_SKB_FRAGS).
  std::size_t max_long_frame() const { return max_frame() + 17 * std::size_t{4096}; }
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
