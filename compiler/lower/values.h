// SPDX-License-Identifier: Apache-2.0
//
// Constants, frame addresses and stack contents, carried forward through a program along the ways that
// can be taken. Conditional: a branch whose outcome is known carries nothing the other way, so code
// that only such a branch leads to is found to be dead.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "state.h"

namespace kiln::lowering {

class Values {
 public:
  using Visit = std::function<void(const At&)>;

  explicit Values(const View& view);

  /// Control flow joins here, or a function starts.
  bool leader(std::uint32_t slot) const { return leader_[slot]; }
  /// Calls back for every slot that can be reached, with the state before it.
  void visit(const Visit& callback) const;

 private:
  using Flow = std::function<void(std::uint32_t to, const State& state)>;

  void walk(std::uint32_t slot, const Visit& visit, const Flow& flow) const;
  void flow_to(std::uint32_t slot, const State& state);

  const View& view_;
  std::vector<std::unique_ptr<State>> at_;  ///< at leaders that were reached
  std::vector<bool> leader_;
  std::vector<std::uint8_t> joins_;
  std::set<std::uint32_t> work_;
};

}  // namespace kiln::lowering
