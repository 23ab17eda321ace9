// SPDX-License-Identifier: Apache-2.0
//
// The verilated NIC as a SystemC module: a clock in, AXI4-Stream signals, a TLM-2.0 socket onto the
// AXI4-Lite registers.
//
// The model settles on the falling edge and clocks on the rising one, so that every module may sample
// its inputs at the rising edge, as hardware does.
#pragma once

#include <memory>
#include <ostream>

#include "nic_model.h"

#include <systemc>
#include <tlm>
#include <tlm_utils/simple_target_socket.h>

namespace kiln::sim {

inline bool operator==(const Beat& a, const Beat& b) {
  return a.data == b.data && a.keep == b.keep && a.last == b.last && a.user == b.user;
}
inline std::ostream& operator<<(std::ostream& out, const Beat& beat) {
  return out << "beat keep=" << std::hex << beat.keep << std::dec << (beat.last ? " last" : "");
}
inline void sc_trace(sc_core::sc_trace_file* file, const Beat& beat, const std::string& name) {
  sc_core::sc_trace(file, beat.keep, name + ".keep");
  sc_core::sc_trace(file, beat.last, name + ".last");
}

class NicModule final : public sc_core::sc_module {
 public:
  sc_core::sc_in<bool> clk{"clk"};
  sc_core::sc_in<bool> rx_valid{"rx_valid"};
  sc_core::sc_in<Beat> rx{"rx"};
  sc_core::sc_out<bool> rx_ready{"rx_ready"};
  sc_core::sc_out<bool> tx_valid{"tx_valid"};
  sc_core::sc_out<Beat> tx{"tx"};
  sc_core::sc_in<bool> tx_ready{"tx_ready"};
  sc_core::sc_out<bool> verdict_valid{"verdict_valid"};
  /// 32-bit accesses at the offsets of nic_registers.def; anything else is a TLM error response.
  tlm_utils::simple_target_socket<NicModule> registers{"registers"};

  NicModule(sc_core::sc_module_name name, std::unique_ptr<NicModel> model);

  /// Of the cycle in which verdict_valid is seen.
  const VerdictRecord& verdict() const { return out_->verdict; }
  std::uint64_t cycles() const { return model_->cycles(); }

 private:
  void settle();
  void edge();
  void transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);

  std::unique_ptr<NicModel> model_;
  NicInputs in_;
  const NicOutputs* out_;
  sc_core::sc_event access_done_;
  std::uint32_t read_data_ = 0;
};

}  // namespace kiln::sim
