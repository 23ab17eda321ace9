// SPDX-License-Identifier: Apache-2.0
//
// One call of BPF_PROG_TEST_RUN with an XDP program and a frame.
#pragma once

#include <cstdint>
#include <vector>

#include <kiln/engine.h>

namespace kiln::kernel {

struct TestRun {
  std::uint32_t code = 0;         ///< what the program returned, the last time
  std::uint32_t frame_bytes = 0;  ///< of metadata and frame afterwards, in `out`
  std::uint32_t meta_bytes = 0;   ///< of the metadata before the frame; known only with a context
  double kernel_ns = 0;  ///< mean over the repeats as the kernel took it, whole nanoseconds
  double thread_ns = 0;  ///< of the whole call, without time in which others ran
};

/// \param with_context  passes a struct xdp_md both ways; Linux 5.15 and later take one.
/// \param out  where the frame goes afterwards; grows if it must.
/// \errors kInput for a frame that the kernel refuses; kUnsupported for an interface that isn't
/// there.
Result<TestRun> test_run(int program, const Frame& frame, std::uint32_t repeat,
                         std::vector<std::byte>& out, bool with_context = false);

/// What a packet program or a raw tracepoint did, once.
struct PacketRun {
  std::uint32_t code = 0;
  std::vector<std::byte> frame;    ///< with its Ethernet header
  std::vector<std::byte> context;  ///< struct __sk_buff
};
/// \errors kInput: a length or a context that the kernel refuses; kUnsupported: an interface that isn't there.
Result<PacketRun> test_run_packet(int program, const Frame& frame);
/// The context is the tracepoint's arguments, 8 bytes each; missing ones are 0.
Result<PacketRun> test_run_tracepoint(int program, const Frame& frame);

}  // namespace kiln::kernel
