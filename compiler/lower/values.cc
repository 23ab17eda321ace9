// SPDX-License-Identifier: Apache-2.0
#include "values.h"

#include "branch_ways.h"
#include "effects.h"

namespace kiln::lowering {
namespace {

constexpr std::uint8_t kWidenAfter = 16;  // joins, after which a word that still changes is forgotten

/// What a function may count on when it starts.
State entry_state(const View& view, std::uint32_t function) {
  State state;
  state.regs[kFramePointer] = Value::frame(0);
  if (function == 0 && view.program().type == ProgramType::kXdp) {
    state.regs[1] = Value::constant(address::kContext);
  }
  return state;
}

}  // namespace

Values::Values(const View& view)
    : view_(view), at_(view.slots()), leader_(view.slots(), false), joins_(view.slots(), 0) {
  for (const Function& function : view.functions()) {
    leader_[function.start] = true;
  }
  for (std::uint32_t slot = 0; slot < view.slots(); ++slot) {
    const InsnInfo* row = view.row(slot);
    if (row != nullptr && !view.dead(slot) &&
        (is_conditional(*row) || row->form == Form::kJa || row->form == Form::kJa32)) {
      leader_[view.target(slot)] = true;
    }
  }
  flow_to(0, entry_state(view_, 0));
  while (!work_.empty()) {
    const std::uint32_t slot = *work_.begin();
    work_.erase(work_.begin());
    walk(slot, [](const At&) {}, [this](std::uint32_t to, const State& state) { flow_to(to, state); });
  }
}

void Values::flow_to(std::uint32_t slot, const State& state) {
  if (view_.dead(slot)) {
    return;
  }
  std::unique_ptr<State>& known = at_[slot];
  if (known == nullptr) {
    known = std::make_unique<State>(state);
    work_.insert(slot);
    return;
  }
  State both = join(*known, state);
  if (both == *known) {
    return;
  }
  if (++joins_[slot] >= kWidenAfter) {
    joins_[slot] = kWidenAfter;
    for (std::size_t i = 0; i < both.words.size(); ++i) {
      both.words[i] = both.words[i] == known->words[i] ? both.words[i] : Word{};
    }
  }
  *known = both;
  work_.insert(slot);
}

/// From a leader to the next one.
void Values::walk(std::uint32_t slot, const Visit& visit, const Flow& flow) const {
  State state = *at_[slot];
  for (const std::uint32_t start = slot; !view_.dead(slot);) {
    if (leader_[slot] && slot != start) {
      flow(slot, state);
      return;
    }
    const At at{view_, state, slot};
    visit(at);
    const Form form = view_.row(slot)->form;
    if (form == Form::kExit) {
      return;
    }
    if (form == Form::kJa || form == Form::kJa32) {
      flow(view_.target(slot), state);
      return;
    }
    if (is_conditional(*view_.row(slot))) {
      const Ways ways = ways_of(at);
      if (ways.taken) {
        flow(view_.target(slot), state);
      }
      if (!ways.falls) {
        return;
      }
    }
    if (const auto callee = callee_of(at)) {
      flow(*callee, entry_state(view_, view_.function_of(*callee)));
    }
    state = after(at);
    slot = view_.next(slot);
  }
}

void Values::visit(const Visit& callback) const {
  for (std::uint32_t slot = 0; slot < view_.slots(); ++slot) {
    if (at_[slot] != nullptr) {
      walk(slot, callback, [](std::uint32_t, const State&) {});
    }
  }
}

}  // namespace kiln::lowering
