// SPDX-License-Identifier: Apache-2.0
//
// AXI4-Stream source and sink as SystemC modules: FrameSource and FrameSink on a clock.
#pragma once

#include "nic_module.h"
#include "stream.h"

namespace kiln::sim {

/// Offers the queued frames back to back from the rising edge after `go` is set.
class SourceModule final : public sc_core::sc_module {
 public:
  sc_core::sc_in<bool> clk{"clk"};
  sc_core::sc_out<bool> valid{"valid"};
  sc_core::sc_out<Beat> beat{"beat"};
  sc_core::sc_in<bool> ready{"ready"};

  SourceModule(sc_core::sc_module_name name, std::uint32_t data_width);
  FrameSource& frames() { return frames_; }
  void go() { running_ = true; }
  /// Clock edges seen before the one that took the first beat.
  std::uint64_t first_beat_edge() const { return first_beat_edge_; }

 private:
  void edge();
  FrameSource frames_;
  NicInputs driven_;
  bool running_ = false;
  bool started_ = false;
  std::uint64_t edges_ = 0;
  std::uint64_t first_beat_edge_ = 0;
};

/// Takes every beat.
class SinkModule final : public sc_core::sc_module {
 public:
  sc_core::sc_in<bool> clk{"clk"};
  sc_core::sc_in<bool> valid{"valid"};
  sc_core::sc_in<Beat> beat{"beat"};
  sc_core::sc_out<bool> ready{"ready"};

  SinkModule(sc_core::sc_module_name name, std::uint32_t data_width);
  FrameSink& frames() { return frames_; }

 private:
  void edge();
  FrameSink frames_;
  std::uint64_t edges_ = 0;
};

}  // namespace kiln::sim
