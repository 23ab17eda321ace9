// SPDX-License-Identifier: Apache-2.0
//
// What a comparison with data_end (or of data_meta with data) teaches about packet pointers.
//
// "p + 14 <= data_end" makes 14 bytes from p's base accessible, for every register of the same base
// and variable part; "<" one byte more. On the other way out p lies at or beyond the end, which
// decides later comparisons of that register.
#include <algorithm>

#include "checker.h"

namespace kiln::verifier {
namespace {

constexpr u64 kMaxPacketOffset = 0xffff;  ///< MAX_PACKET_OFF

bool is_packet_start(const Reg& reg) {
  return reg.type == RegType::kPacket && reg.id == 0 && reg.off == 0 && reg.bounds.is_constant() &&
         reg.bounds.value() == 0;
}

/// `end` bounds what `pointer` may reach.
bool is_end_of(const Reg& end, const Reg& pointer) {
  return (pointer.type == RegType::kPacket && end.type == RegType::kPacketEnd) ||
         (pointer.type == RegType::kPacketMeta && is_packet_start(end));
}

/// \param open  the pointer is below its end, not just at it: one byte more.
void extend_range(State& state, const Reg& pointer, bool open) {
  if (pointer.off < 0 || (pointer.off == 0 && open)) {
    return;  // says nothing about bytes that may be read, or too little to say anything
  }
  if (pointer.bounds.w.umax > kMaxPacketOffset ||
      pointer.bounds.w.umax + static_cast<u64>(pointer.off) > kMaxPacketOffset) {
    return;  // the sum in the comparison might have wrapped
  }
  const s32 range = pointer.off + (open ? 1 : 0);
  for_each_reg(state, [&](Reg& reg) {
    if (reg.type == pointer.type && reg.id == pointer.id) {
      reg.extra = std::max(reg.extra, range);
    }
  });
}

}  // namespace

bool Checker::learn_packet_range(State& taken) {
  const Decoded& d = decoded();
  if (!d.uses_source || !d.is64) {
    return false;
  }
  const Reg dst = state().reg(insn().dst), src = state().reg(insn().src);
  const bool pointer_first = is_end_of(src, dst);
  if (!pointer_first && !is_end_of(dst, src)) {
    return false;
  }
  const unsigned number = pointer_first ? insn().dst : insn().src;
  const Reg& pointer = pointer_first ? dst : src;
  const CmpOp op = pointer_first ? d.cmp : exchange(d.cmp);
  if (op != CmpOp::kGt && op != CmpOp::kGe && op != CmpOp::kLt && op != CmpOp::kLe) {
    return false;
  }
  const bool inside_when_taken = op == CmpOp::kLt || op == CmpOp::kLe;
  const bool open = op == CmpOp::kLt || op == CmpOp::kGe;  // inside means strictly below the end
  State& inside = inside_when_taken ? taken : state();
  State& outside = inside_when_taken ? state() : taken;
  extend_range(inside, pointer, open);
  if (pointer.type == RegType::kPacket) {
    outside.reg(number).extra = open ? kAtPacketEnd : kBeyondPacketEnd;
  }
  return true;
}

std::optional<bool> Checker::decide_packet_branch(const Reg& dst, const Reg& src, CmpOp op) const {
  if (!decoded().is64 || !(is_packet_pointer(dst.type) || is_packet_pointer(src.type))) {
    return std::nullopt;
  }
  const bool pointer_first = src.type == RegType::kPacketEnd;
  if (!pointer_first && dst.type != RegType::kPacketEnd) {
    return std::nullopt;
  }
  const Reg& pointer = pointer_first ? dst : src;
  const CmpOp order = pointer_first ? op : exchange(op);
  const bool beyond = pointer.extra == kBeyondPacketEnd;
  const bool at_or_beyond = beyond || pointer.extra == kAtPacketEnd;
  if ((order == CmpOp::kGt || order == CmpOp::kLe) && beyond) {
    return order == CmpOp::kGt;
  }
  if ((order == CmpOp::kGe || order == CmpOp::kLt) && at_or_beyond) {
    return order == CmpOp::kGe;
  }
  return std::nullopt;
}

}  // namespace kiln::verifier
