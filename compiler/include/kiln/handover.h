// SPDX-License-Identifier: Apache-2.0
//
// Hand-over: what the NIC and its host say to each other when a thread's program comes to an instruction
// that the NIC has no unit for. Both messages are streams of 64-bit words, little-endian.
//
// NIC to host, when a thread executes TRAP with kTrapHandover:
//
//     word 0      [31:0] number of the frame, [39:32] core, [47:40] thread, [63:56] version 1
//     word 1      [31:0] instructions retired so far, [63:32] cycle of the first issue
//     word 2..65  the thread's context region, 512 bytes (address.h): struct xdp_md, hidden words,
//                 at kCtxReserved the number of the hand-over point, at kCtxHandover the registers, at its
//                 end what functions saved
//     66..129     the thread's stack, 512 bytes
//     from 130    the packet window, from the 8 bytes that hold kCtxZeroLow's address to those that hold the
//                 byte before data_end
//
// Host to NIC, when the program has ended; the thread, which has waited, then ends its frame so:
//
//     word 0      [39:32] core, [47:40] thread
//     word 1      [31:0] verdict, [63:32] instructions retired, the NIC's included
//     word 2      [31:0] redirect target, [63:32] redirect map + 1: the context's words at kCtxRedirect
//     word 3      [31:0] data, [63:32] data_end: the context's words at kCtxData
//     from 4      only if the frame leaves: the packet window from the 8 bytes that hold data to those that
//                 hold the byte before data_end
//
// The last word of a message has tlast. Registers and saved registers become a RunState by the tables of
// the core image that runs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <kiln/core_image.h>
#include <kiln/run_state.h>

namespace kiln {

struct Handover {
  std::uint32_t frame = 0;  ///< its number
  std::uint8_t core = 0, thread = 0;
  std::uint32_t insns = 0;  ///< retired so far
  std::uint32_t start = 0;  ///< cycle of the first issue
  std::uint32_t point = 0;  ///< index into CoreImage::handovers
  RunState state;
};

/// A message of the NIC in terms of BPF. \errors kInternal if it is not one of this image's.
Result<Handover> read_handover(const CoreImage& image, std::span<const std::uint64_t> words);

struct HandoverReturn {
  std::uint8_t core = 0, thread = 0;
  std::uint32_t verdict = 0;
  std::uint32_t insns = 0;
  std::uint32_t redirect = 0;
  std::uint32_t redirect_map = 0;      ///< index + 1, or 0
  std::span<const std::byte> frame;    ///< empty if it does not leave
};

/// The answer as words. The frame lies at the usual headroom, or lower if it would not fit.
/// REQUIRES: the frame fits the window with its reserves.
std::vector<std::uint64_t> write_return(const HandoverReturn& answer, std::uint32_t window_bytes);

}  // namespace kiln
