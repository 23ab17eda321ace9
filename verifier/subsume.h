// SPDX-License-Identifier: Apache-2.0
//
// When one state covers another: whatever the verifier found safe from the old one is safe from the
// new one, so the new path need not be walked.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "state.h"
#include "structure.h"

namespace kiln::verifier {

/// How two states are compared.
enum class Match : u8 {
  kSafe,   ///< the old state covers the new one; scalars that were not precise are not compared
  kWithin,  ///< the same, but of the old state not everything that follows has been seen: all are compared
  kExact,  ///< they are the same, but for stack that the old one did not have: a loop that makes no progress
};

/// Which id of the old state stands for which of the new one. Ids only say what is equal to what, so
/// two states agree in them if a one-to-one renaming makes them the same.
class IdMap {
 public:
  bool same(u32 old_id, u32 new_id);
  /// An unlinked scalar counts as linked to nothing but itself.
  bool same_scalar(u32 old_id, u32 new_id);

 private:
  using Pair = std::pair<u32, u32>;
  const Pair* find(u32 old_id, u32 new_id) const;

  std::array<Pair, 24> few_;  ///< most states have no more: nothing is allocated for them
  u32 count_ = 0;
  std::vector<Pair> more_;
  u32 fresh_ = 1u << 29;  ///< ids that no register has
};

/// Registers that are not live at their frame's slot, and stack of kSafe bytes, are not compared.
bool covers(const State& old_state, const State& new_state, const Structure& structure, Match match);

/// A cheap necessary condition of Match::kExact.
bool may_be_same(const State& old_state, const State& new_state);

/// The slot at which a frame stands: the next instruction, or the call that it waits for.
inline u32 position(const State& state, u32 frame) {
  return frame + 1 < state.frames.size() ? state.frames[frame + 1].callsite : state.insn;
}

}  // namespace kiln::verifier
