// SPDX-License-Identifier: Apache-2.0
//
// Where values are, as operands.
#include "x86_function.h"

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;
using ir::kNone;
using IrOp = ir::Op;

X86Function::Gp X86Function::wide(unsigned reg, unsigned bits) const {
  switch (bits) {
    case 64: return x86::gpq(reg);
    case 32: return x86::gpd(reg);
    case 16: return x86::gpw(reg);
    default: return x86::gpb(reg);
  }
}

x86::Mem X86Function::slot(std::uint64_t number, unsigned bytes) const {
  return x86::Mem(x86::rsp, static_cast<std::int32_t>(8 * number), bytes);
}

void X86Function::load_constant(const Gp& to, std::uint64_t value) {
  options_.blinder.load(as_, to, value);
}

/// A register that holds the value: its own, or the scratch one after loading it there.
X86Function::Gp X86Function::use(Id id, const Gp& scratch, unsigned bits) {
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

bool X86Function::is_imm32(Id id, unsigned bits, std::int64_t& value) const {
  if (!f_.is_constant(id)) {
    return false;
  }
  value = bits == 32 ? static_cast<std::int32_t>(f_.value(id)) : static_cast<std::int64_t>(f_.value(id));
  return value == static_cast<std::int32_t>(value) && !options_.blinder.hides(value);
}

/// Register, spill slot, the memory of a folded load, or an immediate operand.
asmjit::Operand X86Function::operand(Id id, unsigned bits, const Gp& scratch) {
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
x86::Mem X86Function::address(const ir::Node& n, unsigned bytes, bool may_use_r11) {
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
