// SPDX-License-Identifier: Apache-2.0
//
// A model with its clock: register accesses, a frame source, a frame sink, the verdict and retire ports.
//
// The plain C++ platform. sim/systemc builds the same out of SystemC modules.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "event_queue.h"
#include "host_queue.h"
#include "nic_driver.h"
#include "nic_model.h"
#include "stream.h"

namespace kiln::sim {

/// A verdict and the cycle in which the port showed it.
struct TimedVerdict {
  VerdictRecord record;
  std::uint64_t cycle = 0;
};

class NicHarness final : public RegisterPort {
 public:
  NicHarness(std::unique_ptr<NicModel> model, RetireObserver observer);

  void write(std::uint16_t offset, std::uint32_t value) override;
  std::uint32_t read(std::uint16_t offset) override;

  /// One clock cycle of everything.
  void tick();

  NicModel& model() { return *model_; }
  FrameSource& source() { return source_; }
  FrameSink& sink() { return sink_; }
  HostQueue& host() { return host_; }
  EventQueue& events() { return events_; }
  std::deque<TimedVerdict>& verdicts() { return verdicts_; }
  /// Cycle in which the last beat of the newest complete frame went in.
  std::uint64_t last_beat_cycle() const { return last_beat_cycle_; }

 private:
  std::unique_ptr<NicModel> model_;
  RetireObserver observer_;
  NicInputs in_;
  const NicOutputs* out_ = nullptr;
  FrameSource source_;
  FrameSink sink_;
  HostQueue host_;
  EventQueue events_;
  std::deque<TimedVerdict> verdicts_;
  std::uint64_t last_beat_cycle_ = 0;
};

}  // namespace kiln::sim
