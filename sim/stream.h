// SPDX-License-Identifier: Apache-2.0
//
// Frames to AXI4-Stream beats and back: a source and a sink, one call each per clock cycle.
//
// Both are plain objects stepped by whoever owns the clock (the harness, or a SystemC module).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "nic_model.h"

namespace kiln::sim {

/// Offers queued frames back to back, beat after beat.
class FrameSource {
 public:
  explicit FrameSource(std::uint32_t data_width_bits) : beat_bytes_(data_width_bits / 8) {}
  /// \param user  {receive queue, ingress ifindex}, 16 bits each.
  void push(std::span<const std::byte> frame, std::uint32_t user);
  bool idle() const { return queue_.empty(); }
  std::size_t queued_frames() const { return queue_.size(); }
  /// Before the cycle: sets the rx signals.
  void drive(NicInputs& inputs) const;
  /// After it. Returns true if the last beat of a frame was taken in this cycle.
  bool observe(const NicInputs& inputs, const NicOutputs& outputs);

 private:
  struct Queued {
    std::vector<std::byte> bytes;
    std::uint32_t user;
  };
  std::size_t beat_bytes_;
  std::deque<Queued> queue_;
  std::size_t sent_ = 0;  ///< bytes of the front frame that were taken
};

/// A frame that left the NIC, and when (model cycles).
struct SentFrame {
  std::vector<std::byte> bytes;
  std::uint64_t user = 0;
  std::uint64_t first_cycle = 0;
};

/// Collects frames; takes a beat whenever it is ready.
class FrameSink {
 public:
  explicit FrameSink(std::uint32_t data_width_bits) : beat_bytes_(data_width_bits / 8) {}
  /// After a cycle.
  void observe(const NicInputs& inputs, const NicOutputs& outputs, std::uint64_t cycle);
  bool empty() const { return done_.empty(); }
  SentFrame pop();

 private:
  std::size_t beat_bytes_;
  SentFrame current_;
  bool inside_ = false;
  std::deque<SentFrame> done_;
};

}  // namespace kiln::sim
