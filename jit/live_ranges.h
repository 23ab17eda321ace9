// SPDX-License-Identifier: Apache-2.0
//
// Where values live, over a linear order of a function's instructions: what register allocation looks at.
//
// An instruction has kStep positions: operands are read at the first, what it overwrites is overwritten at the next, its result is there
// from the one after. A value's ranges are a list in ascending order. Values that were joined have one list, that of their leader.
#pragma once

#include <utility>
#include <vector>

#include "allocate.h"

namespace kiln {

inline constexpr std::uint32_t kStep = 3, kClobber = 1, kResult = 2;

struct Range {
  std::uint32_t start = 0, end = 0;  ///< positions, end exclusive
  std::uint32_t next = ir::kNone;
};

class LiveRanges {
 public:
  using Id = ir::Id;
  using BlockId = ir::BlockId;

  LiveRanges(ir::Function& f, Id machine, const ir::List<bool>& folded, const RegisterFile& registers);

  /// Positions of the function, one past the last.
  std::uint32_t positions() const { return positions_; }
  /// By position: registers that are overwritten there.
  const ir::List<std::pair<std::uint32_t, RegisterSet>>& clobbers() const { return clobbers_; }

  /// What an instruction asks for.
  const Constraints& constraints(Id id) const { return constraints_[id]; }

  /// The first range of a leader, or kNone.
  std::uint32_t head(Id id) const { return head_[id]; }
  const Range& range(std::uint32_t number) const { return ranges_[number]; }
  /// What having to go to memory would cost: uses, ten times more a level of loops.
  double cost(Id id) const { return cost_[id]; }

  Id leader(Id id) {
    while (leader_[id] != id) {
      id = leader_[id] = leader_[leader_[id]];
    }
    return id;
  }
  /// Whether two leaders' ranges overlap.
  bool intersect(Id a, Id b) const;
  /// Phis and what they are given become one value wherever their ranges allow it, innermost loops first.
  void join_phis();

  bool lives(Id id) const { return !f_.is_constant(id); }

 private:
  template <typename Visit>
  void for_uses(Id id, Visit&& visit);
  template <typename Visit>
  void use(Id id, bool late, Visit&& visit);
  void number();
  void find_live();
  void live_out(Id id, BlockId block);
  void live_in(Id id, BlockId block);
  void go_up(Id id);
  void add_range(Id id, std::uint32_t start, std::uint32_t end);
  void build_ranges();
  void join(Id a, Id b);

  ir::Function& f_;
  Id machine_;
  const ir::List<bool>& folded_;
  const RegisterFile& registers_;
  ir::List<Constraints> constraints_;  ///< by node that is in a block
  ir::List<Id> leader_;
  ir::List<std::uint32_t> head_;
  ir::List<double> cost_;
  ir::List<Range> ranges_;
  ir::List<std::uint32_t> start_, end_;  ///< by block
  std::uint32_t positions_ = 0;
  /// A value that is live at the end of a block: a list for each block.
  struct Live {
    Id id;
    std::uint32_t next;
  };
  ir::List<Live> live_;
  ir::List<std::uint32_t> live_out_;   ///< by block: the first, or kNone
  ir::List<std::uint32_t> row_;        ///< by value that is live between blocks: where its bits begin, a bit a block
  ir::List<std::uint64_t> bits_;
  ir::List<BlockId> way_;              ///< blocks whose predecessors live_in() has still to see
  ir::List<std::pair<std::uint32_t, RegisterSet>> clobbers_;
};

}  // namespace kiln
