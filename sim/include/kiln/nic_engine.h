// SPDX-License-Identifier: Apache-2.0
//
// The SmartNIC as an engine: the verilated RTL behind AXI4-Lite and AXI4-Stream, stepped by clock edges.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <kiln/core_image.h>
#include <kiln/device.h>
#include <kiln/engine.h>

namespace kiln {

/// One verilated set of parameters; the list is compiled in (sim/CMakeLists.txt).
struct NicConfiguration {
  std::string name;  ///< e.g. "1x8": cores x threads
  std::uint32_t cores, threads, imem_words, map_bytes, data_width, window_bytes;
};
std::span<const NicConfiguration> nic_configurations();

/// One record of the retire port (rtl/interfaces.md).
struct RetireRecord {
  std::uint8_t core, thread;
  std::uint32_t seq;
  std::uint16_t pc, next_pc;
  std::uint64_t insn;
  bool rd_we, mem_we, mem_re, exit;
  std::uint8_t rd, mem_size;
  std::uint64_t rd_data;
  std::uint32_t mem_addr;
  std::uint64_t mem_data;
  std::uint64_t cycle;
};
using RetireObserver = std::function<void(const RetireRecord&)>;

struct NicOptions {
  std::uint32_t cores = 1;     ///< enabled; a configuration with at least as many is used
  std::uint32_t threads = 8;   ///< enabled on each core; 1 is allowed
  std::uint64_t max_cycles = 10'000'000;  ///< for one frame in exact mode, then kFault
  bool short_frames = false;  ///< takes frames from 1 byte on (raw programs), not from 14
  /// Makes the one who goes on with what the NIC hands over; without, or without `handover`, a program
  /// that would need it is refused.
  std::function<std::unique_ptr<Continuation>()> continuation{};
  bool handover = true;
};

/// run() keeps one frame in flight; measure() keeps the NIC full and counts clock edges, after a
/// ramp-up that is not counted.
std::unique_ptr<Engine> make_nic(const NicOptions& options, RetireObserver observer = nullptr);

/// The image that the `nic` engine would load: lowered for the sizes of the simulated NIC.
Result<CoreImage> lower_for_nic(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                                bool handover = true);

/// Runs raw instructions on the RTL for the conformance plug-in: `memory` is the packet, R1 its
/// address, R2 its length. Returns R0. \errors kUnsupported, kFault.
Result<std::uint64_t> run_raw_nic(std::span<const Insn> insns, std::span<std::byte> memory);

}  // namespace kiln
