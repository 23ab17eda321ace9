// SPDX-License-Identifier: Apache-2.0
//
// The host's end of the NIC's event stream: messages of 64-bit words (rtl/bpf_events.sv), as events of the maps
// they name.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include <kiln/engine.h>

#include "nic_model.h"

namespace kiln::sim {

class EventQueue {
 public:
  /// After a cycle.
  void observe(const NicInputs& inputs, const NicOutputs& outputs) {
    if (!outputs.event_valid || !inputs.event_ready) {
      return;
    }
    current_.push_back(outputs.event_data);
    if (outputs.event_last) {
      messages_.push_back(std::exchange(current_, {}));
    }
  }

  bool empty() const { return messages_.empty(); }
  void clear() { messages_.clear(); }

  /// The oldest message as an event. REQUIRES: !empty(), the maps that the NIC was loaded with.
  Event pop(const MapSet& maps) {
    const std::vector<std::uint64_t> words = std::move(messages_.front());
    messages_.pop_front();
    const std::uint64_t header = words.front();
    const auto map = static_cast<std::uint32_t>(header >> 32 & 0xffff);
    Event event{.kind = maps.spec(map).type == MapType::kRingbuf ? EventKind::kRing : EventKind::kPerf,
                .map = map,
                .index = static_cast<std::uint32_t>(header >> 48),
                .data = std::vector<std::byte>(header & 0xffff'ffff)};
    KILN_CHECK(event.data.size() <= 8 * (words.size() - 1));
    std::memcpy(event.data.data(), words.data() + 1, event.data.size());
    return event;
  }

 private:
  std::vector<std::uint64_t> current_;
  std::deque<std::vector<std::uint64_t>> messages_;
};

}  // namespace kiln::sim
