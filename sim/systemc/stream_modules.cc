// SPDX-License-Identifier: Apache-2.0
#include "stream_modules.h"

namespace kiln::sim {

SourceModule::SourceModule(sc_core::sc_module_name name, std::uint32_t data_width)
    : sc_module(name), frames_(data_width) {
  SC_HAS_PROCESS(SourceModule);
  SC_METHOD(edge);
  sensitive << clk.pos();
  dont_initialize();
}

void SourceModule::edge() {
  NicOutputs seen;
  seen.rx_ready = ready.read();
  if (driven_.rx_valid && seen.rx_ready && !started_) {
    started_ = true;
    first_beat_edge_ = edges_;
  }
  frames_.observe(driven_, seen);
  driven_.rx_valid = false;
  if (running_) {
    frames_.drive(driven_);
  }
  valid.write(driven_.rx_valid);
  beat.write(driven_.rx);
  ++edges_;
}

SinkModule::SinkModule(sc_core::sc_module_name name, std::uint32_t data_width)
    : sc_module(name), frames_(data_width) {
  SC_HAS_PROCESS(SinkModule);
  SC_METHOD(edge);
  sensitive << clk.pos();
}

void SinkModule::edge() {
  NicInputs in;
  in.tx_ready = ready.read();
  NicOutputs out;
  out.tx_valid = valid.read();
  out.tx = beat.read();
  frames_.observe(in, out, edges_++);
  ready.write(true);
}

}  // namespace kiln::sim
