// SPDX-License-Identifier: Apache-2.0
//
// Loops of the control flow graph, and which of them are still being explored.
//
// A path may end at a state of a loop from which not everything has been explored yet (iterators,
// may_goto, callbacks). Until everything has, what decided something further on is not known, so states
// of such a loop are only matched if all their scalars agree. The loop is over when the state that first
// entered it is; then precision is carried once more around all the paths that ended this way.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "state.h"
#include "structure.h"

namespace kiln::verifier {

/// Fills SlotInfo::component: 0 outside loops.
void find_components(const Program& program, Structure& structure);

/// A path that ended at `equal` inside a loop.
struct Backedge {
  std::unique_ptr<State> state;
  State* equal = nullptr;
};

/// A loop as entered through certain call sites.
struct LoopVisit {
  std::array<u32, kMaxFrames> callsites{};
  u32 component = 0;
  State* entry = nullptr;  ///< the first checkpoint in it on the current path; null: not entered
  std::vector<Backedge> backedges;
};

class LoopVisits {
 public:
  explicit LoopVisits(const Structure& structure) : structure_(structure) {}
  void clear() { visits_.clear(); }
  /// The loop that a state is in, if it is in one that has been entered.
  LoopVisit* find(const State& state);
  /// `state` is a checkpoint that has just been made.
  void enter(State& state);
  /// Some path from `state` ended inside a loop that is not over.
  bool is_incomplete(const State& state);

 private:
  bool identify(const State& state, LoopVisit& visit) const;

  const Structure& structure_;
  std::vector<std::unique_ptr<LoopVisit>> visits_;
};

}  // namespace kiln::verifier
