// SPDX-License-Identifier: Apache-2.0
#include "nic_harness.h"

#include <utility>

namespace kiln::sim {

NicHarness::NicHarness(std::unique_ptr<NicModel> model, RetireObserver observer)
    : model_(std::move(model)),
      observer_(std::move(observer)),
      source_(model_->configuration().data_width),
      sink_(model_->configuration().data_width) {}

void NicHarness::tick() {
  source_.drive(in_);
  host_.drive(in_);
  const std::uint64_t cycle = model_->cycles();
  out_ = &model_->cycle(in_);
  if (source_.observe(in_, *out_)) {
    last_beat_cycle_ = cycle;
  }
  sink_.observe(in_, *out_, cycle);
  host_.observe(in_, *out_);
  events_.observe(in_, *out_);
  if (out_->verdict_valid) {
    verdicts_.push_back({out_->verdict, cycle});
  }
  if (observer_) {
    for (const RetireRecord& record : model_->retired()) {
      observer_(record);
    }
  }
}

void NicHarness::write(std::uint16_t offset, std::uint32_t value) {
  in_.awvalid = in_.wvalid = in_.bready = true;
  in_.awaddr = offset;
  in_.wdata = value;
  for (bool responded = false; !responded;) {
    tick();
    responded = out_->bvalid;
    in_.awvalid &= !out_->awready;
    in_.wvalid &= !out_->wready;
  }
  KILN_CHECK(!in_.awvalid && !in_.wvalid && out_->bresp == 0);
  in_.bready = false;
}

std::uint32_t NicHarness::read(std::uint16_t offset) {
  in_.arvalid = in_.rready = true;
  in_.araddr = offset;
  for (bool responded = false; !responded;) {
    tick();
    responded = out_->rvalid;
    in_.arvalid &= !out_->arready;
  }
  KILN_CHECK(!in_.arvalid && out_->rresp == 0);
  in_.rready = false;
  return out_->rdata;
}

}  // namespace kiln::sim
