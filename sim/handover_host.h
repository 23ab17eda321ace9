// SPDX-License-Identifier: Apache-2.0
//
// The host's part of a hand-over: takes what the NIC hands over from its queue, lets a continuation run the
// program to its end on the NIC's maps, and sends back verdict and frame.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <kiln/handover.h>

#include "nic_device.h"
#include "nic_harness.h"

namespace kiln::sim {

class HandoverHost {
 public:
  /// REQUIRES: the harness outlives the object.
  HandoverHost(NicHarness& harness, std::unique_ptr<Continuation> continuation, CoreImage image)
      : harness_(harness), device_(harness), continuation_(std::move(continuation)), image_(std::move(image)) {}

  Result<void> load(const VerifiedObject& object, std::size_t entry, const MapSet& maps, const Environment& environment);
  /// Map memory for the host's own use (NicDevice::set_stage()).
  void set_stage(std::uint32_t offset, std::uint32_t bytes) { device_.set_stage(offset, bytes); }
  /// Goes on with everything that is in the queue; the NIC's clock runs meanwhile. \errors kFault of a
  /// program; its frame is aborted then.
  Result<void> serve();
  /// The events that frame number `seq` left, nullopt if it was not handed over; forgets it.
  std::optional<std::vector<Event>> took(std::uint32_t seq);
  const MapSet& maps() { return continuation_->maps(); }

 private:
  Result<void> go_on(const std::vector<std::uint64_t>& message);

  NicHarness& harness_;
  NicDevice device_;
  std::unique_ptr<Continuation> continuation_;
  CoreImage image_;
  std::uint32_t window_bytes_ = 0;
  std::map<std::uint32_t, std::vector<Event>> taken_;  ///< by frame number
};

}  // namespace kiln::sim
