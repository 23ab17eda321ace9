// SPDX-License-Identifier: Apache-2.0
//
// The frame of an emitted function: entry, exit, blocks, branches, moves on edges; and where values are.
#include "ir_emitter.h"

#include <algorithm>
#include <cstddef>


namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;
using ir::BlockId;
using ir::kNone;
using IrOp = ir::Op;

IrEmitter::IrEmitter(x86::Assembler& as, const IrTargets& targets, ir::Function& f, bool is_body, bool fold_loads,
                     std::function<void(std::uint32_t)> comment)
    : PlacedFunction(f, kScratch), as_(as), targets_(targets), is_body_(is_body), fold_loads_(fold_loads), comment_(std::move(comment)) {}

void IrEmitter::emit() {
  split_critical_edges();
  machine_ = f_.make({.op = IrOp::kArgument, .imm = 0});
  if (fold_loads_) {
    fold_addresses();
  }
  find_folded();
  places_ = allocate(f_, machine_, folded_, kX86Registers);
  find_detours();
  labels_.resize(f_.blocks.size());
  for (const BlockId block : f_.order) {
    labels_[block] = as_.newLabel();
  }
  enter();
  // Blocks in which nothing happens are jumped past.
  std::erase_if(f_.order, [this](BlockId block) { return block != 0 && leads_to_[block] != block; });
  for (std::size_t i = 0; i < f_.order.size(); ++i) {
    emit_block(i);
  }
}

/// An address that is a sum for one access becomes base and index of it.
void IrEmitter::fold_addresses() {
  std::vector<std::uint32_t> uses(f_.nodes.size());
  for (const BlockId block : f_.order) {
    for (const Id id : f_.blocks[block].nodes) {
      ir::for_operands(f_, id, [&](Id& in) { ++uses[in]; });
    }
    ir::for_operands(f_.blocks[block].end, [&](Id& in) { ++uses[in]; });
  }
  for (const BlockId block : f_.order) {
    for (const Id id : f_.blocks[block].nodes) {
      ir::Node& n = f_.nodes[id];
      if ((n.op != IrOp::kLoad && n.op != IrOp::kStore) || n.in[1] != kNone) {
        continue;
      }
      ir::Node& sum = f_.nodes[n.in[0]];
      if (sum.op == IrOp::kAdd && sum.bits == 64 && sum.block == block && uses[n.in[0]] == 1 && !f_.is_constant(sum.in[1])) {
        n.in[0] = sum.in[0];
        n.in[1] = sum.in[1];
        n.scale = 0;
        sum.block = kNone;
        for (unsigned i = 0; i < 2; ++i) {
          fold_displacement(n, i, uses);
        }
      }
    }
  }
  for (const BlockId block : f_.order) {
    std::erase_if(f_.blocks[block].nodes, [&](Id id) { return f_.nodes[id].block == kNone; });
  }
}

/// A part of an address that has a constant added gives it to the displacement.
void IrEmitter::fold_displacement(ir::Node& n, unsigned part, std::vector<std::uint32_t>& uses) {
  constexpr std::int64_t kFar = 0x4000'0000;
  ir::Node& sum = f_.nodes[n.in[part]];
  if (sum.op != IrOp::kAdd || sum.bits != 64 || !f_.is_constant(sum.in[1])) {
    return;
  }
  const auto displacement = n.imm + static_cast<std::int64_t>(f_.value(sum.in[1]));
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

/// Loads that become the memory operand of the one instruction that uses them, in the same block, if nothing in between may
/// write what they read.
void IrEmitter::find_folded() {
  folded_.assign(f_.nodes.size(), false);
  if (!fold_loads_) {
    return;
  }
  std::vector<std::uint32_t> uses(f_.nodes.size());
  for (const BlockId block : f_.order) {
    for (const Id id : f_.blocks[block].nodes) {
      ir::for_operands(f_, id, [&](Id& in) { ++uses[in]; });
    }
    ir::for_operands(f_.blocks[block].end, [&](Id& in) { ++uses[in]; });
  }
  for (const BlockId block : f_.order) {
    find_updates(block, uses);
    open_.clear();
    for (const Id id : f_.blocks[block].nodes) {
      const ir::Node& n = f_.nodes[id];
      if (folded_[id]) {
        continue;
      }
      fold_operand(id);
      if (n.op == IrOp::kLoad) {
        if (uses[id] == 1 && !n.is_signed && foldable_address(n)) {
          open_.push_back(id);
        }
      } else if (n.op == IrOp::kCall || n.op == IrOp::kCallLocal || n.op == IrOp::kTailCall) {
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
}

/// A load, an operation on it and the store of the result to the same place: one instruction that changes memory. Only at fixed
/// addresses (global data): elsewhere processors rename what was just stored, and see through three instructions, but not one.
void IrEmitter::find_updates(BlockId block, const std::vector<std::uint32_t>& uses) {
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
    if ((!commutes && n.op != IrOp::kSub) || n.block != block || uses[value] != 1 || n.bits < store.size * 8u) {
      continue;
    }
    for (unsigned i = 0; i < (commutes ? 2u : 1u); ++i) {
      const Id load = n.in[i];
      const ir::Node& l = f_.nodes[load];
      if (l.op == IrOp::kLoad && l.block == block && uses[load] == 1 && l.size == store.size && l.in[0] == store.in[0] &&
          l.in[1] == store.in[1] && l.scale == store.scale && l.imm == store.imm && load != n.in[1 - i] && is_undisturbed(block, load, at)) {
        folded_[load] = folded_[value] = true;
        break;
      }
    }
  }
}

/// Whether nothing between the load and node number `until` of the block may write what it reads.
bool IrEmitter::is_undisturbed(BlockId block, Id load, std::size_t until) const {
  const auto& nodes = f_.blocks[block].nodes;
  const ir::Access access = ir::access_of(f_, load);
  for (std::size_t i = until; i-- > 0 && nodes[i] != load;) {
    const IrOp op = f_.nodes[nodes[i]].op;
    const bool call = op == IrOp::kCall || op == IrOp::kCallLocal || op == IrOp::kTailCall;
    if (call || (op != IrOp::kLoad && ir::is_access(op) && ir::may_alias(ir::access_of(f_, nodes[i]), access))) {
      return false;
    }
  }
  return true;
}

/// An index and a base that doesn't fit the displacement would need both scratch registers.
bool IrEmitter::foldable_address(const ir::Node& n) const {
  return n.in[1] == kNone || !f_.is_constant(n.in[0]) || f_.value(n.in[0]) + static_cast<std::uint64_t>(n.imm) <= 0x7fff'ffff;
}

bool IrEmitter::fold(Id load, unsigned bits) {
  constexpr std::size_t kNear = 12;  // open loads: further away, registers are held for longer than it is worth
  const auto at = std::find(open_.begin(), open_.end(), load);
  if (at == open_.end() || f_.nodes[load].size * 8u != bits || open_.size() > kNear) {
    return false;
  }
  open_.erase(at);
  folded_[load] = true;
  return true;
}

void IrEmitter::fold_operand(Id id) {
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
      if (targets_.has_movbe && n.size >= 4) {
        fold(n.in[0], n.size * 8u);
      }
      return;
    default:
      return;
  }
}

// ---- entry and exit ----------------------------------------------------------------------------

void IrEmitter::enter() {
  if (!is_body_) {
    for (const unsigned reg : {kRbx, kRbp, 12u, 13u, 14u, 15u}) {
      if ((places_.used >> reg & 1) != 0) {
        pushed_.push_back(reg);
      }
    }
    bool tail_calls = false;  // the body that is called keeps nothing
    for (const BlockId block : f_.order) {
      for (const Id id : f_.blocks[block].nodes) {
        tail_calls |= f_.nodes[id].op == IrOp::kTailCall;
      }
    }
    if (tail_calls) {
      pushed_ = {kRbx, kRbp, 12, 13, 14, 15};
    }
  }
  for (const unsigned reg : pushed_) {
    as_.push(x86::gpq(reg));
  }
  // The return address and the pushes; calls want rsp at a multiple of 16.
  frame_size_ = 8 * places_.slots;
  if ((8 + 8 * pushed_.size() + frame_size_) % 16 != 0) {
    frame_size_ += 8;
  }
  if (frame_size_ != 0) {
    as_.sub(x86::rsp, imm(frame_size_));
  }
  std::vector<Move> moves;
  for (Id id = 0; id < f_.nodes.size(); ++id) {
    const ir::Node& n = f_.nodes[id];
    if (n.op != IrOp::kArgument && n.op != IrOp::kFrame) {
      continue;
    }
    const unsigned reg = n.op == IrOp::kFrame ? kFrameRegister : id == machine_ ? kMachineRegister : kArgumentRegisters[n.imm - 1];
    if (place(id).kind != Place::kNowhere) {
      moves.push_back({place(id), {Place::kRegister, reg}});
    }
  }
  move_all(std::move(moves));
}

void IrEmitter::leave() {
  if (frame_size_ != 0) {
    as_.add(x86::rsp, imm(frame_size_));
  }
  for (auto reg = pushed_.rbegin(); reg != pushed_.rend(); ++reg) {
    as_.pop(x86::gpq(*reg));
  }
}

// ---- blocks ------------------------------------------------------------------------------------

void IrEmitter::emit_block(std::size_t at) {
  const BlockId block = f_.order[at];
  const auto& preds = f_.blocks[block].preds;
  if (f_.blocks[block].loop_depth != 0 && preds.size() > 1 && f_.blocks[preds[0]].loop_depth < f_.blocks[block].loop_depth) {
    as_.align(asmjit::AlignMode::kCode, 32);  // a loop starts here
  }
  as_.bind(labels_[block]);
  for (const Id id : f_.blocks[block].nodes) {
    if (f_.nodes[id].op == IrOp::kPhi || folded_[id]) {
      continue;
    }
    comment_(f_.nodes[id].slot);
    node(id);
  }
  comment_(f_.blocks[block].end.slot);
  emit_end(block, at + 1 < f_.order.size() ? f_.order[at + 1] : kNone);
}

void IrEmitter::emit_end(BlockId block, BlockId next) {
  const ir::Terminator& end = f_.blocks[block].end;
  switch (end.kind) {
    case ir::Terminator::kJump:
      move_all(edge_moves(block));
      jump_to(end.to[0], next);
      return;
    case ir::Terminator::kBranch:
      branch(end, next);
      return;
    case ir::Terminator::kReturn:
      move({Place::kRegister, kRax}, place(end.a));
      leave();
      as_.ret();
      return;
    case ir::Terminator::kTrap:
      as_.ud2();
      return;
  }
}

void IrEmitter::jump_to(BlockId to, BlockId next) {
  if (leads_to_[to] != next) {
    as_.jmp(target(to));
  }
}

asmjit::Label IrEmitter::target(BlockId block) { return labels_[leads_to_[block]]; }

void IrEmitter::branch(const ir::Terminator& end, BlockId next) {
  ir::Cond cond = end.cond;
  BlockId to = end.to[0], otherwise = end.to[1];
  // What does not follow is jumped to; if neither follows, the way round a loop is the one with a single jump.
  const bool neither = leads_to_[to] != next && leads_to_[otherwise] != next;
  if (leads_to_[to] == next || (neither && f_.blocks[otherwise].loop_depth > f_.blocks[to].loop_depth)) {
    std::swap(to, otherwise);
    cond = ir::negated(cond);
  }
  const unsigned bits = end.bits;
  std::int64_t constant = 0;
  const bool by_imm = is_imm32(end.b, bits, constant);
  const bool tests = cond == ir::Cond::kSet || cond == ir::Cond::kNotSet;
  const Place a = place(end.a);
  if (by_imm && constant == 0 && !tests && a.kind == Place::kRegister && !folded_[end.a]) {
    as_.test(wide(static_cast<unsigned>(a.value), bits), wide(static_cast<unsigned>(a.value), bits));
  } else {
    const asmjit::Operand left = a.kind == Place::kConstant ? use(end.a, x86::r11, bits) : operand(end.a, bits, x86::r11);
    asmjit::Operand right = by_imm ? asmjit::Operand(imm(constant)) : operand(end.b, bits, x86::r10);
    if (left.isMem() && right.isMem()) {
      right = use(end.b, x86::r10, bits);
    }
    // test has no form with memory on the right
    if (tests && right.isMem()) {
      as_.emit(asmjit::x86::Inst::kIdTest, right, left);
    } else {
      as_.emit(tests ? asmjit::x86::Inst::kIdTest : asmjit::x86::Inst::kIdCmp, left, right);
    }
  }
  static constexpr x86::CondCode kCodes[] = {
      x86::CondCode::kEqual,      x86::CondCode::kNotEqual,   x86::CondCode::kUnsignedGT, x86::CondCode::kUnsignedGE,
      x86::CondCode::kUnsignedLT, x86::CondCode::kUnsignedLE, x86::CondCode::kSignedGT,   x86::CondCode::kSignedGE,
      x86::CondCode::kSignedLT,   x86::CondCode::kSignedLE,   x86::CondCode::kNotEqual,   x86::CondCode::kEqual};
  as_.j(kCodes[static_cast<std::size_t>(cond)], target(to));
  jump_to(otherwise, next);
}

// ---- moves -------------------------------------------------------------------------------------

void IrEmitter::move(const Place& to, const Place& from) {
  if (to == from || from.kind == Place::kNowhere || to.kind == Place::kNowhere) {
    return;
  }
  if (to.kind == Place::kRegister) {
    const Gp reg = x86::gpq(static_cast<std::uint32_t>(to.value));
    switch (from.kind) {
      case Place::kRegister:
        as_.mov(reg, x86::gpq(static_cast<std::uint32_t>(from.value)));
        return;
      case Place::kConstant:
        load_constant(reg, from.value);
        return;
      default:
        as_.mov(reg, slot(from.value, 8));
        return;
    }
  }
  const Mem memory = slot(to.value, 8);
  const auto small = static_cast<std::int64_t>(from.value);
  if (from.kind == Place::kRegister) {
    as_.mov(memory, x86::gpq(static_cast<std::uint32_t>(from.value)));
  } else if (from.kind == Place::kConstant && small == static_cast<std::int32_t>(small) && !targets_.blinder.hides(small)) {
    as_.mov(memory, imm(small));
  } else {
    move({Place::kRegister, kScratch2}, from);
    as_.mov(memory, x86::r10);
  }
}

// ---- values ------------------------------------------------------------------------------------

IrEmitter::Gp IrEmitter::wide(unsigned reg, unsigned bits) const {
  switch (bits) {
    case 64: return x86::gpq(reg);
    case 32: return x86::gpd(reg);
    case 16: return x86::gpw(reg);
    default: return x86::gpb(reg);
  }
}

x86::Mem IrEmitter::slot(std::uint64_t number, unsigned bytes) const {
  return x86::Mem(x86::rsp, static_cast<std::int32_t>(8 * number), bytes);
}

void IrEmitter::load_constant(const Gp& to, std::uint64_t value) {
  targets_.blinder.load(as_, to, value);
}

/// A register that holds the value: its own, or the scratch one after loading it there.
IrEmitter::Gp IrEmitter::use(Id id, const Gp& scratch, unsigned bits) {
  const Gp temporary = wide(scratch.id(), bits);
  if (folded_[id]) {
    const ir::Node& n = f_.nodes[id];
    const Mem from = address(n, n.size, scratch.id() == kScratch);
    if (n.size < 4) {
      as_.movzx(scratch.r32(), from);
    } else {
      as_.mov(wide(scratch.id(), n.size * 8u), from);
    }
    return temporary;
  }
  const Place at = place(id);
  switch (at.kind) {
    case Place::kRegister:
      return wide(static_cast<unsigned>(at.value), bits);
    case Place::kConstant:
      load_constant(scratch, bits == 64 ? at.value : at.value & ((std::uint64_t{1} << bits) - 1));
      return temporary;
    case Place::kSlot:
      as_.mov(scratch.r64(), slot(at.value, 8));
      return temporary;
    case Place::kNowhere:
      break;
  }
  KILN_CHECK(!"a value that is nowhere is used");
}

/// The register to compute a result in; finish() puts it where it belongs.
IrEmitter::Gp IrEmitter::result(Id id, unsigned bits) {
  const Place at = place(id);
  return wide(at.kind == Place::kRegister ? static_cast<unsigned>(at.value) : kScratch, bits);
}

void IrEmitter::finish(Id id, const Gp& from) { move(place(id), {Place::kRegister, from.id()}); }

bool IrEmitter::is_imm32(Id id, unsigned bits, std::int64_t& value) const {
  if (!f_.is_constant(id)) {
    return false;
  }
  value = bits == 32 ? static_cast<std::int32_t>(f_.value(id)) : static_cast<std::int64_t>(f_.value(id));
  return value == static_cast<std::int32_t>(value) && !targets_.blinder.hides(value);
}

/// Register, spill slot, the memory of a folded load, or an immediate operand.
asmjit::Operand IrEmitter::operand(Id id, unsigned bits, const Gp& scratch) {
  std::int64_t constant = 0;
  if (is_imm32(id, bits, constant)) {
    return imm(constant);
  }
  if (folded_[id] && f_.nodes[id].size * 8u == bits) {
    return address(f_.nodes[id], f_.nodes[id].size, false);
  }
  if (!folded_[id] && place(id).kind == Place::kSlot) {
    return slot(place(id).value, bits / 8);
  }
  return use(id, scratch, bits);
}

/// Uses r10, and r11 for a base that is a large constant beside an index that lies in memory.
x86::Mem IrEmitter::address(const ir::Node& n, unsigned bytes, bool may_use_r11) {
  const auto displacement = static_cast<std::int32_t>(n.imm);
  const bool indexed = (n.op == IrOp::kLoad || n.op == IrOp::kStore) && n.in[1] != kNone;
  const bool constant = f_.is_constant(n.in[0]);
  const std::uint64_t absolute = constant ? f_.value(n.in[0]) + static_cast<std::uint64_t>(n.imm) : 0;
  const bool near = constant && absolute <= 0x7fff'ffff;
  if (!indexed) {
    if (near) {
      return x86::ptr_abs(absolute, bytes);
    }
    if (constant) {
      load_constant(x86::r10, absolute);
      return x86::Mem(x86::r10, 0, bytes);
    }
    return x86::Mem(use(n.in[0], x86::r10), displacement, bytes);
  }
  const Place index = place(n.in[1]);
  if (index.kind == Place::kRegister) {
    const Gp reg = x86::gpq(static_cast<std::uint32_t>(index.value));
    return near ? x86::ptr_abs(absolute, reg, n.scale, bytes) : x86::Mem(use(n.in[0], x86::r10), reg, n.scale, displacement, bytes);
  }
  move({Place::kRegister, kScratch2}, index);
  if (near) {
    return x86::ptr_abs(absolute, x86::r10, n.scale, bytes);
  }
  const Place base = place(n.in[0]);
  if (base.kind == Place::kSlot) {
    if (n.scale != 0) {
      as_.shl(x86::r10, imm(n.scale));
    }
    as_.add(x86::r10, slot(base.value, 8));
    return x86::Mem(x86::r10, displacement, bytes);
  }
  KILN_CHECK(base.kind == Place::kRegister || may_use_r11);
  as_.lea(x86::r10, x86::Mem(use(n.in[0], x86::r11), x86::r10, n.scale, displacement, 8));
  return x86::Mem(x86::r10, 0, bytes);
}

}  // namespace kiln
