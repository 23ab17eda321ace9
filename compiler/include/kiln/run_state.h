// SPDX-License-Identifier: Apache-2.0
//
// A run between two instructions, whole: what an engine needs to go on where another one stopped.
//
// Addresses in registers are those of address.h, so `interp` and `nic` use them as they are. A state
// has one serialised form, the same for every engine. Not in it: maps, clock and random numbers, which
// engines share by other means (continuation.h); and what only helpers beyond the NIC's create (held
// references, locks, iterators, callbacks under way), since a NIC hands over before the first of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <kiln/address.h>
#include <kiln/isa.h>
#include <kiln/result.h>

namespace kiln {

/// A caller waiting for its callee: where it goes on, and what it finds in R6 to R10 then.
struct CallerState {
  std::uint32_t program = 0;
  std::uint32_t slot = 0;
  std::array<std::uint64_t, 5> saved{};
  bool operator==(const CallerState&) const = default;
};

struct RunState {
  std::uint32_t program = 0;  ///< index into Object::programs
  std::uint32_t pc = 0;       ///< slot about to execute
  std::array<std::uint64_t, kRegisters> regs{};  ///< those that nothing reads any more may hold anything
  std::vector<CallerState> callers;              ///< outermost first
  std::array<std::byte, address::kStackBytes> stack{};

  // struct xdp_md, and what the program does not see of it
  std::uint32_t ingress_ifindex = 0;
  std::uint32_t rx_queue = 0;
  std::uint32_t egress_ifindex = 0;
  std::uint32_t cpu = 0;         ///< processor number
  std::uint32_t tail_calls = 0;  ///< made for this frame
  struct Redirect {
    std::int32_t map = -1;  ///< map index, or -1: `key` is an ifindex
    std::uint32_t key = 0;
    bool operator==(const Redirect&) const = default;
  };
  std::optional<Redirect> redirect;

  // The frame: offsets from the start of the packet window.
  std::uint32_t data = address::kHeadroom;
  std::uint32_t data_end = address::kHeadroom;
  std::uint32_t data_meta = address::kHeadroom;
  std::uint32_t window_start = 0;      ///< bytes below it are zero
  std::vector<std::byte> window;       ///< from window_start on; bytes behind it are zero

  bool operator==(const RunState&) const = default;
};

/// The serialised form, version 1. Little-endian:
///
///     byte  0  "KRUN"             104  ingress_ifindex       140  data_end
///           4  version            108  rx_queue              144  data_meta
///           8  program            112  egress_ifindex        148  window_start
///          12  pc                 116  cpu                   152  window bytes, w
///          16  R0..R10, 8 each    120  tail_calls            156  callers, c
///                                 124  redirect map + 1      160  stack, 512 bytes
///                                 128  redirect key          672  c callers, 48 bytes each:
///                                 132  1: redirect is set         program, slot, R6..R10
///                                 136  data             672+48c   window, w bytes
std::vector<std::byte> serialise(const RunState& state);
/// \errors kInput: not such a state, another version, cut short, or offsets outside of the window.
Result<RunState> parse_run_state(std::span<const std::byte> bytes);

inline constexpr std::uint32_t kRunStateVersion = 1;

}  // namespace kiln
