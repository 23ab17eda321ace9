// SPDX-License-Identifier: Apache-2.0
//
// A function in the intermediate form whose values have places: what emitters for all processors share. Moves between blocks,
// and which blocks are jumped past because nothing happens in them.
#pragma once

#include <cstdint>
#include <vector>

#include <kiln/ir.h>

#include "allocate.h"

namespace kiln {

class PlacedFunction {
 protected:
  using Id = ir::Id;

  /// Where a value is.
  struct Place {
    enum Kind : std::uint8_t { kNowhere, kRegister, kSlot, kConstant } kind = kNowhere;
    std::uint64_t value = 0;  ///< register, slot or constant
    bool operator==(const Place&) const = default;
  };
  struct Move {
    Place to, from;
  };

  /// \param scratch  a register that is never allocated.
  PlacedFunction(ir::Function& f, unsigned scratch) : f_(f), scratch_(scratch) {}
  virtual ~PlacedFunction() = default;

  void split_critical_edges();
  /// REQUIRES: places_ is set.
  void find_detours();
  std::vector<Move> edge_moves(ir::BlockId from);
  void move_all(std::vector<Move> moves);
  Place place(Id id) const;
  /// One move. Between two slots it may need a scratch register of its own.
  virtual void move(const Place& to, const Place& from) = 0;

  ir::Function& f_;
  Id machine_ = ir::kNone;      ///< the node that stands for the MachineState
  std::vector<bool> folded_;    ///< by node: no instruction of its own
  Allocation places_;
  std::vector<ir::BlockId> leads_to_;  ///< by block: itself, or the block that is reached through it

 private:
  unsigned scratch_;
};

}  // namespace kiln
