// SPDX-License-Identifier: Apache-2.0
//
// Function: making, replacing and removing nodes and edges; orders over blocks.
#include <kiln/ir.h>

#include <algorithm>

namespace kiln::ir {
namespace {

struct OpInfo {
  std::string_view text;
  bool pure;
};
constexpr OpInfo kOps[] = {
#define KILN_IR_OP(name, text, operands, pure) {text, pure},
#include <kiln/ir_ops.def>
};

}  // namespace

std::string_view op_text(Op op) { return kOps[static_cast<std::size_t>(op)].text; }
bool is_pure(Op op) { return kOps[static_cast<std::size_t>(op)].pure; }

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
  return id;
}

Id Function::constant(std::uint64_t value) {
  const auto [at, is_new] = constants.try_emplace(value, static_cast<Id>(nodes.size()));
  if (is_new) {
    make({.op = Op::kConst, .imm = static_cast<std::int64_t>(value), .maybe = value});
  }
  return at->second;
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
    swept = false;
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

void Function::sweep() {
  if (swept) {
    return;
  }
  List<bool> reached(blocks.size());
  List<BlockId> work = {0};
  reached[0] = true;
  while (!work.empty()) {
    const BlockId at = work.back();
    work.pop_back();
    for (unsigned i = 0; i < blocks[at].end.targets(); ++i) {
      const BlockId to = blocks[at].end.to[i];
      if (!reached[to]) {
        reached[to] = true;
        work.push_back(to);
      }
    }
  }
  std::erase_if(order, [&](BlockId id) { return !reached[id]; });
  for (const BlockId id : order) {
    for (std::size_t i = blocks[id].preds.size(); i-- > 0;) {
      if (!reached[blocks[id].preds[i]]) {
        remove_pred(id, blocks[id].preds[i]);
      }
    }
  }
  for (BlockId id = 0; id < blocks.size(); ++id) {
    Block& block = blocks[id];
    if (!reached[id]) {
      block.nodes.clear();
      block.preds.clear();
      block.end = {};
      continue;
    }
    const auto fix = [this](Id& operand) { operand = forward[operand] == operand ? operand : resolve(operand); };
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

List<BlockId> reverse_postorder(const Function& f) {
  if (f.rpo_good) {
    return f.rpo;
  }
  List<BlockId> order;
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
      }
      continue;
    }
    order.push_back(at);
    stack.pop_back();
  }
  std::reverse(order.begin(), order.end());
  f.rpo = order;
  f.rpo_good = true;
  return order;
}

// K. D. Cooper, T. J. Harvey, K. Kennedy, A Simple, Fast Dominance Algorithm, 2001.
List<BlockId> dominators(const Function& f, std::span<const BlockId> rpo) {
  List<std::uint32_t> rank(f.blocks.size(), kNone);
  for (std::uint32_t i = 0; i < rpo.size(); ++i) {
    rank[rpo[i]] = i;
  }
  List<BlockId> idom(f.blocks.size(), kNone);
  idom[0] = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (const BlockId block : rpo.subspan(1)) {
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
      if (idom[block] != best) {
        idom[block] = best;
        changed = true;
      }
    }
  }
  return idom;
}

Dominance::Dominance(const Function& f) : rpo(reverse_postorder(f)), idom(dominators(f, rpo)), rank(f.blocks.size()) {
  for (std::uint32_t i = 0; i < rpo.size(); ++i) {
    rank[rpo[i]] = i;
  }
}

bool Dominance::dominates(BlockId above, BlockId block) const {
  while (block != above && block != 0) {
    block = idom[block];
  }
  return block == above;
}

void find_loops(Function& f) {
  const Dominance blocks(f);
  for (const BlockId block : blocks.rpo) {
    f.blocks[block].loop_depth = 0;
  }
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
