// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic nodes as instructions.
#include "x86_function.h"

#include <algorithm>

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;
using ir::kNone;
using IrOp = ir::Op;
namespace Inst = asmjit::x86::Inst;

/// d = a op b, where the instruction changes its first operand.
void X86Function::binary(Id id, std::uint32_t inst, bool commutative) {
  const ir::Node& n = f_.nodes[id];
  Id a = n.in[0], b = n.in[1];
  const Gp d = result(id, n.bits);
  if (commutative && (folded_[a] || (place(b) == place(id) && !(place(a) == place(id))))) {
    std::swap(a, b);
  }
  const bool b_is_lost = !folded_[b] && place(b).kind == Place::kRegister && place(b).value == d.id() && !(place(a) == place(b));
  const Gp into = b_is_lost ? wide(kScratch, n.bits) : d;
  const Gp from = use(a, into, n.bits);
  if (from.id() != into.id()) {
    as_.mov(into, from);
  }
  // crc32 has no immediate form.
  const bool in_register = inst == Inst::kIdCrc32 && f_.is_constant(b);
  as_.emit(inst, into, in_register ? asmjit::Operand(use(b, x86::r10, n.bits)) : operand(b, n.bits, x86::r10));
  if (into.id() != d.id()) {
    as_.mov(d, into);
  }
  flags_ = inst == Inst::kIdCrc32 || inst == Inst::kIdImul ? kNone : id;
  finish(id, d);
}

void X86Function::add(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  std::int64_t constant = 0;
  const bool by_imm = is_imm32(n.in[1], n.bits, constant);
  const Place a = place(n.in[0]), b = place(n.in[1]);
  const bool same = a.kind == Place::kRegister && a.value == d.id();
  if (folded_[n.in[0]] || folded_[n.in[1]] || a.kind != Place::kRegister || same || (!by_imm && (b.kind != Place::kRegister || b.value == d.id()))) {
    return binary(id, Inst::kIdAdd, true);
  }
  const Gp base = x86::gpq(static_cast<std::uint32_t>(a.value));
  if (by_imm) {
    as_.lea(d, x86::Mem(base, static_cast<std::int32_t>(constant), 0));
  } else {
    as_.lea(d, x86::Mem(base, x86::gpq(static_cast<std::uint32_t>(b.value)), 0, 0, 0));
  }
  finish(id, d);
}

void X86Function::subtract(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Place b = place(n.in[1]);
  if (!folded_[n.in[1]] && b.kind == Place::kRegister && b == place(id) && !(place(n.in[0]) == b)) {
    const Gp d = result(id, n.bits);
    as_.neg(d);
    as_.emit(Inst::kIdAdd, d, operand(n.in[0], n.bits, x86::r10));
    return;
  }
  binary(id, Inst::kIdSub, false);
}

void X86Function::logical(Id id) {
  const IrOp op = f_.nodes[id].op;
  binary(id, op == IrOp::kAnd ? Inst::kIdAnd : op == IrOp::kOr ? Inst::kIdOr : Inst::kIdXor, true);
}

void X86Function::multiply(Id id) {
  const ir::Node& n = f_.nodes[id];
  std::int64_t constant = 0;
  if (!is_imm32(n.in[1], n.bits, constant)) {
    return binary(id, Inst::kIdImul, true);
  }
  const Gp d = result(id, n.bits);
  const asmjit::Operand a = operand(n.in[0], n.bits, x86::r10);
  as_.emit(Inst::kIdImul, d, a, imm(constant));
  finish(id, d);
}

void X86Function::shift(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  const auto pick = [&](std::uint32_t shl, std::uint32_t shr, std::uint32_t sar, std::uint32_t rol) {
    return n.op == IrOp::kShl ? shl : n.op == IrOp::kShr ? shr : n.op == IrOp::kSar ? sar : rol;
  };
  const std::uint32_t inst = pick(Inst::kIdShl, Inst::kIdShr, Inst::kIdSar, Inst::kIdRol);
  if (f_.is_constant(n.in[1])) {
    const auto count = static_cast<std::uint32_t>(f_.value(n.in[1])) & (n.bits - 1u);
    const Gp from = use(n.in[0], d, n.bits);
    if (n.op == IrOp::kRotl && from.id() != d.id() && options_.has_bmi2) {
      as_.rorx(d, from, imm(n.bits - count));
    } else {
      if (from.id() != d.id()) {
        as_.mov(d, from);
      }
      as_.emit(inst, d, imm(count));
    }
    if (count == 0 && n.bits == 32) {
      as_.mov(d, d);  // a shift by nothing leaves the upper half
    }
    return finish(id, d);
  }
  if (options_.has_bmi2 && n.op != IrOp::kRotl) {
    const Gp count = use(n.in[1], x86::r10, n.bits);
    const Gp from = use(n.in[0], x86::r11, n.bits);
    as_.emit(pick(Inst::kIdShlx, Inst::kIdShrx, Inst::kIdSarx, 0), d, from, count);
    return finish(id, d);
  }
  // Older processors take the count in cl.
  const Gp value = wide(kScratch2, n.bits);
  const Gp from = use(n.in[0], x86::r10, n.bits);
  if (from.id() != value.id()) {
    as_.mov(value, from);
  }
  const Place count = place(n.in[1]);
  const bool has_count = count.kind == Place::kRegister && count.value == kRcx;
  if (!has_count) {
    as_.mov(x86::r11, x86::rcx);
    move({Place::kRegister, kRcx}, count);
  }
  as_.emit(inst, value, x86::cl);
  if (!has_count) {
    as_.mov(x86::rcx, x86::r11);
  }
  as_.mov(d, value);
  finish(id, d);
}

/// rax and rdx are free here, and the divisor is not in them. Zero and -1 as divisors go ways of their own: x86 traps
/// on the first, and on the most negative number divided by the second.
void X86Function::divide(Id id) {
  const ir::Node& n = f_.nodes[id];
  const bool is_signed = n.op == IrOp::kSdiv || n.op == IrOp::kSmod, is_modulo = n.op == IrOp::kMod || n.op == IrOp::kSmod;
  const Gp low = wide(kRax, n.bits), high = wide(kRdx, n.bits);
  const asmjit::Label zero = as_.newLabel(), minus_one = as_.newLabel(), done = as_.newLabel();
  const bool constant = f_.is_constant(n.in[1]);
  const std::uint64_t value = constant ? (n.bits == 32 ? static_cast<std::uint32_t>(f_.value(n.in[1])) : f_.value(n.in[1])) : 0;
  const bool may_be_zero = constant ? value == 0 : n.aux == 0;
  const bool may_be_minus_one = is_signed && (!constant || value == (n.bits == 32 ? 0xffff'ffff : ~std::uint64_t{0}));
  const Gp divisor = use(n.in[1], x86::r10, n.bits);
  const Gp dividend = use(n.in[0], x86::rax, n.bits);
  if (dividend.id() != low.id()) {
    as_.mov(low, dividend);
  }
  if (may_be_zero) {
    as_.test(divisor, divisor);
    as_.jz(zero);
  }
  if (may_be_minus_one) {
    as_.cmp(divisor, -1);
    as_.je(minus_one);
  }
  if (is_signed) {
    n.bits == 64 ? as_.cqo() : as_.cdq();
    as_.idiv(divisor);
  } else {
    as_.xor_(x86::edx, x86::edx);
    as_.div(divisor);
  }
  const Gp answer = is_modulo ? high : low;
  if (may_be_minus_one || may_be_zero) {
    as_.jmp(done);
  }
  if (may_be_minus_one) {
    as_.bind(minus_one);
    if (is_modulo) {
      as_.xor_(x86::edx, x86::edx);
    } else {
      as_.neg(low);
    }
    as_.jmp(done);
  }
  if (may_be_zero) {
    as_.bind(zero);
    is_modulo ? as_.mov(high, low) : as_.xor_(x86::eax, x86::eax);
  }
  as_.bind(done);
  finish(id, answer);
}

void X86Function::extend(Id id) {
  const ir::Node& n = f_.nodes[id];
  const unsigned bits = n.op == IrOp::kZext ? (n.size == 8 ? 64 : 32) : n.bits;
  const Gp d = result(id, bits);
  const Gp from = use(n.in[0], d, n.size * 8u);
  if (n.op == IrOp::kZext) {
    n.size >= 4 ? as_.mov(d, from) : as_.movzx(d, from);
  } else if (n.size == 4) {
    bits == 64 ? as_.movsxd(d, from) : as_.mov(d, from);
  } else if (n.size == 8) {
    as_.mov(d, from);
  } else {
    as_.movsx(d, from);
  }
  finish(id, d);
}

void X86Function::swap(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.size == 8 ? 64 : 32);
  if (folded_[n.in[0]] && options_.has_movbe && f_.nodes[n.in[0]].size == n.size && n.size >= 4) {
    as_.movbe(d, address(f_.nodes[n.in[0]], n.size, false));
    return finish(id, d);
  }
  const Gp from = use(n.in[0], d, n.size == 8 ? 64 : 32);
  if (from.id() != d.id()) {
    as_.mov(d, from);
  }
  if (n.size == 2) {
    as_.rol(d.r16(), 8);
    as_.movzx(d, d.r16());
  } else {
    as_.bswap(d);
  }
  finish(id, d);
}

void X86Function::negate(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  const Gp from = use(n.in[0], d, n.bits);
  if (from.id() != d.id()) {
    as_.mov(d, from);
  }
  as_.neg(d);
  finish(id, d);
}

void X86Function::crc32c(Id id) {
  binary(id, Inst::kIdCrc32, false);
}

}  // namespace kiln
