// SPDX-License-Identifier: Apache-2.0
//
// A small SystemC system around the NIC: clock, stream source and sink, a driver on the TLM socket.
#pragma once

#include <functional>
#include <vector>

#include <tlm_utils/simple_initiator_socket.h>

#include "nic_driver.h"
#include "nic_module.h"
#include "stream_modules.h"

namespace kiln::sim {

/// A verdict and when it came, in clock cycles since the first beat of the first frame was taken.
struct PlatformVerdict {
  VerdictRecord record;
  std::uint64_t cycle = 0;
};

/// Runs `configure` on a NicDriver over TLM, then sends the frames back to back and collects verdicts
/// and frames until `expected` verdicts are in. sc_start() runs it; it stops the simulation itself.
class Platform final : public sc_core::sc_module, public RegisterPort {
 public:
  using Configure = std::function<void(NicDriver&)>;

  Platform(sc_core::sc_module_name name, std::unique_ptr<NicModel> model, double clock_mhz,
           Configure configure);

  /// \param user  as FrameSource::push. REQUIRES: before sc_start().
  void send(std::span<const std::byte> frame, std::uint32_t user);
  const std::vector<PlatformVerdict>& verdicts() const { return verdicts_; }
  FrameSink& sent() { return sink_.frames(); }

  void write(std::uint16_t offset, std::uint32_t value) override;
  std::uint32_t read(std::uint16_t offset) override;

 private:
  void drive();
  void watch();
  void access(tlm::tlm_command command, std::uint16_t offset, std::uint32_t& value);

  Configure configure_;
  std::size_t expected_ = 0;
  std::vector<PlatformVerdict> verdicts_;
  std::uint64_t edges_ = 0;

  sc_core::sc_clock clock_;
  sc_core::sc_signal<bool> rx_valid_, rx_ready_, tx_valid_, tx_ready_, verdict_valid_;
  sc_core::sc_signal<Beat> rx_, tx_;
  tlm_utils::simple_initiator_socket<Platform> socket_{"socket"};
  SourceModule source_;  // before nic_: they take the stream width from the model it then owns
  SinkModule sink_;
  NicModule nic_;
};

}  // namespace kiln::sim
