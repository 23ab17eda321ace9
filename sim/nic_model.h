// SPDX-License-Identifier: Apache-2.0
//
// The NIC's pins, and one clock cycle of it, whatever the parameters it was verilated with.
//
// What a cycle means: the inputs are applied while the clock is low, the outputs are sampled just
// before the rising edge (so a handshake happened if valid and ready were both set in that
// sample), then the edge comes. Nothing else of the model is visible: no hierarchy, no state.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <kiln/nic_engine.h>

namespace kiln::sim {

inline constexpr std::size_t kMaxBeatBytes = 64;

/// One AXI4-Stream beat, little-endian: byte 0 is the first on the wire.
struct Beat {
  std::array<std::uint8_t, kMaxBeatBytes> data{};
  std::uint64_t keep = 0;
  bool last = false;
  std::uint64_t user = 0;
};

struct NicInputs {
  bool rst_n = true;
  // AXI4-Lite
  bool awvalid = false, wvalid = false, bready = false, arvalid = false, rready = false;
  std::uint16_t awaddr = 0, araddr = 0;
  std::uint32_t wdata = 0;
  // Streams
  bool rx_valid = false;
  Beat rx;
  bool tx_ready = true;
  // Host streams: ready for what the NIC hands over, and the host's answers.
  bool host_ready = false, host_valid = false, host_last = false;
  std::uint64_t host_data = 0;
  bool event_ready = true;
};

/// The verdict port: one record per frame (rtl/interfaces.md).
struct VerdictRecord {
  std::uint32_t seq = 0, code = 0, redirect = 0;
  std::uint16_t redirect_map = 0;
  std::uint8_t trap = 0, core = 0, thread = 0;
  std::uint32_t start = 0, end = 0, insns = 0;
};

struct NicOutputs {
  bool awready = false, wready = false, bvalid = false, arready = false, rvalid = false;
  std::uint32_t rdata = 0;
  std::uint8_t bresp = 0, rresp = 0;
  bool rx_ready = false;
  bool tx_valid = false;
  Beat tx;
  bool host_valid = false, host_last = false, host_ready = false;
  std::uint64_t host_data = 0;
  bool event_valid = false, event_last = false;
  std::uint64_t event_data = 0;
  bool verdict_valid = false;
  VerdictRecord verdict;
};

class NicModel {
 public:
  virtual ~NicModel() = default;
  virtual const NicConfiguration& configuration() const = 0;
  /// First half of a cycle: applies the inputs while the clock is low and samples the outputs. The
  /// reference stays valid and unchanged until the next call.
  virtual const NicOutputs& settle(const NicInputs& inputs) = 0;
  /// Second half: the rising edge.
  virtual void edge() = 0;
  const NicOutputs& cycle(const NicInputs& inputs) {
    const NicOutputs& outputs = settle(inputs);
    edge();
    return outputs;
  }
  /// Retire records of the last cycle, in core order; valid until the next one.
  virtual std::span<const RetireRecord> retired() const = 0;
  std::uint64_t cycles() const { return cycles_; }

 protected:
  std::uint64_t cycles_ = 0;
};

/// A model in reset state with at least so many cores and threads. nullptr: there is none so big.
std::unique_ptr<NicModel> make_nic_model(std::uint32_t cores, std::uint32_t threads);

}  // namespace kiln::sim
