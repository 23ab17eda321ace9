// SPDX-License-Identifier: Apache-2.0
//
// Passes that look at one node or branch at a time: fold, narrow, common computations, dead code, and their order.
#include <algorithm>
#include <bit>

#include <kiln/ir_passes.h>

#include "evaluate.h"

namespace kiln::ir {
namespace {

constexpr std::uint64_t kLow32 = 0xffff'ffff;

void fold_branch(Function& f, Terminator& end) {
  if (end.kind != Terminator::kBranch || end.bits != 32) {
    return;
  }
  for (Id* side : {&end.a, &end.b}) {  // the low half is compared: extensions of it are nothing
    while ((f.nodes[*side].op == Op::kZext || f.nodes[*side].op == Op::kSext) && f.nodes[*side].size >= 4) {
      *side = f.nodes[*side].in[0];
      ++f.changes;
    }
  }
}

/// Whether an operand's upper half can matter to this node. Pass-through: only if the node's own does.
enum class Demand { kLow, kAll, kAsResult };
Demand demand(const Function& f, const Node& n, Id operand) {
  switch (n.op) {
    case Op::kAdd:
    case Op::kSub:
    case Op::kMul:
    case Op::kAnd:
    case Op::kOr:
    case Op::kXor:
      return n.bits == 32 ? Demand::kLow : Demand::kAsResult;
    case Op::kShl:
      if (n.bits == 32 || operand != n.in[0]) {
        return Demand::kLow;
      }
      return !f.is_constant(n.in[1]) ? Demand::kAll : (f.value(n.in[1]) & 63) >= 32 ? Demand::kLow : Demand::kAsResult;
    case Op::kShr:
    case Op::kSar:
    case Op::kRotl:
    case Op::kDiv:
    case Op::kMod:
    case Op::kSdiv:
    case Op::kSmod:
    case Op::kNeg:
      return n.bits == 32 ? Demand::kLow : Demand::kAll;
    case Op::kZext:
    case Op::kSext:
    case Op::kSwap:
      return n.size <= 4 ? Demand::kLow : Demand::kAll;
    case Op::kPhi:
      return Demand::kAsResult;
    case Op::kStore:
      return operand == n.in[2] && operand != n.in[0] && operand != n.in[1] && n.size <= 4 ? Demand::kLow : Demand::kAll;
    default:
      return Demand::kAll;
  }
}

bool narrowable(const Function& f, const Node& n) {
  switch (n.op) {
    case Op::kAdd:
    case Op::kSub:
    case Op::kMul:
    case Op::kAnd:
    case Op::kOr:
    case Op::kXor:
      return n.bits == 64;
    case Op::kShl:
      return n.bits == 64 && f.is_constant(n.in[1]) && (f.value(n.in[1]) & 63) < 32;
    default:
      return false;
  }
}

/// Pure nodes by what they compute: open addressing, half full at most.
class Computations {
 public:
  explicit Computations(const Function& f) : f_(f), slots_(std::bit_ceil(2 * f.nodes.size() + 2), kNone), mask_(slots_.size() - 1) {}

  /// Where the node's like is, or is to be put.
  Id& find(Id id) { return find(f_.nodes[id]); }
  Id& find(const Node& n) {
    std::uint64_t h = static_cast<std::uint64_t>(n.op) | std::uint64_t{n.bits} << 8 | std::uint64_t{n.size} << 16 | std::uint64_t{n.in[2]} << 32;
    h = (h ^ (n.in[0] | std::uint64_t{n.in[1]} << 32)) * kMix;
    h = (h ^ h >> 32 ^ static_cast<std::uint64_t>(n.imm)) * kMix;
    std::size_t at = (h ^ h >> 32) & mask_;
    while (slots_[at] != kNone && !alike(f_.nodes[slots_[at]], n)) {
      at = (at + 1) & mask_;
    }
    return slots_[at];
  }

 private:
  static constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;
  static bool alike(const Node& a, const Node& b) {
    return a.op == b.op && a.bits == b.bits && a.size == b.size && a.scale == b.scale && a.is_signed == b.is_signed && a.in == b.in && a.imm == b.imm;
  }
  const Function& f_;
  List<Id> slots_;
  std::size_t mask_;
};

}  // namespace

/// A node that is as simplify() left it, as are its operands, and theirs, has nothing new to say.
void fold(Function& f, PassSet passes) {
  constexpr std::uint8_t kFar = 3;  // operands of operands are as far as rules look
  f.settled.resize(f.nodes.size());
  List<std::uint8_t> distance(f.nodes.size(), kFar);  // to the next change, by node
  reverse_postorder(f);
  rewrite_nodes(
      f,
      [&](Id id) {
        std::uint8_t nearest = kFar;
        for_operands(f, id, [&](Id operand) { nearest = operand < distance.size() ? std::min(nearest, distance[operand]) : nearest; });
        const bool goes_round = f.nodes[id].op == Op::kPhi && f.orders.loops;  // operands are still to come
        const std::uint64_t before = f.settled[id];
        if (before == signature(f, id) && nearest == kFar && !goes_round) {
          return;
        }
        if (simplify(f, id, passes) == id) {
          f.settled[id] = signature(f, id);
          distance[id] = f.settled[id] != before ? 0 : static_cast<std::uint8_t>(std::min<unsigned>(nearest + 1u, kFar));
          f.changes += distance[id] == 0 ? 1 : 0;
        }
      },
      [&](Terminator& end) {
        if (passes.has(Pass::kFold)) {
          fold_branch(f, end);
        }
      });
}

bool narrow(Function& f) {
  List<bool> wide(f.nodes.size());
  List<Id> work;
  const auto mark = [&](Id id) {
    if (!wide[id]) {
      wide[id] = true;
      work.push_back(id);
    }
  };
  for (const BlockId block : f.order) {
    for (const Id id : f.blocks[block].nodes) {
      for_operands(f, id, [&](Id& operand) {
        if (demand(f, f.nodes[id], operand) == Demand::kAll) {
          mark(operand);
        }
      });
    }
    Terminator& end = f.blocks[block].end;
    for_operands(end, [&](Id& operand) {
      if (end.kind == Terminator::kReturn || end.bits == 64) {
        mark(operand);
      }
    });
  }
  while (!work.empty()) {
    const Id id = work.back();
    work.pop_back();
    for_operands(f, id, [&](Id& operand) {
      if (demand(f, f.nodes[id], operand) == Demand::kAsResult) {
        mark(operand);
      }
    });
  }
  bool changed = false;
  for (const BlockId block : f.order) {
    for (const Id id : f.blocks[block].nodes) {
      Node& n = f.nodes[id];
      if (!wide[id] && narrowable(f, n)) {
        n.bits = 32;
        changed = true;
        ++f.changes;
        n.maybe &= kLow32;
        for (Id& in : n.in) {
          if (in != kNone && f.is_constant(in)) {
            in = f.constant(f.value(in) & kLow32);
          }
        }
      }
    }
  }
  return changed;
}

/// a + (b + constant) where a + b is at hand anyway: that plus the constant, which then may become part of an address.
template <typename Dominates>
static void use_sum(Function& f, Id id, Computations& seen, Dominates&& dominates) {
  for (unsigned i = 0; i < 2; ++i) {
    const Node& inner = f.nodes[f.nodes[id].in[i]];
    if (inner.op != Op::kAdd || inner.bits != 64 || !f.is_constant(inner.in[1])) {
      continue;
    }
    const Id other = f.nodes[id].in[1 - i];
    for (const auto& [a, b] : {std::pair(other, inner.in[0]), std::pair(inner.in[0], other)}) {
      const Id sum = seen.find({.op = Op::kAdd, .in = {a, b, kNone}});
      if (sum != kNone && sum != id && dominates(f.nodes[sum].block, f.nodes[id].block)) {
        f.nodes[id].in = {sum, inner.in[1], kNone};
        ++f.changes;
        return;
      }
    }
  }
}

void eliminate_common(Function& f) {
  if (f.common_at == f.changes) {
    return;
  }
  if (!f.edges_swept) {
    f.sweep();
  }
  const Dominance blocks(f);
  const auto dominates = [&](BlockId above, BlockId below) { return blocks.dominates(above, below); };
  Computations seen(f);
  rewrite_nodes(
      f,
      [&](Id id) {
        if (f.nodes[id].op == Op::kAdd && f.nodes[id].bits == 64) {
          use_sum(f, id, seen, dominates);
        }
        const Node& n = f.nodes[id];
        const bool fixed_load = n.op == Op::kLoad && only(n.region, ValueKind::kContext) && !f.context_changes;
        if (!is_pure(n.op) && !fixed_load) {
          return;
        }
        Id& like = seen.find(id);
        if (like != kNone && dominates(f.nodes[like].block, n.block)) {
          f.replace(id, like);
        } else {
          like = id;
        }
      },
      [](Terminator&) {});
  f.common_at = f.changes;
}

void remove_dead(Function& f) {
  if (f.dead_at == f.changes) {
    return;
  }
  f.sweep();
  List<std::uint8_t> live(f.nodes.size());
  List<Id> work;
  work.reserve(f.nodes.size());
  const auto use = [&](Id id) {
    if (live[id] == 0) {
      live[id] = 1;
      work.push_back(id);
    }
  };
  for (const BlockId block : f.order) {
    for (const Id id : f.blocks[block].nodes) {
      const Op op = f.nodes[id].op;
      if (!is_pure(op) && op != Op::kPhi && op != Op::kLoad) {
        use(id);
      }
    }
    for_operands(f.blocks[block].end, use);
  }
  while (!work.empty()) {
    const Id id = work.back();
    work.pop_back();
    for_operands(f, id, use);
  }
  for (const BlockId block : f.order) {
    std::size_t kept = 0;
    for (const Id id : f.blocks[block].nodes) {
      if (live[id] != 0) {
        f.blocks[block].nodes[kept++] = id;
      } else {
        f.nodes[id].block = kNone;
      }
    }
    f.blocks[block].nodes.resize(kept);
  }
  f.dead_at = f.changes;
}

bool has_short_loop(const Function& f) {
  return has_loops(f) && std::any_of(f.order.begin(), f.order.end(), [&f](BlockId block) {
    const Terminator& end = f.blocks[block].end;
    return end.kind == Terminator::kBranch && (end.to[0] == block || end.to[1] == block);
  });
}

/// The builder has simplified each node already, but what it built on the phis of a loop before the loop was complete. What is dead is removed before passes that count uses or nodes.
void optimise(Function& f, PassSet passes) {
  const auto run = [&](Pass pass, auto&& what) {
    if (passes.has(pass)) {
      what();
    }
  };
  if (has_loops(f)) {
    unify_phis(f);
    fold(f, passes);
  }
  run(Pass::kStack, [&] { promote_stack(f); });
  run(Pass::kBranches, [&] {
    if (branches(f)) {
      unify_phis(f);
    }
  });
  run(Pass::kCse, [&] { eliminate_common(f); });
  run(Pass::kLoads, [&] { forward_memory(f); });
  fold(f, passes);
  run(Pass::kNarrow, [&] {
    remove_dead(f);
    if (narrow(f)) {
      fold(f, passes);
    }
  });
  run(Pass::kUnroll, [&] {
    if (!has_short_loop(f)) {
      return;
    }
    remove_dead(f);
    if (unroll(f)) {
      fold(f, passes);
      run(Pass::kLoads, [&] { forward_memory(f); });
    }
  });
  run(Pass::kMerge, [&] {
    remove_dead(f);
    if (merge_memory(f)) {
      fold(f, passes);
    }
  });
  run(Pass::kBranches, [&] { branches(f); });
  run(Pass::kStrength, [&] {
    if (reduce_strength(f)) {
      fold(f, passes);
    }
  });
  run(Pass::kCse, [&] { eliminate_common(f); });
  run(Pass::kLicm, [&] {
    if (has_loops(f)) {
      remove_dead(f);
      hoist(f);
    }
  });
}

}  // namespace kiln::ir
