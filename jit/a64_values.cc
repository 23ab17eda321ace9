// SPDX-License-Identifier: Apache-2.0
//
// Where values are, as operands.
#include "a64_function.h"

#include <array>

#include "a64_immediates.h"

namespace kiln {

namespace a64 = asmjit::a64;
using asmjit::imm;
using ir::kNone;
using IrOp = ir::Op;

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
  if (is_logical_immediate(value, 64)) {
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
