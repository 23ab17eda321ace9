// SPDX-License-Identifier: Apache-2.0
#include "nic_module.h"

#include <cstring>
#include <utility>

namespace kiln::sim {

NicModule::NicModule(sc_core::sc_module_name name, std::unique_ptr<NicModel> model)
    : sc_module(name), model_(std::move(model)), out_(&model_->settle(in_)) {
  SC_HAS_PROCESS(NicModule);
  SC_METHOD(settle);
  sensitive << clk.neg();
  dont_initialize();
  SC_METHOD(edge);
  sensitive << clk.pos();
  dont_initialize();
  registers.register_b_transport(this, &NicModule::transport);
}

void NicModule::settle() {
  in_.rx_valid = rx_valid.read();
  if (in_.rx_valid) {
    in_.rx = rx.read();
  }
  in_.tx_ready = tx_ready.read();
  out_ = &model_->settle(in_);
  rx_ready.write(out_->rx_ready);
  tx_valid.write(out_->tx_valid);
  if (out_->tx_valid) {
    tx.write(out_->tx);
  }
  verdict_valid.write(out_->verdict_valid);
}

void NicModule::edge() {
  model_->edge();
  // AXI4-Lite handshakes of the cycle that this edge ends.
  in_.awvalid = in_.awvalid && !out_->awready;
  in_.wvalid = in_.wvalid && !out_->wready;
  in_.arvalid = in_.arvalid && !out_->arready;
  const bool written = in_.bready && out_->bvalid;
  const bool read = in_.rready && out_->rvalid;
  if (read) {
    read_data_ = out_->rdata;
  }
  if (written || read) {
    in_.bready = in_.rready = false;
    access_done_.notify(sc_core::SC_ZERO_TIME);
  }
}

void NicModule::transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay) {
  if (payload.get_data_length() != 4 || payload.get_address() > 0xffff || payload.get_address() % 4 != 0 ||
      payload.get_byte_enable_ptr() != nullptr) {
    payload.set_response_status(payload.get_data_length() != 4 ? tlm::TLM_BURST_ERROR_RESPONSE
                                                               : tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return;
  }
  wait(delay);
  delay = sc_core::SC_ZERO_TIME;
  const auto offset = static_cast<std::uint16_t>(payload.get_address());
  if (payload.is_write()) {
    std::memcpy(&in_.wdata, payload.get_data_ptr(), 4);
    in_.awaddr = offset;
    in_.awvalid = in_.wvalid = in_.bready = true;
  } else {
    in_.araddr = offset;
    in_.arvalid = in_.rready = true;
  }
  wait(access_done_);
  if (payload.is_read()) {
    std::memcpy(payload.get_data_ptr(), &read_data_, 4);
  }
  payload.set_response_status(tlm::TLM_OK_RESPONSE);
}

}  // namespace kiln::sim
