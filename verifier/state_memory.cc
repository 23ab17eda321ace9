// SPDX-License-Identifier: Apache-2.0
#include "state_memory.h"

#include <algorithm>

namespace kiln::verifier {
namespace {

constexpr std::size_t kMaxSpare = 16;

}  // namespace

void StateMemory::add(State& state) {
  state.bytes = sizeof(State) + state.frames.capacity() * sizeof(Frame) +
                state.trace.capacity() * sizeof(TraceEntry) + state.links.capacity() * sizeof(Place);
  for (const Frame& frame : state.frames) {
    state.bytes += frame.stack.capacity() * sizeof(StackSlot);
  }
  live += state.bytes;
  peak = std::max(peak, live);
}

std::unique_ptr<State> SpareStates::take() {
  if (states_.empty()) {
    return nullptr;
  }
  std::unique_ptr<State> state = std::move(states_.back());
  states_.pop_back();
  return state;
}

std::unique_ptr<State> SpareStates::copy(const State& state) {
  std::unique_ptr<State> spare = take();
  if (spare == nullptr) {
    return std::make_unique<State>(state);
  }
  *spare = state;
  return spare;
}

/// As new, but for the memory of its frames.
std::unique_ptr<State> SpareStates::fresh() {
  std::unique_ptr<State> spare = take();
  if (spare == nullptr) {
    return std::make_unique<State>();
  }
  std::vector<Frame> frames = std::move(spare->frames);
  *spare = State{};
  spare->frames = std::move(frames);
  return spare;
}

void SpareStates::give(std::unique_ptr<State> state) {
  if (state != nullptr && states_.size() < kMaxSpare) {
    states_.push_back(std::move(state));
  }
}

}  // namespace kiln::verifier
