// SPDX-License-Identifier: Apache-2.0
#include "platform.h"

#include <utility>

namespace kiln::sim {
namespace {

constexpr int kDrainCycles = 1024;  // the last frame leaves after its verdict

}  // namespace

Platform::Platform(sc_core::sc_module_name name, std::unique_ptr<NicModel> model, double clock_mhz,
                   Configure configure)
    : sc_module(name),
      configure_(std::move(configure)),
      clock_("clock", sc_core::sc_time(1000.0 / clock_mhz, sc_core::SC_NS)),
      source_("source", model->configuration().data_width),
      sink_("sink", model->configuration().data_width),
      nic_("nic", std::move(model)) {
  nic_.clk(clock_);
  nic_.rx_valid(rx_valid_);
  nic_.rx(rx_);
  nic_.rx_ready(rx_ready_);
  nic_.tx_valid(tx_valid_);
  nic_.tx(tx_);
  nic_.tx_ready(tx_ready_);
  nic_.verdict_valid(verdict_valid_);
  source_.clk(clock_);
  source_.valid(rx_valid_);
  source_.beat(rx_);
  source_.ready(rx_ready_);
  sink_.clk(clock_);
  sink_.valid(tx_valid_);
  sink_.beat(tx_);
  sink_.ready(tx_ready_);
  socket_.bind(nic_.registers);
  SC_HAS_PROCESS(Platform);
  SC_THREAD(drive);
  SC_METHOD(watch);
  sensitive << clock_.posedge_event();
  dont_initialize();
}

void Platform::send(std::span<const std::byte> frame, std::uint32_t user) {
  source_.frames().push(frame, user);
  ++expected_;
}

void Platform::drive() {
  wait(clock_.posedge_event());
  NicDriver driver(*this);
  configure_(driver);
  source_.go();
  while (verdicts_.size() < expected_) {
    wait(clock_.posedge_event());
  }
  for (int i = 0; i < kDrainCycles; ++i) {
    wait(clock_.posedge_event());
  }
  sc_core::sc_stop();
}

void Platform::watch() {
  if (verdict_valid_.read()) {
    verdicts_.push_back({nic_.verdict(), edges_ - source_.first_beat_edge()});
  }
  ++edges_;
}

void Platform::write(std::uint16_t offset, std::uint32_t value) {
  access(tlm::TLM_WRITE_COMMAND, offset, value);
}

std::uint32_t Platform::read(std::uint16_t offset) {
  std::uint32_t value = 0;
  access(tlm::TLM_READ_COMMAND, offset, value);
  return value;
}

void Platform::access(tlm::tlm_command command, std::uint16_t offset, std::uint32_t& value) {
  tlm::tlm_generic_payload payload;
  sc_core::sc_time delay = sc_core::SC_ZERO_TIME;
  payload.set_command(command);
  payload.set_address(offset);
  payload.set_data_ptr(reinterpret_cast<unsigned char*>(&value));
  payload.set_data_length(sizeof value);
  payload.set_streaming_width(sizeof value);
  payload.set_byte_enable_ptr(nullptr);
  payload.set_dmi_allowed(false);
  payload.set_response_status(tlm::TLM_INCOMPLETE_RESPONSE);
  socket_->b_transport(payload, delay);
  KILN_CHECK(payload.is_response_ok());
}

}  // namespace kiln::sim
