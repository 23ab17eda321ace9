// SPDX-License-Identifier: Apache-2.0
//
// Phis that choose between one value and each other, around loops: all of them are that value. simplify() sees a phi by itself and
// can't tell. Optimistic: every phi is taken for nothing yet, until operands say otherwise.
#include <kiln/ir_passes.h>

namespace kiln::ir {

void unify_phis(Function& f) {
  if (!has_loops(f)) {
    return;
  }
  List<Id> phis;
  for (const BlockId block : reverse_postorder(f)) {
    for (const Id id : f.blocks[block].nodes) {
      if (f.nodes[id].op != Op::kPhi) {
        break;
      }
      phis.push_back(id);
    }
  }
  List<Id> stands_for(f.nodes.size(), kNone);  // by phi: what it is, as far as is known; itself if it is a choice
  const auto value_of = [&](Id id) {
    id = f.resolve(id);
    return f.nodes[id].op == Op::kPhi ? stands_for[id] : id;
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (const Id phi : phis) {
      Id value = kNone;
      for (const Id operand : f.list(phi)) {
        const Id now = value_of(operand);
        if (now != kNone && now != value) {
          value = value == kNone ? now : phi;
        }
      }
      if (stands_for[phi] != phi && value != stands_for[phi]) {
        stands_for[phi] = value;
        changed = true;
      }
    }
  }
  for (const Id phi : phis) {
    if (stands_for[phi] != kNone && stands_for[phi] != phi) {
      f.replace(phi, stands_for[phi]);
    }
  }
  f.sweep();
}

}  // namespace kiln::ir
