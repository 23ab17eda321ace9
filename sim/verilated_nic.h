// SPDX-License-Identifier: Apache-2.0
//
// NicModel over one verilated class. Only the generated configuration files include this.
#pragma once

#include <cstring>
#include <memory>
#include <type_traits>

#include <verilated.h>

#include "nic_model.h"

namespace kiln::sim {

/// Bits [lsb +: width] of a port, which Verilator gives as an integer or, beyond 64 bits, as words.
template <typename Port>
std::uint64_t bits(const Port& port, std::size_t lsb, unsigned width) {
  const std::uint64_t mask = width == 64 ? ~0ull : (1ull << width) - 1;
  if constexpr (std::is_integral_v<Port>) {
    return static_cast<std::uint64_t>(port) >> lsb & mask;
  } else {
    std::uint64_t value = port[lsb / 32] >> lsb % 32;
    for (unsigned got = 32 - lsb % 32; got < width; got += 32) {
      value |= std::uint64_t{port[(lsb + got) / 32]} << got;
    }
    return value & mask;
  }
}

template <typename Port>
void store_bytes(Port& port, const std::uint8_t* bytes) {
  if constexpr (std::is_integral_v<Port>) {
    std::memcpy(&port, bytes, sizeof port);
  } else {
    std::memcpy(port.data(), bytes, sizeof(Port));
  }
}

template <typename Port>
void load_bytes(const Port& port, std::uint8_t* bytes) {
  if constexpr (std::is_integral_v<Port>) {
    std::memcpy(bytes, &port, sizeof port);
  } else {
    std::memcpy(bytes, port.data(), sizeof(Port));
  }
}

template <typename Top>
class VerilatedNic final : public NicModel {
 public:
  explicit VerilatedNic(const NicConfiguration& configuration) : configuration_(configuration) {
    context_.randReset(0);
    top_ = std::make_unique<Top>(&context_);
    NicInputs inputs;
    inputs.rst_n = false;
    for (int i = 0; i < 4; ++i) {
      cycle(inputs);
    }
    cycles_ = 0;
  }
  ~VerilatedNic() override {
    // The model's scopes unregister from the thread's context: with several models, say which.
    Verilated::threadContextp(&context_);
    top_->final();
    top_.reset();
  }

  const NicConfiguration& configuration() const override { return configuration_; }

  const NicOutputs& settle(const NicInputs& in) override {
    top_->clk_i = 0;
    drive(in);
    top_->eval();
    sample();
    return out_;
  }

  void edge() override {
    top_->clk_i = 1;
    top_->eval();
    ++cycles_;
  }

  std::span<const RetireRecord> retired() const override { return retired_; }

 private:
  void drive(const NicInputs& in) {
    Top& top = *top_;
    top.rst_ni = in.rst_n;
    top.s_axil_awvalid_i = in.awvalid;
    top.s_axil_awaddr_i = in.awaddr;
    top.s_axil_wvalid_i = in.wvalid;
    top.s_axil_wdata_i = in.wdata;
    top.s_axil_wstrb_i = 0xf;
    top.s_axil_bready_i = in.bready;
    top.s_axil_arvalid_i = in.arvalid;
    top.s_axil_araddr_i = in.araddr;
    top.s_axil_rready_i = in.rready;
    top.s_axis_rx_tvalid_i = in.rx_valid;
    if (in.rx_valid) {
      store_bytes(top.s_axis_rx_tdata_i, in.rx.data.data());
      top.s_axis_rx_tkeep_i = static_cast<std::remove_reference_t<decltype(top.s_axis_rx_tkeep_i)>>(in.rx.keep);
      top.s_axis_rx_tlast_i = in.rx.last;
      top.s_axis_rx_tuser_i = static_cast<std::uint32_t>(in.rx.user);
    }
    top.m_axis_tx_tready_i = in.tx_ready;
    top.m_axis_host_tready_i = in.host_ready;
    top.s_axis_host_tvalid_i = in.host_valid;
    top.s_axis_host_tdata_i = in.host_data;
    top.s_axis_host_tlast_i = in.host_last;
    top.m_axis_events_tready_i = in.event_ready;
  }

  void sample() {
    const Top& top = *top_;
    out_.awready = top.s_axil_awready_o;
    out_.wready = top.s_axil_wready_o;
    out_.bvalid = top.s_axil_bvalid_o;
    out_.bresp = top.s_axil_bresp_o;
    out_.arready = top.s_axil_arready_o;
    out_.rvalid = top.s_axil_rvalid_o;
    out_.rdata = top.s_axil_rdata_o;
    out_.rresp = top.s_axil_rresp_o;
    out_.rx_ready = top.s_axis_rx_tready_o;
    out_.tx_valid = top.m_axis_tx_tvalid_o;
    if (out_.tx_valid) {
      load_bytes(top.m_axis_tx_tdata_o, out_.tx.data.data());
      out_.tx.keep = top.m_axis_tx_tkeep_o;
      out_.tx.last = top.m_axis_tx_tlast_o;
      out_.tx.user = top.m_axis_tx_tuser_o;
    }
    out_.host_valid = top.m_axis_host_tvalid_o;
    out_.host_data = top.m_axis_host_tdata_o;
    out_.host_last = top.m_axis_host_tlast_o;
    out_.host_ready = top.s_axis_host_tready_o;
    out_.event_valid = top.m_axis_events_tvalid_o;
    out_.event_data = top.m_axis_events_tdata_o;
    out_.event_last = top.m_axis_events_tlast_o;
    out_.verdict_valid = top.verdict_valid_o;
    if (out_.verdict_valid) {
      out_.verdict = VerdictRecord{.seq = top.verdict_seq_o,
                                   .code = top.verdict_code_o,
                                   .redirect = top.verdict_redirect_o,
                                   .redirect_map = top.verdict_redirect_map_o,
                                   .trap = top.verdict_trap_o,
                                   .core = top.verdict_core_o,
                                   .thread = top.verdict_thread_o,
                                   .start = top.verdict_start_o,
                                   .end = top.verdict_end_o,
                                   .insns = top.verdict_insns_o};
    }
    retired_.clear();
    if (top.retire_valid_o != 0) {
      sample_retired();
    }
  }

  void sample_retired() {
    const Top& top = *top_;
    for (std::uint32_t core = 0; core < configuration_.cores; ++core) {
      if (bits(top.retire_valid_o, core, 1) == 0) {
        continue;
      }
      RetireRecord r{};
      r.core = static_cast<std::uint8_t>(core);
      r.thread = static_cast<std::uint8_t>(bits(top.retire_thread_o, core * 8, 8));
      r.seq = static_cast<std::uint32_t>(bits(top.retire_seq_o, core * 32, 32));
      r.pc = static_cast<std::uint16_t>(bits(top.retire_pc_o, core * 16, 16));
      r.next_pc = static_cast<std::uint16_t>(bits(top.retire_next_pc_o, core * 16, 16));
      r.insn = bits(top.retire_insn_o, core * 64, 64);
      r.rd_we = bits(top.retire_rd_we_o, core, 1) != 0;
      r.rd = static_cast<std::uint8_t>(bits(top.retire_rd_o, core * 4, 4));
      r.rd_data = bits(top.retire_rd_data_o, core * 64, 64);
      r.mem_we = bits(top.retire_mem_we_o, core, 1) != 0;
      r.mem_re = bits(top.retire_mem_re_o, core, 1) != 0;
      r.mem_addr = static_cast<std::uint32_t>(bits(top.retire_mem_addr_o, core * 32, 32));
      r.mem_size = static_cast<std::uint8_t>(bits(top.retire_mem_size_o, core * 4, 4));
      r.mem_data = bits(top.retire_mem_data_o, core * 64, 64);
      r.exit = bits(top.retire_exit_o, core, 1) != 0;
      r.cycle = cycles_;
      retired_.push_back(r);
    }
  }

  NicConfiguration configuration_;
  VerilatedContext context_;
  std::unique_ptr<Top> top_;
  NicOutputs out_;
  std::vector<RetireRecord> retired_;
};

}  // namespace kiln::sim
