// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic nodes as instructions.
#include "a64_function.h"
#include "a64_immediates.h"

namespace kiln {

namespace a64 = asmjit::a64;
using asmjit::imm;
using IrOp = ir::Op;
using Inst = asmjit::a64::Inst;

void A64Function::add_or_sub(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  const Gp a = use(n.in[0], 14, n.bits);
  if (f_.is_constant(n.in[1])) {
    const std::uint64_t value = f_.value(n.in[1]);
    const std::int64_t wanted = n.bits == 32 ? static_cast<std::int32_t>(value) : static_cast<std::int64_t>(value);
    const bool is_small = wanted > -4096 && wanted < 4096;
    if (is_small) {
      const bool subtract = (n.op == IrOp::kSub) != (wanted < 0);
      const std::int64_t size = wanted < 0 ? -wanted : wanted;
      subtract ? as_.sub(d, a, imm(size)) : as_.add(d, a, imm(size));
      return finish(id, d);
    }
  }
  const Gp b = use(n.in[1], 16, n.bits);
  n.op == IrOp::kAdd ? as_.add(d, a, b) : as_.sub(d, a, b);
  finish(id, d);
}

void A64Function::logical(Id id) {
  const ir::Node& n = f_.nodes[id];
  const std::uint32_t inst = n.op == IrOp::kAnd ? Inst::kIdAnd : n.op == IrOp::kOr ? Inst::kIdOrr : Inst::kIdEor;
  const Gp d = result(id, n.bits);
  const Gp a = use(n.in[0], 14, n.bits);
  if (f_.is_constant(n.in[1])) {
    const std::uint64_t value = n.bits == 32 ? f_.value(n.in[1]) & 0xffff'ffff : f_.value(n.in[1]);
    if (is_logical_immediate(value, n.bits)) {
      as_.emit(inst, d, a, imm(value));
      return finish(id, d);
    }
  }
  as_.emit(inst, d, a, use(n.in[1], 16, n.bits));
  finish(id, d);
}

void A64Function::multiply(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  as_.mul(d, use(n.in[0], 14, n.bits), use(n.in[1], 16, n.bits));
  finish(id, d);
}

/// A quotient by zero is 0 here as in BPF, and the rest then is the dividend; the most negative number by -1 wraps, in both.
void A64Function::divide(Id id) {
  const ir::Node& n = f_.nodes[id];
  const bool is_signed = n.op == IrOp::kSdiv || n.op == IrOp::kSmod;
  const Gp a = use(n.in[0], 14, n.bits), b = use(n.in[1], 16, n.bits), d = result(id, n.bits);
  if (n.op == IrOp::kDiv || n.op == IrOp::kSdiv) {
    is_signed ? as_.sdiv(d, a, b) : as_.udiv(d, a, b);
    return finish(id, d);
  }
  const Gp quotient = wide(15, n.bits);
  is_signed ? as_.sdiv(quotient, a, b) : as_.udiv(quotient, a, b);
  as_.msub(d, quotient, b, a);
  finish(id, d);
}

void A64Function::shift(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  const Gp a = use(n.in[0], 14, n.bits);
  if (n.op == IrOp::kRotl) {
    const auto count = static_cast<std::uint32_t>(f_.value(n.in[1])) & (n.bits - 1u);
    as_.ror(d, a, imm((n.bits - count) % n.bits));
    return finish(id, d);
  }
  const std::uint32_t inst = n.op == IrOp::kShl ? Inst::kIdLsl : n.op == IrOp::kShr ? Inst::kIdLsr : Inst::kIdAsr;
  if (f_.is_constant(n.in[1])) {
    const auto count = static_cast<std::uint32_t>(f_.value(n.in[1])) & (n.bits - 1u);
    count == 0 ? as_.mov(d, a) : as_.emit(inst, d, a, imm(count));
  } else {
    as_.emit(inst, d, a, use(n.in[1], 16, n.bits));  // counts modulo the width, as in BPF
  }
  finish(id, d);
}

void A64Function::extend(Id id) {
  const ir::Node& n = f_.nodes[id];
  if (n.op == IrOp::kZext) {
    const Gp d = result(id, n.size == 8 ? 64 : 32);
    const Gp a = use(n.in[0], 14, n.size == 8 ? 64 : 32);
    n.size == 1 ? as_.uxtb(d, a) : n.size == 2 ? as_.uxth(d, a) : as_.mov(d, a);
    return finish(id, d);
  }
  const Gp d = result(id, n.bits);
  const bool moves = n.size * 8u >= n.bits;
  const Gp a = use(n.in[0], 14, moves ? n.bits : 32);
  if (moves) {
    as_.mov(d, a);
  } else {
    n.size == 1 ? as_.sxtb(d, a) : n.size == 2 ? as_.sxth(d, a) : as_.sxtw(d, a);
  }
  finish(id, d);
}

void A64Function::swap(Id id) {
  const ir::Node& n = f_.nodes[id];
  const unsigned bits = n.size == 8 ? 64 : 32;
  const Gp d = result(id, bits);
  const Gp a = use(n.in[0], 14, bits);
  if (n.size == 2) {
    as_.rev16(d, a);
    as_.uxth(d, d);
  } else {
    as_.rev(d, a);
  }
  finish(id, d);
}

void A64Function::negate(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  as_.neg(d, use(n.in[0], 16, n.bits));
  finish(id, d);
}

void A64Function::crc32c(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, 32);
  as_.crc32cx(d, use(n.in[0], 16, 32), use(n.in[1], 14));
  finish(id, d);
}

}  // namespace kiln
