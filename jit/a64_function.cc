// SPDX-License-Identifier: Apache-2.0
//
// The frame of an emitted function: entry, exit, blocks, branches, moves; and where values are.
#include "a64_function.h"

#include <algorithm>
#include <array>

#include <asmjit/arm/a64utils.h>

namespace kiln {

namespace a64 = asmjit::a64;
using asmjit::imm;
using ir::BlockId;
using ir::kNone;
using IrOp = ir::Op;
using Cond = asmjit::arm::CondCode;

namespace {

constexpr unsigned kScratch = 17;  // of moves between slots, and of cycles: x16
constexpr unsigned kMost12 = 4095;  // of an immediate operand

bool calls(IrOp op) { return op == IrOp::kCall || op == IrOp::kCallLocal || op == IrOp::kTailCall; }

}  // namespace

A64Function::A64Function(a64::Assembler& as, const A64Targets& targets, ir::Function& f, bool is_body,
                         std::function<void(std::uint32_t)> comment)
    : PlacedFunction(f, 16), as_(as), targets_(targets), is_body_(is_body), comment_(std::move(comment)) {}

void A64Function::emit() {
  split_critical_edges();
  machine_ = f_.make({.op = IrOp::kArgument, .imm = 0});
  folded_.assign(f_.nodes.size(), false);
  places_ = allocate(f_, machine_, folded_, kA64Registers);
  find_detours();
  labels_.resize(f_.blocks.size());
  for (const BlockId block : f_.order) {
    labels_[block] = as_.newLabel();
  }
  table_address_ = as_.newLabel();
  enter();
  // Blocks in which nothing happens are jumped past.
  std::erase_if(f_.order, [this](BlockId block) { return block != 0 && leads_to_[block] != block; });
  for (std::size_t i = 0; i < f_.order.size(); ++i) {
    emit_block(i);
  }
  as_.align(asmjit::AlignMode::kData, 8);
  as_.bind(table_address_);
  as_.embedLabel(targets_.body_table);
}

// ---- entry and exit ----------------------------------------------------------------------------

void A64Function::enter() {
  bool has_calls = false, tail_calls = false;
  for (const BlockId block : f_.order) {
    for (const Id id : f_.blocks[block].nodes) {
      has_calls |= calls(f_.nodes[id].op);
      tail_calls |= f_.nodes[id].op == IrOp::kTailCall;
    }
  }
  for (unsigned reg = 19; reg <= 28 && !is_body_; ++reg) {
    if (tail_calls || (places_.used & register_bit(reg)) != 0) {  // the body that is called keeps nothing
      saved_.push_back(reg);
    }
  }
  if (has_calls) {
    saved_.push_back(kA64Link);
  }
  frame_bytes_ = (8 * (places_.slots + static_cast<std::uint32_t>(saved_.size())) + 15) / 16 * 16;
  add_constant(a64::sp, a64::sp, -static_cast<std::int64_t>(frame_bytes_));
  save_or_restore(true);
  std::vector<Move> moves;
  for (Id id = 0; id < f_.nodes.size(); ++id) {
    const ir::Node& n = f_.nodes[id];
    if ((n.op != IrOp::kArgument && n.op != IrOp::kFrame) || place(id).kind == Place::kNowhere) {
      continue;
    }
    const unsigned reg = n.op == IrOp::kFrame ? kA64Frame : id == machine_ ? kA64Machine : kA64Registers.arguments[n.imm - 1];
    moves.push_back({place(id), {Place::kRegister, reg}});
  }
  move_all(std::move(moves));
}

void A64Function::save_or_restore(bool save) {
  for (std::size_t i = 0; i < saved_.size(); ++i) {
    const Gp reg = a64::x(saved_[i]);
    save ? as_.str(reg, slot(places_.slots + i)) : as_.ldr(reg, slot(places_.slots + i));
  }
}

void A64Function::leave() {
  save_or_restore(false);
  add_constant(a64::sp, a64::sp, frame_bytes_);
}

// ---- blocks ------------------------------------------------------------------------------------

void A64Function::emit_block(std::size_t at) {
  const BlockId block = f_.order[at];
  as_.bind(labels_[block]);
  for (const Id id : f_.blocks[block].nodes) {
    if (f_.nodes[id].op != IrOp::kPhi) {
      comment_(f_.nodes[id].slot);
      node(id);
    }
  }
  comment_(f_.blocks[block].end.slot);
  emit_end(block, at + 1 < f_.order.size() ? f_.order[at + 1] : kNone);
}

void A64Function::emit_end(BlockId block, BlockId next) {
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
      move({Place::kRegister, kA64Registers.result}, place(end.a));
      leave();
      as_.ret(a64::x30);
      return;
    case ir::Terminator::kTrap:
      as_.brk(imm(1));
      return;
  }
}

void A64Function::jump_to(BlockId to, BlockId next) {
  if (leads_to_[to] != next) {
    as_.b(target(to));
  }
}

void A64Function::branch(const ir::Terminator& end, BlockId next) {
  ir::Cond cond = end.cond;
  BlockId to = end.to[0], otherwise = end.to[1];
  if (leads_to_[to] == next) {
    std::swap(to, otherwise);
    cond = ir::negated(cond);
  }
  const bool with_zero = f_.is_constant(end.b) && f_.value(end.b) == 0;
  if (with_zero && (cond == ir::Cond::kEq || cond == ir::Cond::kNe)) {
    const Gp value = use(end.a, kScratch, end.bits);
    cond == ir::Cond::kEq ? as_.cbz(value, target(to)) : as_.cbnz(value, target(to));
    return jump_to(otherwise, next);
  }
  compare(end);
  static constexpr Cond kCodes[] = {Cond::kEQ, Cond::kNE, Cond::kHI, Cond::kHS, Cond::kLO, Cond::kLS,
                                    Cond::kGT, Cond::kGE, Cond::kLT, Cond::kLE, Cond::kNE, Cond::kEQ};
  as_.b(kCodes[static_cast<std::size_t>(cond)], target(to));
  jump_to(otherwise, next);
}

/// Sets the flags.
void A64Function::compare(const ir::Terminator& end) {
  const Gp a = use(end.a, kScratch, end.bits);
  if (f_.is_constant(end.b)) {
    const std::uint64_t mask = end.bits == 32 ? 0xffff'ffff : ~std::uint64_t{0};
    const std::uint64_t value = f_.value(end.b) & mask;
    if (end.cond == ir::Cond::kSet || end.cond == ir::Cond::kNotSet) {
      if (a64::Utils::isLogicalImm(value, end.bits)) {
        as_.tst(a, imm(value));
        return;
      }
    } else if (value <= kMost12) {
      as_.cmp(a, imm(value));
      return;
    } else if ((-value & mask) <= kMost12) {
      as_.cmn(a, imm(-value & mask));
      return;
    }
  }
  const Gp b = use(end.b, 16, end.bits);
  end.cond == ir::Cond::kSet || end.cond == ir::Cond::kNotSet ? as_.tst(a, b) : as_.cmp(a, b);
}

// ---- values ------------------------------------------------------------------------------------

void A64Function::move(const Place& to, const Place& from) {
  if (to == from || from.kind == Place::kNowhere || to.kind == Place::kNowhere) {
    return;
  }
  const auto number = [](const Place& at) { return static_cast<unsigned>(at.value); };
  if (to.kind == Place::kRegister) {
    if (from.kind == Place::kRegister) {
      as_.mov(a64::x(number(to)), a64::x(number(from)));
    } else if (from.kind == Place::kConstant) {
      load_constant(number(to), from.value);
    } else {
      as_.ldr(a64::x(number(to)), slot(from.value));
    }
  } else if (from.kind == Place::kRegister) {
    as_.str(a64::x(number(from)), slot(to.value));
  } else if (from.kind == Place::kConstant && from.value == 0) {
    as_.str(a64::xzr, slot(to.value));
  } else {
    move({Place::kRegister, kScratch}, from);
    as_.str(a64::x(kScratch), slot(to.value));
  }
}

A64Function::Gp A64Function::wide(unsigned reg, unsigned bits) const {
  return bits == 64 ? Gp(a64::x(reg)) : Gp(a64::w(reg));
}

A64Function::Mem A64Function::slot(std::uint64_t number) const {
  return a64::ptr(a64::sp, static_cast<std::int32_t>(8 * number));
}

/// movz or movn, whichever leaves less to do, then a movk for each further 16 bits.
void A64Function::load_constant(unsigned reg, std::uint64_t value) {
  const Gp to = a64::x(reg);
  if (value == 0) {
    as_.mov(to, a64::xzr);
    return;
  }
  if (a64::Utils::isLogicalImm(value, 64)) {
    as_.orr(to, a64::xzr, imm(value));
    return;
  }
  std::array<std::uint16_t, 4> parts{};
  unsigned zeros = 0, ones = 0;
  for (unsigned i = 0; i < 4; ++i) {
    parts[i] = static_cast<std::uint16_t>(value >> (16 * i));
    zeros += parts[i] == 0 ? 1 : 0;
    ones += parts[i] == 0xffff ? 1 : 0;
  }
  const std::uint16_t filler = ones > zeros ? 0xffff : 0;
  bool first = true;
  for (unsigned i = 0; i < 4; ++i) {
    if (parts[i] == filler) {
      continue;
    }
    if (!first) {
      as_.movk(to, imm(parts[i]), imm(16 * i));
    } else if (filler == 0) {
      as_.movz(to, imm(parts[i]), imm(16 * i));
    } else {
      as_.movn(to, imm(parts[i] ^ 0xffff), imm(16 * i));
    }
    first = false;
  }
  if (first) {
    as_.movn(to, imm(0));  // all ones
  }
}

/// Changes nothing but `to`; x16 if the constant is large, which then is not `from`.
void A64Function::add_constant(const Gp& to, const Gp& from, std::int64_t value) {
  const std::uint64_t size = value < 0 ? -static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  if (size <= kMost12) {
    if (size != 0 || to.id() != from.id()) {
      value < 0 ? as_.sub(to, from, imm(size)) : as_.add(to, from, imm(size));
    }
    return;
  }
  if (size < std::uint64_t{1} << 24) {
    const std::uint64_t high = size >> 12, low = size & kMost12;
    value < 0 ? as_.sub(to, from, imm(high), imm(12)) : as_.add(to, from, imm(high), imm(12));
    if (low != 0) {
      value < 0 ? as_.sub(to, to, imm(low)) : as_.add(to, to, imm(low));
    }
    return;
  }
  load_constant(16, static_cast<std::uint64_t>(value));
  as_.add(to, from, a64::x16);
}

/// A register that holds the value: its own, or the scratch one after loading it there.
A64Function::Gp A64Function::use(Id id, unsigned scratch, unsigned bits) {
  const Place at = place(id);
  switch (at.kind) {
    case Place::kRegister:
      return wide(static_cast<unsigned>(at.value), bits);
    case Place::kConstant:
    case Place::kSlot:
      move({Place::kRegister, scratch}, at);
      return wide(scratch, bits);
    case Place::kNowhere:
      break;
  }
  KILN_CHECK(!"a value that is nowhere is used");
}

/// The register to compute a result in; finish() puts it where it belongs.
A64Function::Gp A64Function::result(Id id, unsigned bits) {
  const Place at = place(id);
  return wide(at.kind == Place::kRegister ? static_cast<unsigned>(at.value) : kScratch, bits);
}

void A64Function::finish(Id id, const Gp& from) { move(place(id), {Place::kRegister, from.id()}); }

/// May use x14 and x16.
A64Function::Mem A64Function::address(const ir::Node& n) {
  const bool indexed = (n.op == IrOp::kLoad || n.op == IrOp::kStore) && n.in[1] != kNone;
  if (f_.is_constant(n.in[0])) {
    load_constant(16, f_.value(n.in[0]) + static_cast<std::uint64_t>(n.imm));
    if (!indexed) {
      return a64::ptr(a64::x16);
    }
  } else {
    const Gp base = use(n.in[0], 16);
    const bool fits = n.imm >= -256 && (n.imm <= 255 || (n.imm % n.size == 0 && n.imm / n.size <= static_cast<int>(kMost12)));
    if (!indexed && fits) {
      return a64::ptr(base, static_cast<std::int32_t>(n.imm));
    }
    if (base.id() == 16 && (n.imm <= -(1 << 24) || n.imm >= 1 << 24)) {
      as_.mov(a64::x14, base);
      add_constant(a64::x16, a64::x14, n.imm);
    } else {
      add_constant(a64::x16, base, n.imm);
    }
    if (!indexed) {
      return a64::ptr(a64::x16);
    }
  }
  const Gp index = use(n.in[1], 14);
  if (n.scale != 0 && (1u << n.scale) != n.size) {
    as_.add(a64::x16, a64::x16, index, asmjit::arm::lsl(n.scale));
    return a64::ptr(a64::x16);
  }
  return n.scale == 0 ? a64::ptr(a64::x16, index) : a64::ptr(a64::x16, index, asmjit::arm::lsl(n.scale));
}

/// For exclusive accesses, which take a register only: x16.
A64Function::Gp A64Function::plain_address(const ir::Node& n) {
  if (f_.is_constant(n.in[0])) {
    load_constant(16, f_.value(n.in[0]) + static_cast<std::uint64_t>(n.imm));
    return a64::x16;
  }
  const Gp base = use(n.in[0], 14);
  add_constant(a64::x16, base, n.imm);
  return a64::x16;
}

}  // namespace kiln
