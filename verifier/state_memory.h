// SPDX-License-Identifier: Apache-2.0
//
// The memory of states: how much of it is kept, and states that are done lending theirs to those that come.
#pragma once

#include <memory>
#include <vector>

#include "state.h"

namespace kiln::verifier {

/// Bytes of the states that are kept: checkpoints and pending branches.
struct StateMemory {
  std::size_t live = 0, peak = 0;

  void add(State& state);
  void remove(const State& state) { live -= state.bytes; }
};

/// States that are no longer needed. A copy into one of them finds its memory there already.
class SpareStates {
 public:
  std::unique_ptr<State> copy(const State& state);
  std::unique_ptr<State> fresh();
  void give(std::unique_ptr<State> state);

 private:
  std::unique_ptr<State> take();
  std::vector<std::unique_ptr<State>> states_;
};

}  // namespace kiln::verifier
