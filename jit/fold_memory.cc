// SPDX-License-Identifier: Apache-2.0
#include "fold_memory.h"

#include <algorithm>

#include <kiln/ir_memory.h>

namespace kiln {

using ir::BlockId;
using ir::Id;
using ir::kNone;
using IrOp = ir::Op;

namespace {

ir::List<std::uint32_t> count_uses(ir::Function& f) {
  ir::List<std::uint32_t> uses(f.nodes.size());
  for (const BlockId block : f.order) {
    for (const Id id : f.blocks[block].nodes) {
      ir::for_operands(f, id, [&](Id& in) { ++uses[in]; });
    }
    ir::for_operands(f.blocks[block].end, [&](Id& in) { ++uses[in]; });
  }
  return uses;
}

/// A part of an address that has a constant added gives it to the displacement.
void fold_displacement(ir::Function& f, ir::Node& n, unsigned part, ir::List<std::uint32_t>& uses) {
  constexpr std::int64_t kFar = 0x4000'0000;
  ir::Node& sum = f.nodes[n.in[part]];
  if (sum.op != IrOp::kAdd || sum.bits != 64 || !f.is_constant(sum.in[1])) {
    return;
  }
  const auto displacement = n.imm + static_cast<std::int64_t>(f.value(sum.in[1]));
  if (displacement < -kFar || displacement > kFar) {
    return;
  }
  if (--uses[n.in[part]] == 0) {
    sum.block = kNone;
  } else {
    ++uses[sum.in[0]];
  }
  n.imm = displacement;
  n.in[part] = sum.in[0];
}

class Folder {
 public:
  Folder(ir::Function& f, bool swaps) : f_(f), swaps_(swaps), uses_(count_uses(f)), folded_(f.nodes.size()) {}

  ir::List<bool> run() {
    for (const BlockId block : f_.order) {
      if (f_.blocks[block].loop_depth != 0) {
        join_copies(block);
      }
      find_updates(block);
      open_.clear();
      for (const Id id : f_.blocks[block].nodes) {
        const ir::Node& n = f_.nodes[id];
        if (folded_[id]) {
          continue;
        }
        fold_operand(id);
        if (n.op == IrOp::kLoad) {
          if (uses_[id] == 1 && !n.is_signed && foldable_address(n)) {
            open_.push_back(id);
          }
        } else if (ir::is_barrier(n.op)) {
          open_.clear();
        } else if (ir::is_access(n.op)) {
          const ir::Access access = ir::access_of(f_, id);
          std::erase_if(open_, [&](Id load) { return ir::may_alias(ir::access_of(f_, load), access); });
        }
      }
      const ir::Terminator& end = f_.blocks[block].end;
      if (end.kind == ir::Terminator::kBranch && !fold(end.b, end.bits)) {
        fold(end.a, end.bits);
      }
    }
    return std::move(folded_);
  }

 private:
  /// A load of 8 bytes that only a store needs.
  bool is_copy(BlockId block, Id id) const {
    const ir::Node& n = f_.nodes[id];
    if (n.op != IrOp::kStore || n.size != 8) {
      return false;
    }
    const ir::Node& load = f_.nodes[n.in[2]];
    return load.op == IrOp::kLoad && load.size == 8 && load.block == block && uses_[n.in[2]] == 1 && foldable_address(load);
  }
  bool is_next(const ir::Node& a, const ir::Node& b) const {
    return a.in[0] == b.in[0] && a.in[1] == b.in[1] && a.scale == b.scale && b.imm == a.imm + 8;
  }

  /// Two copies of 8 bytes side by side become one of 16. In loops only: elsewhere what is copied has often been stored just before, in
  /// pieces, and processors wait for those.
  void join_copies(BlockId block) {
    auto& nodes = f_.blocks[block].nodes;
    bool any = false;
    for (std::size_t at = 0; at < nodes.size(); ++at) {
      if (f_.nodes[nodes[at]].block == kNone || !is_copy(block, nodes[at])) {
        continue;
      }
      for (std::size_t next = at + 1; next < std::min(nodes.size(), at + kWindow); ++next) {
        if (is_copy(block, nodes[next]) && is_next(f_.nodes[nodes[at]], f_.nodes[nodes[next]]) &&
            is_next(f_.nodes[f_.nodes[nodes[at]].in[2]], f_.nodes[f_.nodes[nodes[next]].in[2]])) {
          any |= join_copy(block, at, next);
          break;
        }
      }
    }
    if (any) {
      std::erase_if(nodes, [this](Id id) { return f_.nodes[id].block == kNone; });
    }
  }

  /// The first pair moves to where the second store is, if nothing on the way minds.
  bool join_copy(BlockId block, std::size_t at, std::size_t next) {
    const auto& nodes = f_.blocks[block].nodes;
    const Id store = nodes[at], last = nodes[next], load = f_.nodes[store].in[2], second = f_.nodes[last].in[2];
    const auto alias = [this](Id a, Id b) { return ir::may_alias(ir::access_of(f_, a), ir::access_of(f_, b)); };
    if (alias(store, second)) {
      return false;
    }
    std::size_t first = at;
    while (nodes[first] != load) {
      if (first == 0 || next - first > kWindow) {
        return false;
      }
      --first;
    }
    for (std::size_t i = first + 1; i < next; ++i) {
      const Id id = nodes[i];
      const IrOp op = f_.nodes[id].op;
      if (f_.nodes[id].block == kNone || id == store || id == second || !(ir::is_barrier(op) || ir::is_access(op))) {
        continue;
      }
      const bool writes = op != IrOp::kLoad;
      if (ir::is_barrier(op) || (i > at && alias(id, store)) || (writes && (alias(id, load) || alias(id, second)))) {
        return false;
      }
    }
    f_.nodes[load].size = 16;
    f_.nodes[last].size = 16;
    f_.nodes[last].imm = f_.nodes[store].imm;
    f_.nodes[last].in[2] = load;
    f_.nodes[store].block = f_.nodes[second].block = kNone;
    folded_[load] = true;
    return true;
  }

  /// A load, an operation on it and the store of the result to the same place: one instruction that changes memory. Only at fixed
  /// addresses (global data): elsewhere processors rename what was just stored, and see through three instructions, but not one.
  void find_updates(BlockId block) {
    const auto& nodes = f_.blocks[block].nodes;
    for (std::size_t at = 0; at < nodes.size(); ++at) {
      const ir::Node& store = f_.nodes[nodes[at]];
      if (store.op != IrOp::kStore || store.size < 4 || f_.is_constant(store.in[2]) || !f_.is_constant(store.in[0]) ||
          store.in[1] != kNone) {
        continue;
      }
      const Id value = store.in[2];
      const ir::Node& n = f_.nodes[value];
      const bool commutes = n.op == IrOp::kAdd || n.op == IrOp::kAnd || n.op == IrOp::kOr || n.op == IrOp::kXor;
      if ((!commutes && n.op != IrOp::kSub) || n.block != block || uses_[value] != 1 || n.bits < store.size * 8u) {
        continue;
      }
      for (unsigned i = 0; i < (commutes ? 2u : 1u); ++i) {
        const Id load = n.in[i];
        const ir::Node& l = f_.nodes[load];
        if (l.op == IrOp::kLoad && l.block == block && uses_[load] == 1 && l.size == store.size && l.in[0] == store.in[0] &&
            l.in[1] == store.in[1] && l.scale == store.scale && l.imm == store.imm && load != n.in[1 - i] && is_undisturbed(block, load, at)) {
          folded_[load] = folded_[value] = true;
          break;
        }
      }
    }
  }

  /// Whether nothing between the load and node number `until` of the block may write what it reads.
  bool is_undisturbed(BlockId block, Id load, std::size_t until) const {
    const auto& nodes = f_.blocks[block].nodes;
    const ir::Access access = ir::access_of(f_, load);
    for (std::size_t i = until; i-- > 0 && nodes[i] != load;) {
      const IrOp op = f_.nodes[nodes[i]].op;
      if (ir::is_barrier(op) || (op != IrOp::kLoad && ir::is_access(op) && ir::may_alias(ir::access_of(f_, nodes[i]), access))) {
        return false;
      }
    }
    return true;
  }

  /// An index and a base that doesn't fit the displacement would need both scratch registers.
  bool foldable_address(const ir::Node& n) const {
    return n.in[1] == kNone || !f_.is_constant(n.in[0]) || f_.value(n.in[0]) + static_cast<std::uint64_t>(n.imm) <= 0x7fff'ffff;
  }

  bool fold(Id load, unsigned bits) {
    constexpr std::size_t kNear = 12;  // open loads: further away, registers are held for longer than it is worth
    const auto at = std::find(open_.begin(), open_.end(), load);
    if (at == open_.end() || f_.nodes[load].size * 8u != bits || open_.size() > kNear) {
      return false;
    }
    open_.erase(at);
    folded_[load] = true;
    return true;
  }

  void fold_operand(Id id) {
    const ir::Node& n = f_.nodes[id];
    switch (n.op) {
      case IrOp::kAdd:
      case IrOp::kMul:
      case IrOp::kAnd:
      case IrOp::kOr:
      case IrOp::kXor:
        if (!fold(n.in[1], n.bits) && !f_.is_constant(n.in[1])) {
          fold(n.in[0], n.bits);
        }
        return;
      case IrOp::kSub:
      case IrOp::kCrc32c:
        fold(n.in[1], n.bits);
        return;
      case IrOp::kSwap:
        if (swaps_ && n.size >= 4) {
          fold(n.in[0], n.size * 8u);
        }
        return;
      default:
        return;
    }
  }

  static constexpr std::size_t kWindow = 24;  // nodes from a copy to the next

  ir::Function& f_;
  bool swaps_;  ///< a swap may take memory
  ir::List<std::uint32_t> uses_;
  ir::List<bool> folded_;
  ir::List<Id> open_;  ///< loads of the block that may still be folded
};

}  // namespace

void fold_addresses(ir::Function& f) {
  ir::List<std::uint32_t> uses = count_uses(f);
  ir::List<std::uint32_t> as_base(f.nodes.size());  // uses as the only register of an access in the same block
  const auto is_candidate = [](const ir::Node& n) { return (n.op == IrOp::kLoad || n.op == IrOp::kStore) && n.in[1] == kNone; };
  for (const BlockId block : f.order) {
    for (const Id id : f.blocks[block].nodes) {
      const ir::Node& n = f.nodes[id];
      as_base[is_candidate(n) ? n.in[0] : id] += is_candidate(n) && f.nodes[n.in[0]].block == block ? 1 : 0;
    }
  }
  // In a loop, a sum of what is in registers all the time anyway is no value of its own.
  const auto stays = [&f](Id id, BlockId block) { return f.nodes[id].op == IrOp::kPhi || f.nodes[id].block != block; };
  ir::List<Id> gone;
  for (const BlockId block : f.order) {
    for (const Id id : f.blocks[block].nodes) {
      ir::Node& n = f.nodes[id];
      const ir::Node& sum = f.nodes[is_candidate(n) ? n.in[0] : id];
      if (!is_candidate(n) || sum.op != IrOp::kAdd || sum.bits != 64 || sum.block != block || f.is_constant(sum.in[1])) {
        continue;
      }
      const Id base = n.in[0];
      const bool once = uses[base] == 1;
      if (!once && (as_base[base] != uses[base] || f.blocks[block].loop_depth == 0 || !stays(sum.in[0], block) || !stays(sum.in[1], block))) {
        continue;
      }
      n.in[0] = sum.in[0];
      n.in[1] = sum.in[1];
      n.scale = 0;
      gone.push_back(base);
      for (unsigned i = 0; i < 2 && once; ++i) {
        fold_displacement(f, n, i, uses);
      }
    }
  }
  for (const Id id : gone) {
    f.nodes[id].block = kNone;
  }
  for (const BlockId block : f.order) {
    std::erase_if(f.blocks[block].nodes, [&](Id id) { return f.nodes[id].block == kNone; });
  }
}

ir::List<bool> fold_memory(ir::Function& f, bool swaps) { return Folder(f, swaps).run(); }

}  // namespace kiln
