// SPDX-License-Identifier: Apache-2.0
//
// Edges between blocks: a place for what moves along each, and ways past blocks in which nothing happens.
#include "placed_function.h"

#include <algorithm>

namespace kiln {

using ir::BlockId;
using ir::kNone;
using IrOp = ir::Op;

/// Moves on an edge need a place: the end of a block that leads nowhere else. Where the other way leads straight on, that
/// place is out of it, behind everything else; but not on the way back of a loop, which would jump twice.
void PlacedFunction::split_critical_edges() {
  ir::List<BlockId> order, aside;
  ir::List<bool> passed(f_.blocks.size());
  for (std::size_t at = 0; at < f_.order.size(); ++at) {
    const BlockId from = f_.order[at];
    order.push_back(from);
    passed[from] = true;
    if (f_.blocks[from].end.targets() < 2) {
      continue;
    }
    for (unsigned i = 0; i < 2; ++i) {
      const BlockId to = f_.blocks[from].end.to[i];
      const auto& nodes = f_.blocks[to].nodes;
      if (f_.blocks[to].preds.size() < 2 || nodes.empty() || f_.nodes[nodes.front()].op != IrOp::kPhi) {
        continue;
      }
      const auto middle = static_cast<BlockId>(f_.blocks.size());
      f_.blocks.emplace_back();
      f_.blocks[middle].end = {.kind = ir::Terminator::kJump, .to = {to, kNone}, .slot = f_.blocks[from].end.slot};
      f_.blocks[middle].preds = {from};
      f_.blocks[middle].loop_depth = std::min(f_.blocks[from].loop_depth, f_.blocks[to].loop_depth);
      f_.replace_pred(to, from, middle);
      f_.blocks[from].end.to[i] = middle;
      const BlockId other = f_.blocks[from].end.to[1 - i];
      const bool other_goes_on = at + 1 < f_.order.size() && other == f_.order[at + 1];
      const bool goes_round = passed[to] && f_.blocks[other].loop_depth < f_.blocks[from].loop_depth;
      (other_goes_on && !goes_round ? aside : order).push_back(middle);
    }
  }
  order.insert(order.end(), aside.begin(), aside.end());
  f_.order = std::move(order);
}

/// Where a jump to each block goes in the end: past blocks that do nothing.
void PlacedFunction::find_detours() {
  leads_to_.resize(f_.blocks.size());
  for (BlockId block = 0; block < leads_to_.size(); ++block) {
    leads_to_[block] = block;
  }
  const auto is_empty = [this](BlockId block) {
    const ir::Block& b = f_.blocks[block];
    return b.end.kind == ir::Terminator::kJump && std::all_of(b.nodes.begin(), b.nodes.end(), [this](Id id) { return f_.nodes[id].op == IrOp::kPhi; }) &&
           edge_moves(block).empty();
  };
  for (const BlockId start : f_.order) {
    BlockId block = start;
    for (unsigned steps = 0; steps < 8 && is_empty(block) && f_.blocks[block].end.to[0] != start; ++steps) {
      block = f_.blocks[block].end.to[0];
    }
    leads_to_[start] = block;
  }
  // A chain that was cut short, or a circle, ends at a block that is emitted.
  for (const BlockId start : f_.order) {
    if (leads_to_[leads_to_[start]] != leads_to_[start]) {
      leads_to_[start] = start;
    }
  }
}

ir::List<PlacedFunction::Move> PlacedFunction::edge_moves(BlockId from) const {
  ir::List<Move> moves;
  const BlockId to = f_.blocks[from].end.to[0];
  const std::size_t index = f_.pred_index(to, from);
  for (const Id id : f_.blocks[to].nodes) {
    if (f_.nodes[id].op != IrOp::kPhi) {
      break;
    }
    const Move made{place(id), place(f_.list(id)[index])};
    if (made.to.kind != Place::kNowhere && !(made.to == made.from)) {
      moves.push_back(made);
    }
  }
  return moves;
}

/// All at once: no move sees what another wrote. Cycles go through the scratch register.
void PlacedFunction::move_all(ir::List<Move> moves) {
  std::erase_if(moves, [](const Move& m) { return m.to == m.from; });
  while (!moves.empty()) {
    const auto ready = std::find_if(moves.begin(), moves.end(), [&](const Move& m) {
      return std::none_of(moves.begin(), moves.end(), [&](const Move& other) { return other.from == m.to; });
    });
    if (ready != moves.end()) {
      move(ready->to, ready->from);
      moves.erase(ready);
      continue;
    }
    const Place broken = moves.front().to;
    move(in_register(registers_.scratch), broken);
    for (Move& m : moves) {
      m.from = m.from == broken ? in_register(registers_.scratch) : m.from;
    }
  }
}

}  // namespace kiln
