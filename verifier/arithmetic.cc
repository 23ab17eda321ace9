// SPDX-License-Identifier: Apache-2.0
//
// ALU instructions: moves, scalar arithmetic, and which operand is the pointer if one is.
//
// Rules: operands are initialised; constant divisors are not 0 and constant shifts below the width;
// of two pointers only the difference may be taken (any number); moves of part of a pointer give an
// unknown number; copies of a scalar stay linked to it, plus at most one constant.
#include "alu.h"
#include "checker.h"

namespace kiln::verifier {
namespace {

bool is_shift(AluOp op) { return op == AluOp::kLsh || op == AluOp::kRsh || op == AluOp::kArsh; }
bool is_division(AluOp op) {
  return op == AluOp::kDiv || op == AluOp::kMod || op == AluOp::kSdiv || op == AluOp::kSmod;
}

}  // namespace

/// Before `source` is copied: an id that says both hold the same value.
void Checker::link_copies(Reg& source) {
  if (!source.is_scalar()) {
    return;
  }
  if ((source.id & kIdWithOffset) != 0) {  // a copy of a copy plus constant would need two constants
    source.id = 0;
    source.off = 0;
  }
  if (source.id == 0 && !source.bounds.is_constant()) {
    source.id = new_id();
  }
}

bool Checker::execute_mov(const Reg& immediate) {
  const Insn& i = insn();
  const Decoded& d = decoded();
  if (!d.uses_source) {
    Reg value = immediate;
    if (!d.is64) {
      value.bounds.zero_extend32();
    }
    set_reg(i.dst, value);
    return true;
  }
  Reg& source = state().reg(i.src);
  const bool whole = d.is64 && d.width == 0;
  if (!whole && source.is_pointer()) {
    Reg part = Reg::unknown();
    if (!d.is64) {
      part.bounds.zero_extend32();
    }
    set_reg(i.dst, part);
    return true;
  }
  // Does the narrow form keep the number? Then the copy is linked to its source.
  const bool keeps = whole || (d.width == 0 ? source.bounds.width() <= 32
                                            : source.bounds.fits_signed(d.width));
  if (keeps) {
    link_copies(source);
  }
  Reg copy = source;
  copy.precise = false;
  copy.id = keeps ? copy.id : 0;
  copy.off = keeps || copy.is_pointer() ? copy.off : 0;
  if (d.width != 0) {
    d.is64 ? copy.bounds.sign_extend(d.width) : copy.bounds.sign_extend_to32(d.width);
  } else if (!d.is64) {
    copy.bounds.zero_extend32();
  }
  set_reg(i.dst, copy);
  return true;
}

/// "mask = -(a < b); r = mask & constant" selects without a jump. That r is one of two numbers is lost
/// in a range, so such a mask is explored as 0 and as -1.
void Checker::fork_mask() {
  const Decoded& d = decoded();
  Reg& dst = state().reg(insn().dst);
  const bool word = dst.bounds.w.smin == -1 && dst.bounds.w.smax == 0;
  const bool half = dst.bounds.h.smin == -1 && dst.bounds.h.smax == 0;
  if ((d.alu != AluOp::kAnd && d.alu != AluOp::kOr) || (!word && !half)) {
    return;
  }
  const auto set = [word](Bounds& b, s64 value) {
    const u64 bits = static_cast<u64>(value);
    if (word) {
      b = Bounds::constant(bits);
    } else {
      b.bits = b.bits.with_low32(Tnum::constant(bits));
      b.h = Interval32::constant(static_cast<u32>(bits));
    }
  };
  auto other = spare_.copy(state());
  other->trace.pop_back();  // it executes this instruction again
  other->last_insn = insn_;
  set(other->reg(insn().dst).bounds, 0);
  set(dst.bounds, -1);
  push_branch(std::move(other));
}

/// "r1 = r2; r1 += 4" keeps r1 linked to r2, so that a bound learned on r2 reaches r1. \return the 4.
std::optional<s32> Checker::link_distance(const Reg& dst, const Reg& source) const {
  const Decoded& d = decoded();
  const bool known = d.is64 ? source.bounds.is_constant() : source.bounds.is_constant32();
  const bool same = d.uses_source && insn().src == insn().dst;
  if ((d.alu != AluOp::kAdd && d.alu != AluOp::kSub) || dst.id == 0 || (dst.id & kIdWithOffset) != 0 || !known ||
      same || (!d.is64 && dst.bounds.w.umax > std::numeric_limits<u32>::max())) {
    return std::nullopt;
  }
  const u64 value = source.bounds.bits.value;
  const s64 added = d.is64 ? static_cast<s64>(value) : s64{static_cast<s32>(value)};
  const s64 distance = d.alu == AluOp::kSub && added != std::numeric_limits<s64>::min() ? -added : added;
  const bool fits = added >= std::numeric_limits<s32>::min() && added <= std::numeric_limits<s32>::max() &&
                    distance <= std::numeric_limits<s32>::max();
  return fits ? std::optional<s32>(static_cast<s32>(distance)) : std::nullopt;
}

bool Checker::execute_scalar_alu(const Reg& source) {
  const Decoded& d = decoded();
  if (source.is_constant()) {
    fork_mask();
  }
  Reg result = state().reg(insn().dst);
  result.bounds = alu(d.alu, d.is64, result.bounds, source.bounds);
  if (!result.bounds.consistent()) {
    result.bounds = Bounds::unknown();
  }
  const auto distance = link_distance(state().reg(insn().dst), source);
  result.id = distance ? result.id | (d.is64 ? kIdOffset64 : kIdOffset32) : 0;
  result.off = distance.value_or(0);
  set_reg(insn().dst, result);
  return true;
}

bool Checker::execute_alu() {
  const Insn& i = insn();
  const Decoded& d = decoded();
  const bool is_mov = d.form == Form::kMovSx || ((d.form == Form::kAluImm || d.form == Form::kAluReg) &&
                                                 d.alu == AluOp::kMov);
  if ((d.uses_source && !check_readable(i.src)) || (!is_mov && !check_readable(i.dst))) {
    return false;
  }
  if (d.form == Form::kNeg || d.form == Form::kEnd) {
    if (!check_writable(i.dst)) {
      return false;
    }
    const Reg& dst = state().reg(i.dst);
    if (dst.is_pointer()) {
      set_reg(i.dst, Reg::unknown());
    } else if (d.form == Form::kNeg) {
      set_reg(i.dst, Reg::scalar(alu(AluOp::kSub, d.is64, Bounds::constant(0), dst.bounds)));
    } else {  // "le" swaps nothing: BPF objects here are little-endian. 64 bits of it are the same number, still linked.
      const bool swaps = d.info->text != "le";
      Reg result = Reg::scalar(byte_swap(d.width, swaps, dst.bounds));
      result.id = !swaps && d.width == 64 ? dst.id : 0;
      result.off = result.id != 0 ? dst.off : 0;
      set_reg(i.dst, result);
    }
    return true;
  }
  const Reg immediate = Reg::constant(static_cast<u64>(s64{i.imm}));
  if (is_mov) {
    return check_writable(i.dst) && execute_mov(immediate);
  }
  if (!d.uses_source && is_division(d.alu) && i.imm == 0) {
    return reject("div by zero");
  }
  if (!d.uses_source && is_shift(d.alu) && (i.imm < 0 || i.imm >= (d.is64 ? 64 : 32))) {
    return reject("invalid shift {}", i.imm);
  }
  if (!check_writable(i.dst)) {
    return false;
  }
  const Reg dst = state().reg(i.dst);
  const Reg source = d.uses_source ? state().reg(i.src) : immediate;
  if (dst.is_scalar() && source.is_scalar()) {
    return execute_scalar_alu(source);
  }
  if (dst.is_pointer() && source.is_pointer()) {
    if (d.alu != AluOp::kSub) {
      return reject("R{} pointer {} pointer prohibited", i.dst, d.info->text);
    }
    set_reg(i.dst, Reg::unknown());
    return true;
  }
  if (d.uses_source) {
    make_precise(dst.is_scalar() ? i.dst : i.src);
  }
  return dst.is_pointer() ? pointer_math(d.alu, d.is64, dst, source, true)
                          : pointer_math(d.alu, d.is64, source, dst, false);
}

}  // namespace kiln::verifier
