// SPDX-License-Identifier: Apache-2.0
//
// The host's end of the NIC's two host streams: whole messages of 64-bit words (handover.h).
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "nic_model.h"

namespace kiln::sim {

class HostQueue {
 public:
  using Message = std::vector<std::uint64_t>;

  /// Before a cycle: sets the host's signals.
  void drive(NicInputs& inputs) const {
    inputs.host_ready = true;
    inputs.host_valid = !answers_.empty();
    if (!answers_.empty()) {
      inputs.host_data = answers_.front()[sent_];
      inputs.host_last = sent_ + 1 == answers_.front().size();
    }
  }

  /// After it.
  void observe(const NicInputs& inputs, const NicOutputs& outputs) {
    if (inputs.host_valid && outputs.host_ready && ++sent_ == answers_.front().size()) {
      answers_.pop_front();
      sent_ = 0;
    }
    if (outputs.host_valid && inputs.host_ready) {
      current_.push_back(outputs.host_data);
      if (outputs.host_last) {
        messages_.push_back(std::exchange(current_, {}));
      }
    }
  }

  bool empty() const { return messages_.empty(); }
  Message pop() {
    Message message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }
  void answer(Message words) { answers_.push_back(std::move(words)); }

 private:
  Message current_;
  std::deque<Message> messages_;
  std::deque<Message> answers_;
  std::size_t sent_ = 0;  ///< words of the front answer that were taken
};

}  // namespace kiln::sim
