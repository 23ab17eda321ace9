// SPDX-License-Identifier: Apache-2.0
#include "handover_host.h"

#include <utility>

namespace kiln::sim {

Result<void> HandoverHost::load(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                                const Environment& environment) {
  window_bytes_ = environment.window_bytes;
  MapSet own = maps;
  KILN_TRY(continuation_->load(object, entry, std::move(own), environment, &device_));
  device_.attach(continuation_->maps());
  return {};
}

Result<void> HandoverHost::serve() {
  while (!harness_.host().empty()) {
    KILN_TRY(go_on(harness_.host().pop()));
  }
  return {};
}

Result<void> HandoverHost::go_on(const std::vector<std::uint64_t>& message) {
  auto handover = read_handover(image_, message);
  if (!handover) {
    return handover.error();
  }
  std::vector<Event>& events = taken_[handover->frame];
  auto outcome = continuation_->resume(handover->state);
  HandoverReturn answer;
  answer.core = handover->core;
  answer.thread = handover->thread;
  answer.insns = handover->insns;
  if (outcome) {
    events = std::move(outcome->events);
    answer.verdict = outcome->code;
    answer.insns += static_cast<std::uint32_t>(outcome->insns);
    if (outcome->redirect) {
      answer.redirect = outcome->redirect->key;
      answer.redirect_map = static_cast<std::uint32_t>(outcome->redirect->map + 1);
    }
    const Verdict verdict = outcome->verdict();
    if (verdict == Verdict::kPass || verdict == Verdict::kTx || verdict == Verdict::kRedirect) {
      answer.frame = outcome->frame;
    }
  }
  harness_.host().answer(write_return(answer, window_bytes_));
  return outcome ? Result<void>() : outcome.error();
}

std::optional<std::vector<Event>> HandoverHost::took(std::uint32_t seq) {
  auto taken = taken_.extract(seq);
  return taken ? std::optional(std::move(taken.mapped())) : std::nullopt;
}

}  // namespace kiln::sim
