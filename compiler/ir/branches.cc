// SPDX-License-Identifier: Apache-2.0
//
// Branches that are decided, ways around blocks that decide nothing new, blocks that follow one another.
#include <algorithm>
#include <bit>

#include <kiln/ir_passes.h>

#include "evaluate.h"

namespace kiln::ir {
namespace {

enum class Known { kNo, kTrue, kFalse };

Known known(bool value) { return value ? Known::kTrue : Known::kFalse; }

Known decide(const Function& f, const Terminator& end) {
  if (f.is_constant(end.a) && f.is_constant(end.b)) {
    return known(evaluate(end.cond, end.bits, f.value(end.a), f.value(end.b)));
  }
  if (end.a == end.b && end.cond != Cond::kSet && end.cond != Cond::kNotSet) {
    return known(evaluate(end.cond, 64, 0, 0));
  }
  if (!f.is_constant(end.b)) {
    return Known::kNo;
  }
  const std::uint64_t mask = end.bits == 32 ? 0xffff'ffff : ~std::uint64_t{0};
  const std::uint64_t maybe = f.nodes[end.a].maybe & mask, b = f.value(end.b) & mask;
  switch (end.cond) {
    case Cond::kEq: return (b & ~maybe) != 0 ? Known::kFalse : Known::kNo;
    case Cond::kNe: return (b & ~maybe) != 0 ? Known::kTrue : Known::kNo;
    case Cond::kUgt: return b >= maybe ? Known::kFalse : Known::kNo;
    case Cond::kUle: return b >= maybe ? Known::kTrue : Known::kNo;
    case Cond::kUge: return b == 0 ? Known::kTrue : b > maybe ? Known::kFalse : Known::kNo;
    case Cond::kUlt: return b == 0 ? Known::kFalse : b > maybe ? Known::kTrue : Known::kNo;
    case Cond::kSet: return (maybe & b) == 0 ? Known::kFalse : Known::kNo;
    case Cond::kNotSet: return (maybe & b) == 0 ? Known::kTrue : Known::kNo;
    default: return Known::kNo;
  }
}

/// A phi that counts up by one from a constant, where the way back is taken only until it reaches another, does not exceed that.
void bound_counters(Function& f) {
  for (const BlockId header : f.order) {
    for (const Id phi : f.blocks[header].nodes) {
      if (f.nodes[phi].op != Op::kPhi) {
        break;
      }
      if (f.nodes[phi].count != 2) {
        continue;
      }
      for (unsigned i = 0; i < 2; ++i) {
        const Id next = f.list(phi)[i], start = f.list(phi)[1 - i];
        const Node& step = f.nodes[next];
        const BlockId latch = f.blocks[header].preds[i];
        const Terminator& end = f.blocks[step.block == kNone ? header : step.block].end;
        if (!f.is_constant(start) || step.op != Op::kAdd || step.in[0] != phi || !f.is_constant(step.in[1]) || f.value(step.in[1]) != 1 ||
            end.kind != Terminator::kBranch || end.a != next || !f.is_constant(end.b) || (end.cond != Cond::kNe && end.cond != Cond::kEq)) {
          continue;
        }
        // The way back begins at the test: right away, or by a block that only the test leads to.
        constexpr std::uint64_t kMost = 0x7fff'ffff;  // so that widths make no difference
        const BlockId back = end.to[end.cond == Cond::kNe ? 0 : 1];
        const bool tested = back == header ? latch == step.block : back == latch && f.blocks[latch].preds.size() == 1;
        if (tested && f.value(start) < f.value(end.b) && f.value(end.b) <= kMost) {
          f.nodes[phi].maybe &= ~std::uint64_t{0} >> std::countl_zero(f.value(end.b) - 1);
        }
      }
    }
  }
}

class Branches {
 public:
  explicit Branches(Function& f) : f_(f) {}

  bool run() {
    if (f_.branches_at == f_.changes) {
      return false;
    }
    bool any = false;
    f_.sweep();
    for (unsigned round = 0; round < 4 && once(); ++round) {
      any = true;
    }
    f_.branches_at = f_.changes;
    return any;
  }

 private:
  bool once() {
    bool changed = false;
    used_outside_.clear();
    if (has_loops(f_)) {
      bound_counters(f_);
    }
    for (const BlockId id : f_.order) {
      changed |= fold_end(id);
    }
    if (changed) {
      f_.sweep();
    }
    for (const BlockId id : List<BlockId>(f_.has_made(Op::kPhi) ? f_.order : List<BlockId>())) {
      if (threads_ < kMostThreads && thread(id)) {
        changed = true;
        ++threads_;
      }
    }
    f_.sweep();
    bool shorter = false;
    for (const BlockId id : List<BlockId>(f_.order)) {
      shorter |= skip_empty(id);
    }
    if (shorter) {
      f_.sweep();
    }
    bool joined = false;
    for (const BlockId id : List<BlockId>(f_.order)) {
      while (join(id)) {
        joined = true;
      }
    }
    if (joined) {
      f_.sweep();
    }
    return changed || shorter || joined;
  }

  bool fold_end(BlockId id) {
    Terminator& end = f_.blocks[id].end;
    if (end.kind != Terminator::kBranch) {
      return false;
    }
    if (f_.is_constant(end.a) && !f_.is_constant(end.b)) {
      static constexpr Cond kMirror[] = {Cond::kEq, Cond::kNe, Cond::kUlt, Cond::kUle, Cond::kUgt, Cond::kUge,
                                         Cond::kSlt, Cond::kSle, Cond::kSgt, Cond::kSge, Cond::kSet, Cond::kNotSet};
      std::swap(end.a, end.b);
      end.cond = kMirror[static_cast<std::size_t>(end.cond)];
    }
    const Known truth = decide(f_, end);
    if (truth == Known::kNo) {
      return false;
    }
    const BlockId stays = end.to[truth == Known::kTrue ? 0 : 1], goes = end.to[truth == Known::kTrue ? 1 : 0];
    f_.remove_pred(goes, id);
    end = {.kind = Terminator::kJump, .to = {stays, kNone}, .slot = end.slot};
    return true;
  }

  bool only_phis(BlockId id) const {
    return std::all_of(f_.blocks[id].nodes.begin(), f_.blocks[id].nodes.end(),
                       [this](Id node) { return f_.nodes[node].op == Op::kPhi; });
  }
  bool has_pred(BlockId block, BlockId pred) const {
    const auto& preds = f_.blocks[block].preds;
    return std::find(preds.begin(), preds.end(), pred) != preds.end();
  }

  /// A block of phis that branches on one of them: predecessors that bring a constant go where that leads. Operands need not be resolved.
  bool thread(BlockId id) {
    Terminator end = f_.blocks[id].end;
    for_operands(end, [this](Id& operand) { operand = f_.resolve(operand); });
    if (end.kind != Terminator::kBranch || f_.nodes[end.a].op != Op::kPhi || f_.nodes[end.a].block != id ||
        !f_.is_constant(end.b) || !only_phis(id) || has_pred(id, id)) {
      return false;
    }
    List<std::pair<BlockId, BlockId>> detours;  // from predecessor to target
    for (const BlockId pred : f_.blocks[id].preds) {
      const Id operand = f_.resolve(f_.phi_operand(end.a, pred));
      if (f_.is_constant(operand)) {
        detours.emplace_back(pred, end.to[evaluate(end.cond, end.bits, f_.value(operand), f_.value(end.b)) ? 0 : 1]);
      }
    }
    if (detours.empty()) {
      return false;
    }
    if (used_outside_.empty()) {
      find_uses_outside();
    }
    List<Id> phis = f_.blocks[id].nodes;
    std::erase_if(phis, [this](Id phi) { return f_.is_replaced(phi); });
    List<List<Id>> values;  // by detour and phi
    List<BlockId> ways;
    for (const auto& [pred, target] : detours) {
      auto& row = values.emplace_back();
      for (const Id phi : phis) {
        row.push_back(f_.resolve(f_.phi_operand(phi, pred)));
      }
      ways.push_back(add_way(id, pred, target, phis, row));
    }
    repair(id, phis, ways, values);
    return true;
  }

  /// A block on the new way from `pred` around `id` to `target`.
  BlockId add_way(BlockId id, BlockId pred, BlockId target, const List<Id>& phis, const List<Id>& values) {
    const auto way = static_cast<BlockId>(f_.blocks.size());
    f_.blocks.emplace_back();
    f_.blocks[way].end = {.kind = Terminator::kJump, .to = {target, kNone}, .slot = f_.blocks[id].end.slot};
    f_.blocks[way].preds = {pred};
    f_.order.insert(std::find(f_.order.begin(), f_.order.end(), id), way);
    for (BlockId& to : f_.blocks[pred].end.to) {
      to = to == id ? way : to;
    }
    f_.remove_pred(id, pred);
    f_.add_pred(target, way);
    for (const Id node : f_.blocks[target].nodes) {
      if (f_.nodes[node].op != Op::kPhi || f_.is_replaced(node)) {
        continue;
      }
      const Id old = f_.resolve(f_.phi_operand(node, id));
      const auto at = std::find(phis.begin(), phis.end(), old);
      f_.phi_operand(node, way) = at == phis.end() ? old : values[static_cast<std::size_t>(at - phis.begin())];
    }
    return way;
  }

  /// Whether somebody may use the phi who is not in its block and not given it along an edge from there.
  bool is_used_outside(Id phi) const { return phi >= used_outside_.size() || used_outside_[phi] != 0; }
  void use_outside(Id id) {
    if (id < used_outside_.size()) {
      used_outside_[id] = 1;
    }
  }
  void find_uses_outside() {
    used_outside_.assign(f_.nodes.size(), 0);
    const auto use = [this](Id id, BlockId block) {
      if (f_.nodes[id].block != block) {
        used_outside_[id] = 1;
      }
    };
    for (const BlockId block : f_.order) {
      for (const Id node : f_.blocks[block].nodes) {
        if (f_.nodes[node].op == Op::kPhi) {
          for (std::uint32_t i = 0; i < f_.nodes[node].count; ++i) {
            use(f_.list(node)[i], f_.blocks[block].preds[i]);
          }
        } else {
          for_operands(f_, node, [&](Id operand) { use(operand, block); });
        }
      }
      for_operands(f_.blocks[block].end, [&](Id operand) { use(operand, block); });
    }
  }

  /// Uses of the phis that the block no longer dominates.
  void repair(BlockId id, const List<Id>& phis, const List<BlockId>& ways, const List<List<Id>>& values) {
    for (const List<Id>& row : values) {
      std::for_each(row.begin(), row.end(), [this](Id value) { use_outside(value); });  // along the new ways
    }
    if (std::none_of(phis.begin(), phis.end(), [this](Id phi) { return is_used_outside(phi); })) {
      return;
    }
    VariableBuilder variables(f_, static_cast<std::uint32_t>(phis.size()));
    for (std::uint32_t v = 0; v < phis.size(); ++v) {
      variables.write(id, v, phis[v]);
      for (std::size_t w = 0; w < ways.size(); ++w) {
        variables.write(ways[w], v, values[w][v]);
      }
    }
    const auto variable_of = [&](Id node) {
      return static_cast<std::uint32_t>(std::find(phis.begin(), phis.end(), f_.resolve(node)) - phis.begin());
    };
    for (const BlockId block : f_.order) {
      std::size_t size = f_.blocks[block].nodes.size();
      for (std::size_t at = 0; at < size; ++at) {
        at += f_.blocks[block].nodes.size() - size;  // phis that were made meanwhile are in front
        size = f_.blocks[block].nodes.size();
        const Id node = f_.blocks[block].nodes[at];
        if (f_.is_replaced(node)) {
          continue;
        }
        if (f_.nodes[node].op == Op::kPhi) {
          for (std::uint32_t i = 0; i < f_.nodes[node].count; ++i) {
            const std::uint32_t v = variable_of(f_.operands[f_.nodes[node].list + i]);
            const BlockId pred = f_.blocks[block].preds[i];
            if (v < phis.size() && pred != id) {  // of the phi itself as well, if it comes round a loop
              const Id now = variables.read_end(pred, v);
              f_.operands[f_.nodes[node].list + i] = now;
            }
          }
        } else if (block != id) {
          change_operands(f_, node, [&](Id operand) { return fixed(operand, block, variable_of(operand), phis, variables); });
        }
      }
      if (block != id) {
        Terminator end = f_.blocks[block].end;
        for_operands(end, [&](Id& operand) { operand = fixed(operand, block, variable_of(operand), phis, variables); });
        f_.blocks[block].end = end;
      }
    }
  }
  static Id fixed(Id operand, BlockId block, std::uint32_t v, const List<Id>& phis, VariableBuilder& variables) {
    return v < phis.size() ? variables.read_start(block, v) : operand;
  }

  /// Predecessors of a block with nothing in it go to where it leads.
  bool skip_empty(BlockId id) {
    Block& block = f_.blocks[id];
    if (id == 0 || !block.nodes.empty() || block.end.kind != Terminator::kJump || block.end.to[0] == id) {
      return false;
    }
    const BlockId target = block.end.to[0];
    bool changed = false;
    for (const BlockId pred : List<BlockId>(block.preds)) {
      if (has_pred(target, pred)) {
        continue;
      }
      for (BlockId& to : f_.blocks[pred].end.to) {
        to = to == id ? target : to;
      }
      f_.remove_pred(id, pred);
      f_.add_pred(target, pred);
      for (const Id node : f_.blocks[target].nodes) {
        if (f_.nodes[node].op == Op::kPhi) {
          const Id value = f_.phi_operand(node, id);
          f_.phi_operand(node, pred) = value;
        }
      }
      changed = true;
    }
    if (f_.blocks[id].preds.empty()) {
      f_.remove_pred(target, id);
      f_.blocks[id].end = {};
      std::erase(f_.order, id);
      f_.touch();
    }
    return changed;
  }

  /// A block and the only one that follows it, if nothing else leads there.
  bool join(BlockId id) {
    if (f_.blocks[id].end.kind != Terminator::kJump) {
      return false;
    }
    const BlockId next = f_.blocks[id].end.to[0];
    if (next == id || next == 0 || f_.blocks[next].preds.size() != 1) {
      return false;
    }
    for (const Id node : f_.blocks[next].nodes) {
      if (f_.nodes[node].op == Op::kPhi) {
        f_.replace(node, f_.list(node)[0]);
      } else {
        f_.nodes[node].block = id;
        f_.blocks[id].nodes.push_back(node);
      }
    }
    f_.blocks[id].end = f_.blocks[next].end;
    for (unsigned i = 0; i < f_.blocks[id].end.targets(); ++i) {
      f_.replace_pred(f_.blocks[id].end.to[i], next, id);
    }
    f_.blocks[next] = {};
    std::erase(f_.order, next);
    f_.touch();
    return true;
  }

  static constexpr unsigned kMostThreads = 64;  // each looks at the whole function
  Function& f_;
  unsigned threads_ = 0;
  List<std::uint8_t> used_outside_;  ///< by node that was there when the round threaded its first jump; what was made since may be. Empty: none yet
};

}  // namespace

bool branches(Function& f) { return Branches(f).run(); }

}  // namespace kiln::ir
