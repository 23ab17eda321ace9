// SPDX-License-Identifier: Apache-2.0
//
// Function: making, replacing and removing nodes and edges; orders over blocks.
#include <kiln/ir.h>

#include <algorithm>
#include <bit>

namespace kiln::ir {
namespace {

constexpr std::string_view kTexts[] = {
#define KILN_IR_OP(name, text, operands, pure) text,
#include <kiln/ir_ops.def>
};

}  // namespace

std::string_view op_text(Op op) { return kTexts[static_cast<std::size_t>(op)]; }

Cond negated(Cond cond) {
  switch (cond) {
    case Cond::kEq: return Cond::kNe;
    case Cond::kNe: return Cond::kEq;
    case Cond::kUgt: return Cond::kUle;
    case Cond::kUge: return Cond::kUlt;
    case Cond::kUlt: return Cond::kUge;
    case Cond::kUle: return Cond::kUgt;
    case Cond::kSgt: return Cond::kSle;
    case Cond::kSge: return Cond::kSlt;
    case Cond::kSlt: return Cond::kSge;
    case Cond::kSle: return Cond::kSgt;
    case Cond::kSet: return Cond::kNotSet;
    case Cond::kNotSet: return Cond::kSet;
  }
  return cond;
}

std::string_view cond_text(Cond cond) {
  constexpr std::string_view kText[] = {"==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&", "!&"};
  return kText[static_cast<std::size_t>(cond)];
}

Id Function::make(const Node& node) {
  const auto id = static_cast<Id>(nodes.size());
  nodes.push_back(node);
  forward.push_back(id);
  made_ |= std::uint64_t{1} << static_cast<unsigned>(node.op);
  return id;
}

Id Function::constant(std::uint64_t value) {
  constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;
  const auto place = [&](const List<Id>& table, std::uint64_t of) {
    std::size_t at = static_cast<std::size_t>((of * kMix) >> 32) & (table.size() - 1);
    while (table[at] != kNone && this->value(table[at]) != of) {
      at = (at + 1) & (table.size() - 1);
    }
    return at;
  };
  if (2 * constant_count_ >= constants_.size()) {
    constexpr std::size_t kLeast = 64;
    List<Id> larger(std::max(kLeast, 2 * constants_.size()), kNone);
    for (const Id id : constants_) {
      if (id != kNone) {
        larger[place(larger, this->value(id))] = id;
      }
    }
    constants_ = std::move(larger);
  }
  Id& at = constants_[place(constants_, value)];
  if (at == kNone) {
    ++constant_count_;
    at = make({.op = Op::kConst, .imm = static_cast<std::int64_t>(value), .maybe = value});
  }
  return at;
}

Id Function::add(BlockId block, const Node& node) {
  const Id id = make(node);
  nodes[id].block = block;
  blocks[block].nodes.push_back(id);
  return id;
}

std::uint32_t Function::add_list(std::span<const Id> ids) {
  const auto at = static_cast<std::uint32_t>(operands.size());
  operands.insert(operands.end(), ids.begin(), ids.end());
  return at;
}

void Function::replace(Id old, Id by) {
  by = resolve(by);
  if (by != old) {
    forward[old] = by;
    nodes[old].block = kNone;
    touch_nodes();
  }
}

std::size_t Function::pred_index(BlockId block, BlockId pred) const {
  const auto& preds = blocks[block].preds;
  const auto at = std::find(preds.begin(), preds.end(), pred);
  KILN_CHECK(at != preds.end());
  return static_cast<std::size_t>(at - preds.begin());
}

Id& Function::phi_operand(Id phi, BlockId pred) {
  return operands[nodes[phi].list + pred_index(nodes[phi].block, pred)];
}

void Function::remove_pred(BlockId block, BlockId pred) {
  touch();
  const std::size_t at = pred_index(block, pred);
  for (const Id id : blocks[block].nodes) {
    Node& phi = nodes[id];
    if (phi.op == Op::kPhi && phi.block == block) {
      const auto list = operands.begin() + phi.list;
      std::copy(list + static_cast<std::ptrdiff_t>(at) + 1, list + phi.count, list + static_cast<std::ptrdiff_t>(at));
      --phi.count;
    }
  }
  blocks[block].preds.erase(blocks[block].preds.begin() + static_cast<std::ptrdiff_t>(at));
}

void Function::add_pred(BlockId block, BlockId pred) {
  touch();
  blocks[block].preds.push_back(pred);
  for (const Id id : blocks[block].nodes) {
    if (nodes[id].op == Op::kPhi && nodes[id].block == block) {
      List<Id> longer(list(id).begin(), list(id).end());
      longer.push_back(kNone);
      nodes[id].list = add_list(longer);
      ++nodes[id].count;
    }
  }
}

void Function::replace_pred(BlockId block, BlockId old, BlockId by) {
  touch();
  blocks[block].preds[pred_index(block, old)] = by;
}

/// Drops blocks that are not reached any more.
void Function::sweep_edges() {
  if (edges_swept) {
    return;
  }
  List<std::uint8_t> reached(blocks.size());
  List<BlockId> work = {0};
  reached[0] = 1;
  while (!work.empty()) {
    const BlockId at = work.back();
    work.pop_back();
    for (unsigned i = 0; i < blocks[at].end.targets(); ++i) {
      const BlockId to = blocks[at].end.to[i];
      if (reached[to] == 0) {
        reached[to] = 1;
        work.push_back(to);
      }
    }
  }
  std::erase_if(order, [&](BlockId id) { return reached[id] == 0; });
  for (const BlockId id : order) {
    for (std::size_t i = blocks[id].preds.size(); i-- > 0;) {
      if (reached[blocks[id].preds[i]] == 0) {
        remove_pred(id, blocks[id].preds[i]);
      }
    }
  }
  for (BlockId id = 0; id < blocks.size(); ++id) {
    if (reached[id] == 0) {
      blocks[id].nodes.clear();
      blocks[id].preds.clear();
      blocks[id].end = {};
    }
  }
  edges_swept = true;
}

void Function::sweep() {
  if (swept) {
    return;
  }
  sweep_edges();
  const auto fix = [this](Id& operand) { operand = forward[operand] == operand ? operand : resolve(operand); };
  for (const BlockId id : order) {
    Block& block = blocks[id];
    std::size_t kept = 0;
    for (const Id node : block.nodes) {
      if (nodes[node].block == id && !is_replaced(node)) {
        block.nodes[kept++] = node;
        for_operands(*this, node, fix);
      }
    }
    block.nodes.resize(kept);
    for_operands(block.end, fix);
  }
  swept = true;
}

void Function::sweep_loops() {
  KILN_CHECK(edges_swept && orders_good);
  for (const BlockId id : orders.loops ? std::span<const BlockId>(order) : std::span<const BlockId>()) {
    for (const Id node : blocks[id].nodes) {
      if (nodes[node].op != Op::kPhi) {
        break;
      }
      for (Id& operand : list(node)) {
        operand = resolve(operand);
      }
    }
  }
  swept = true;
}

const List<BlockId>& reverse_postorder(const Function& f) {
  if (f.orders_good) {
    return f.orders.rpo;
  }
  List<BlockId>& order = f.orders.rpo;
  List<std::uint32_t>& rank = f.orders.rank;
  order.clear();
  rank.assign(f.blocks.size(), kNone);
  f.orders.idom.clear();
  f.orders.loops = false;
  List<std::uint8_t> next(f.blocks.size());  // successors looked at, plus one; 0: not reached
  List<BlockId> stack = {0};
  next[0] = 1;
  while (!stack.empty()) {
    const BlockId at = stack.back();
    const Terminator& end = f.blocks[at].end;
    if (next[at] <= end.targets()) {
      const BlockId to = end.to[next[at]++ - 1];
      if (next[to] == 0) {
        next[to] = 1;
        stack.push_back(to);
      } else {
        f.orders.loops |= rank[to] == kNone;  // still on the stack
      }
      continue;
    }
    rank[at] = static_cast<std::uint32_t>(order.size());
    order.push_back(at);
    stack.pop_back();
  }
  std::reverse(order.begin(), order.end());
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
  }
  f.orders_good = true;
  return order;
}

bool has_loops(const Function& f) {
  reverse_postorder(f);
  return f.orders.loops;
}

// K. D. Cooper, T. J. Harvey, K. Kennedy, A Simple, Fast Dominance Algorithm, 2001.
const List<BlockId>& dominators(const Function& f) {
  const List<BlockId>& rpo = reverse_postorder(f);
  const List<std::uint32_t>& rank = f.orders.rank;
  List<BlockId>& idom = f.orders.idom;
  if (!idom.empty()) {
    return idom;
  }
  idom.assign(f.blocks.size(), kNone);
  idom[0] = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (const BlockId block : std::span(rpo).subspan(1)) {
      BlockId best = kNone;
      for (BlockId pred : f.blocks[block].preds) {
        if (rank[pred] == kNone || idom[pred] == kNone) {
          continue;
        }
        if (best == kNone) {
          best = pred;
          continue;
        }
        while (pred != best) {
          while (rank[pred] > rank[best]) {
            pred = idom[pred];
          }
          while (rank[best] > rank[pred]) {
            best = idom[best];
          }
        }
      }
      changed |= idom[block] != best;
      idom[block] = best;
    }
    changed &= f.orders.loops;  // without, every predecessor comes first
  }
  // A block comes before what it dominates.
  List<std::uint32_t>&enter = f.orders.enter, &size = f.orders.size;
  enter.assign(f.blocks.size(), 0);
  size.assign(f.blocks.size(), 1);
  for (std::size_t i = rpo.size(); i-- > 1;) {
    size[idom[rpo[i]]] += size[rpo[i]];
  }
  List<std::uint32_t> next(f.blocks.size(), 1);  // place of the next block that this one is the immediate dominator of
  for (const BlockId block : std::span(rpo).subspan(1)) {
    enter[block] = next[idom[block]];
    next[idom[block]] += size[block];
    next[block] = enter[block] + 1;
  }
  return idom;
}

void find_loops(Function& f) {
  for (const BlockId block : reverse_postorder(f)) {
    f.blocks[block].loop_depth = 0;
  }
  if (!has_loops(f)) {
    return;
  }
  const Dominance blocks(f);
  List<BlockId> in_loop(f.blocks.size(), kNone);  // the last header whose loop was found to hold it
  for (const BlockId header : blocks.rpo) {
    List<BlockId> work;
    for (const BlockId pred : f.blocks[header].preds) {
      if (blocks.goes_back(pred, header)) {
        work.push_back(pred);
      }
    }
    if (work.empty()) {
      continue;
    }
    in_loop[header] = header;
    ++f.blocks[header].loop_depth;
    while (!work.empty()) {
      const BlockId block = work.back();
      work.pop_back();
      if (in_loop[block] == header) {
        continue;
      }
      in_loop[block] = header;
      ++f.blocks[block].loop_depth;
      work.insert(work.end(), f.blocks[block].preds.begin(), f.blocks[block].preds.end());
    }
  }
}

}  // namespace kiln::ir
