// SPDX-License-Identifier: Apache-2.0
//
// Entry, blocks, branches, calls; nodes to their rules. Moves between blocks are in placed_edges.cc.
#include "placed_function.h"

#include <algorithm>

#include "direct_helpers.h"
#include "kfuncs.h"

namespace kiln {

using ir::BlockId;
using ir::kNone;
using IrOp = ir::Op;

PlacedFunction::PlacedFunction(asmjit::BaseEmitter& as, const RegisterFile& registers, const FunctionTargets& targets, ir::Function& f,
                               bool is_body, SlotComment comment)
    : registers_(registers), targets_(targets), f_(f), is_body_(is_body), base_(as), comment_(std::move(comment)) {}

void PlacedFunction::emit() {
  split_critical_edges();
  machine_ = f_.make({.op = IrOp::kArgument, .imm = 0});
  folded_.assign(f_.nodes.size(), false);
  fold_operands();
  places_ = allocate(f_, machine_, folded_, registers_);
  find_detours();
  find_saved();
  open_frame();
  move_arguments_in();
  // Blocks in which nothing happens are jumped past.
  std::erase_if(f_.order, [this](BlockId block) { return block != 0 && leads_to_[block] != block; });
  make_labels();
  for (std::size_t i = 0; i < f_.order.size(); ++i) {
    emit_block(i);
  }
  finish_function();
}

/// Of blocks that are jumped to: not those that are only fallen into.
void PlacedFunction::make_labels() {
  labels_.resize(f_.blocks.size());
  const auto need = [this](BlockId block) {
    if (asmjit::Label& made = labels_[leads_to_[block]]; !made.isValid()) {
      made = base_.newLabel();
    }
  };
  for (std::size_t at = 0; at < f_.order.size(); ++at) {
    const ir::Terminator& end = f_.blocks[f_.order[at]].end;
    const BlockId next = at + 1 < f_.order.size() ? f_.order[at + 1] : kNone;
    const auto follows = [&](unsigned i) { return leads_to_[end.to[i]] == next; };
    if (end.targets() == 2 && follows(0) == follows(1)) {
      need(end.to[0]);
      need(end.to[1]);
    } else {
      for (unsigned i = 0; i < end.targets(); ++i) {
        if (!follows(i)) {
          need(end.to[i]);
        }
      }
    }
  }
}

// ---- entry -------------------------------------------------------------------------------------

void PlacedFunction::find_saved() {
  bool has_calls = false, tail_calls = false;
  for (const BlockId block : f_.order) {
    for (const Id id : f_.blocks[block].nodes) {
      has_calls |= ir::is_call(f_.nodes[id].op);
      tail_calls |= f_.nodes[id].op == IrOp::kTailCall;
    }
  }
  // The body that a tail call out of a function calls keeps nothing.
  const RegisterSet wanted = is_body_ ? 0 : tail_calls ? registers_.preserved : registers_.preserved & places_.used;
  const RegisterSet all = wanted | (has_calls ? registers_.link : 0);
  for (unsigned reg = 0; reg < 32; ++reg) {
    if ((all & register_bit(reg)) != 0) {
      saved_.push_back(reg);
    }
  }
}

void PlacedFunction::move_arguments_in() {
  ir::List<Move> moves;
  for (Id id = 0; id < f_.nodes.size(); ++id) {
    const ir::Node& n = f_.nodes[id];
    if ((n.op == IrOp::kArgument || n.op == IrOp::kFrame) && place(id).kind != Place::kNowhere) {
      const unsigned reg = n.op == IrOp::kFrame ? registers_.frame : id == machine_ ? registers_.machine : registers_.arguments[n.imm - 1];
      moves.push_back({place(id), in_register(reg)});
    }
  }
  move_all(std::move(moves));
}

// ---- blocks ------------------------------------------------------------------------------------

void PlacedFunction::emit_block(std::size_t at) {
  const BlockId block = f_.order[at];
  const ir::Block& b = f_.blocks[block];
  if (b.loop_depth != 0 && b.preds.size() > 1 && f_.blocks[b.preds[0]].loop_depth < b.loop_depth) {
    align_loop();
  }
  if (labels_[block].isValid()) {
    base_.bind(labels_[block]);
  }
  last_ = kNone;
  for (const Id id : b.nodes) {
    if (f_.nodes[id].op == IrOp::kPhi || folded_[id]) {
      continue;
    }
    if (comment_) {
      comment_(f_.nodes[id].slot);
    }
    node(id);
    last_ = id;
  }
  if (comment_) {
    comment_(b.end.slot);
  }
  emit_end(block, at + 1 < f_.order.size() ? f_.order[at + 1] : kNone);
}

void PlacedFunction::emit_end(BlockId block, BlockId next) {
  const ir::Terminator& end = f_.blocks[block].end;
  switch (end.kind) {
    case ir::Terminator::kJump:
      move_all(edge_moves(block));
      return jump_unless_next(end.to[0], next);
    case ir::Terminator::kBranch:
      return emit_branch(end, next);
    case ir::Terminator::kReturn:
      move(in_register(registers_.result), place(end.a));
      close_frame();
      return ret();
    case ir::Terminator::kTrap:
      return trap();
  }
}

void PlacedFunction::emit_branch(const ir::Terminator& end, BlockId next) {
  ir::Cond cond = end.cond;
  BlockId to = end.to[0], otherwise = end.to[1];
  // What does not follow is jumped to; if neither follows, the way round a loop is the one with a single jump.
  const bool neither = leads_to_[to] != next && leads_to_[otherwise] != next;
  if (leads_to_[to] == next || (neither && f_.blocks[otherwise].loop_depth > f_.blocks[to].loop_depth)) {
    std::swap(to, otherwise);
    cond = ir::negated(cond);
  }
  branch(end, cond, label(to));
  jump_unless_next(otherwise, next);
}

void PlacedFunction::jump_unless_next(BlockId to, BlockId next) {
  if (leads_to_[to] != next) {
    jump(label(to));
  }
}

// ---- nodes -------------------------------------------------------------------------------------

void PlacedFunction::node(Id id) {
  switch (f_.nodes[id].op) {
    case IrOp::kAdd: return add(id);
    case IrOp::kSub: return subtract(id);
    case IrOp::kMul: return multiply(id);
    case IrOp::kAnd:
    case IrOp::kOr:
    case IrOp::kXor: return logical(id);
    case IrOp::kDiv:
    case IrOp::kMod:
    case IrOp::kSdiv:
    case IrOp::kSmod: return divide(id);
    case IrOp::kShl:
    case IrOp::kShr:
    case IrOp::kSar:
    case IrOp::kRotl: return shift(id);
    case IrOp::kNeg: return negate(id);
    case IrOp::kSwap: return swap(id);
    case IrOp::kZext:
    case IrOp::kSext: return extend(id);
    case IrOp::kCrc32c: return crc32c(id);  // the host has the instruction, or lookups are not inlined
    case IrOp::kLoad: return load(id);
    case IrOp::kStore: return store(id);
    case IrOp::kAtomic: return atomic(id);
    case IrOp::kCmpxchg: return cmpxchg(id);
    case IrOp::kLoadAcquire:
      load(id);
      return order_accesses();
    case IrOp::kStoreRelease:
      order_accesses();
      return store(id);
    case IrOp::kCall:
    case IrOp::kCallKernel:
    case IrOp::kLoadPacket: return call(id);
    case IrOp::kCallLocal: return call_local(id);
    case IrOp::kTailCall: return tail_call(id);
    case IrOp::kConst:
    case IrOp::kFrame:
    case IrOp::kArgument:
    case IrOp::kPhi:
      return;
    case IrOp::kMapHandle:
    case IrOp::kMapAddress:
      break;
  }
  KILN_CHECK(!"a node without a rule");
}

void PlacedFunction::call(Id id) {
  const ir::Node& n = f_.nodes[id];
  ir::List<Move> moves = {{in_register(registers_.helper_machine), place(machine_)}};
  const bool calls_back = n.op == IrOp::kCall && calls_functions(static_cast<std::uint32_t>(n.imm));
  const std::uint32_t arguments = n.count - (calls_back ? 1 : 0);
  for (std::uint32_t i = 0; i < arguments; ++i) {
    moves.push_back({in_register(registers_.arguments[i]), place(f_.list(id)[i])});
  }
  if (calls_back) {
    moves.push_back({in_register(registers_.spare), place(f_.list(id)[arguments])});
  }
  move_all(std::move(moves));
  if (calls_back) {
    tell_callee_stack(registers_.spare);
  }
  call_host(host_function(n));
  move(place(id), in_register(registers_.result));
}

HelperFunction PlacedFunction::host_function(const ir::Node& n) const {
  if (n.op == IrOp::kCallKernel) {
    return kfunc_function(targets_.code.insns[n.slot].target);
  }
  if (n.op == IrOp::kLoadPacket) {
    return load_packet_or_ones;
  }
  const auto form = static_cast<DirectForm>(n.aux);
  return form != DirectForm::kNone ? direct_helper(form) : helper_function(static_cast<std::uint32_t>(n.imm));
}

void PlacedFunction::call_local(Id id) {
  const ir::Node& n = f_.nodes[id];
  ir::List<Move> moves = {{in_register(registers_.machine), place(machine_)}, {in_register(registers_.frame), place(f_.list(id)[5])}};
  for (std::uint32_t i = 0; i < 5; ++i) {
    moves.push_back({in_register(registers_.arguments[i]), place(f_.list(id)[i])});
  }
  move_all(std::move(moves));
  call_label(targets_.functions[static_cast<std::size_t>(n.imm)]);
  move(place(id), in_register(registers_.result));
}

/// The helper gives the program to go on with plus one, or 0.
void PlacedFunction::tail_call(Id id) {
  call(id);
  const asmjit::Label none = base_.newLabel();
  jump_if_zero(registers_.result, none);
  move_all({{in_register(registers_.machine), place(machine_)}, {in_register(registers_.frame), place(f_.frame)}});
  find_body();
  if (is_body_) {
    close_frame();
    jump_to_body();
  } else {
    call_body();
    close_frame();
    ret();
  }
  base_.bind(none);
}

PlacedFunction::Place PlacedFunction::place(Id id) const {
  if (f_.is_constant(id)) {
    return {Place::kConstant, f_.value(id)};
  }
  if (places_.reg[id] >= 0) {
    return {Place::kRegister, static_cast<std::uint64_t>(places_.reg[id])};
  }
  if (places_.slot[id] >= 0) {
    return {Place::kSlot, static_cast<std::uint64_t>(places_.slot[id])};
  }
  return {};
}

unsigned PlacedFunction::result_register(Id id, unsigned scratch) const {
  const Place at = place(id);
  return at.kind == Place::kRegister ? static_cast<unsigned>(at.value) : scratch;
}

}  // namespace kiln
