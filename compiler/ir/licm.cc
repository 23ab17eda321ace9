// SPDX-License-Identifier: Apache-2.0
//
// Computations that give the same result on every round of a loop, moved before it. Few per loop: registers are few.
#include <algorithm>

#include <kiln/ir_passes.h>

namespace kiln::ir {
namespace {

constexpr std::size_t kMostHoisted = 4;  // per loop

/// Cheap things are cheaper again than kept.
bool is_worth_it(const Function& f, const Node& n) {
  switch (n.op) {
    case Op::kMul:
    case Op::kDiv:
    case Op::kMod:
    case Op::kSdiv:
    case Op::kSmod:
    case Op::kSwap:
    case Op::kCrc32c:
      return true;
    case Op::kLoad:
      return only(n.region, ValueKind::kContext) && !f.context_changes;
    default:
      return false;
  }
}

}  // namespace

void hoist(Function& f) {
  if (!has_loops(f)) {
    return;
  }
  const Dominance blocks(f);
  for (const BlockId header : blocks.rpo) {
    List<BlockId> work, outside;
    for (const BlockId pred : f.blocks[header].preds) {
      (blocks.goes_back(pred, header) ? work : outside).push_back(pred);
    }
    if (work.empty() || outside.size() != 1 || f.blocks[outside[0]].end.kind != Terminator::kJump) {
      continue;
    }
    List<bool> inside(f.blocks.size());
    inside[header] = true;
    while (!work.empty()) {
      const BlockId block = work.back();
      work.pop_back();
      if (!inside[block]) {
        inside[block] = true;
        work.insert(work.end(), f.blocks[block].preds.begin(), f.blocks[block].preds.end());
      }
    }
    std::size_t hoisted = 0;
    for (const BlockId block : blocks.rpo) {
      if (!inside[block]) {
        continue;
      }
      std::erase_if(f.blocks[block].nodes, [&](Id id) {
        bool fixed = hoisted < kMostHoisted && is_worth_it(f, f.nodes[id]);
        for_operands(f, id, [&](Id& in) { fixed &= f.nodes[in].block == kNone || !inside[f.nodes[in].block]; });
        if (fixed) {
          ++hoisted;
          f.nodes[id].block = outside[0];
          f.blocks[outside[0]].nodes.push_back(id);
        }
        return fixed;
      });
    }
  }
}

}  // namespace kiln::ir
