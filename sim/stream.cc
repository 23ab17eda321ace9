// SPDX-License-Identifier: Apache-2.0
#include "stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <kiln/result.h>

namespace kiln::sim {

void FrameSource::push(std::span<const std::byte> frame, std::uint32_t user) {
  KILN_CHECK(!frame.empty());
  queue_.push_back({{frame.begin(), frame.end()}, user});
}

void FrameSource::drive(NicInputs& inputs) const {
  inputs.rx_valid = !queue_.empty();
  if (queue_.empty()) {
    return;
  }
  const Queued& frame = queue_.front();
  const std::size_t bytes = std::min(beat_bytes_, frame.bytes.size() - sent_);
  inputs.rx.data.fill(0);
  std::memcpy(inputs.rx.data.data(), frame.bytes.data() + sent_, bytes);
  inputs.rx.keep = bytes == 64 ? ~0ull : (1ull << bytes) - 1;
  inputs.rx.last = sent_ + bytes == frame.bytes.size();
  inputs.rx.user = frame.user;
}

bool FrameSource::observe(const NicInputs& inputs, const NicOutputs& outputs) {
  if (!inputs.rx_valid || !outputs.rx_ready) {
    return false;
  }
  sent_ += beat_bytes_;
  if (sent_ < queue_.front().bytes.size()) {
    return false;
  }
  sent_ = 0;
  queue_.pop_front();
  return true;
}

void FrameSink::observe(const NicInputs& inputs, const NicOutputs& outputs, std::uint64_t cycle) {
  if (!outputs.tx_valid || !inputs.tx_ready) {
    return;
  }
  if (!inside_) {
    current_ = SentFrame{.bytes = {}, .user = outputs.tx.user, .first_cycle = cycle};
    inside_ = true;
  }
  for (std::size_t i = 0; i < beat_bytes_; ++i) {
    if ((outputs.tx.keep >> i & 1) != 0) {
      current_.bytes.push_back(std::byte{outputs.tx.data[i]});
    }
  }
  if (outputs.tx.last) {
    done_.push_back(std::exchange(current_, {}));
    inside_ = false;
  }
}

SentFrame FrameSink::pop() {
  KILN_CHECK(!done_.empty());
  SentFrame frame = std::move(done_.front());
  done_.pop_front();
  return frame;
}

}  // namespace kiln::sim
