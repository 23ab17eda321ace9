// SPDX-License-Identifier: Apache-2.0
//
// One node of the intermediate form as x86-64 instructions.
#include "ir_emitter.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "direct_helpers.h"

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;
using ir::kNone;
using IrOp = ir::Op;
namespace Inst = asmjit::x86::Inst;

namespace {

template <typename Function>
asmjit::Imm address_of(Function* function) {
  return imm(reinterpret_cast<std::uint64_t>(function));
}

constexpr std::uint8_t kExchange = 0xe0;  // Node::aux

x86::Mem machine_member(std::size_t offset, unsigned bytes) {
  return x86::Mem(x86::r12, static_cast<std::int32_t>(offset), bytes);
}

}  // namespace

void IrEmitter::node(Id id) {
  switch (f_.nodes[id].op) {
    case IrOp::kAdd: return add(id);
    case IrOp::kSub: return sub(id);
    case IrOp::kMul: return multiply(id);
    case IrOp::kAnd: return binary(id, Inst::kIdAnd, true);
    case IrOp::kOr: return binary(id, Inst::kIdOr, true);
    case IrOp::kXor: return binary(id, Inst::kIdXor, true);
    case IrOp::kDiv:
    case IrOp::kMod:
    case IrOp::kSdiv:
    case IrOp::kSmod: return divide(id);
    case IrOp::kShl:
    case IrOp::kShr:
    case IrOp::kSar:
    case IrOp::kRotl: return shift(id);
    case IrOp::kNeg: return unary(id);
    case IrOp::kSwap: return swap(id);
    case IrOp::kZext:
    case IrOp::kSext: return extend(id);
    case IrOp::kCrc32c: return crc32c(id);
    case IrOp::kLoad: return load(id);
    case IrOp::kStore: return store(id);
    case IrOp::kAtomic: return atomic(id);
    case IrOp::kCmpxchg: return cmpxchg(id);
    case IrOp::kCall: return call(id);
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

/// d = a op b, where the instruction changes its first operand.
void IrEmitter::binary(Id id, std::uint32_t inst, bool commutative) {
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
  finish(id, d);
}

void IrEmitter::add(Id id) {
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

void IrEmitter::sub(Id id) {
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

void IrEmitter::multiply(Id id) {
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

void IrEmitter::shift(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  const auto pick = [&](std::uint32_t shl, std::uint32_t shr, std::uint32_t sar, std::uint32_t rol) {
    return n.op == IrOp::kShl ? shl : n.op == IrOp::kShr ? shr : n.op == IrOp::kSar ? sar : rol;
  };
  const std::uint32_t inst = pick(Inst::kIdShl, Inst::kIdShr, Inst::kIdSar, Inst::kIdRol);
  if (f_.is_constant(n.in[1])) {
    const auto count = static_cast<std::uint32_t>(f_.value(n.in[1])) & (n.bits - 1u);
    const Gp from = use(n.in[0], d, n.bits);
    if (n.op == IrOp::kRotl && from.id() != d.id() && targets_.has_bmi2) {
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
  if (targets_.has_bmi2 && n.op != IrOp::kRotl) {
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
void IrEmitter::divide(Id id) {
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

void IrEmitter::extend(Id id) {
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

void IrEmitter::swap(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.size == 8 ? 64 : 32);
  if (folded_[n.in[0]] && targets_.has_movbe && f_.nodes[n.in[0]].size == n.size && n.size >= 4) {
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

void IrEmitter::unary(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id, n.bits);
  const Gp from = use(n.in[0], d, n.bits);
  if (from.id() != d.id()) {
    as_.mov(d, from);
  }
  as_.neg(d);
  finish(id, d);
}

void IrEmitter::crc32c(Id id) {
  KILN_CHECK(targets_.has_crc32);  // or lookups are not inlined
  binary(id, Inst::kIdCrc32, false);
}

// ---- memory ------------------------------------------------------------------------------------

void IrEmitter::load(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id);
  const Mem from = address(n, n.size, true);
  if (n.is_signed) {
    n.size == 4 ? as_.movsxd(d, from) : n.size == 8 ? as_.mov(d, from) : as_.movsx(d, from);
  } else if (n.size == 8) {
    as_.mov(d, from);
  } else {
    n.size == 4 ? as_.mov(d.r32(), from) : as_.movzx(d.r32(), from);
  }
  finish(id, d);
}

/// The store of what an operation makes of the same bytes.
void IrEmitter::update(Id id) {
  const ir::Node& n = f_.nodes[id];
  const ir::Node& value = f_.nodes[n.in[2]];
  const Id other = folded_[value.in[0]] ? value.in[1] : value.in[0];
  const unsigned bits = n.size * 8u;
  const std::uint32_t inst = value.op == IrOp::kAdd   ? Inst::kIdAdd
                             : value.op == IrOp::kSub ? Inst::kIdSub
                             : value.op == IrOp::kAnd ? Inst::kIdAnd
                             : value.op == IrOp::kOr  ? Inst::kIdOr : Inst::kIdXor;
  const Mem at = address(n, n.size, false);
  std::int64_t constant = 0;
  as_.emit(inst, at, is_imm32(other, bits, constant) ? asmjit::Operand(imm(constant)) : asmjit::Operand(use(other, x86::r11, bits)));
}

void IrEmitter::store(Id id) {
  const ir::Node& n = f_.nodes[id];
  if (folded_[n.in[2]]) {
    return update(id);
  }
  const Mem to = address(n, n.size, true);
  if (f_.is_constant(n.in[2])) {
    const std::uint64_t value = f_.value(n.in[2]);
    const std::int64_t part = n.size == 8 ? static_cast<std::int64_t>(value)
                              : n.size == 4 ? static_cast<std::int32_t>(value)
                              : n.size == 2 ? static_cast<std::int16_t>(value) : static_cast<std::int8_t>(value);
    if (part == static_cast<std::int32_t>(part) && !targets_.blinder.hides(part)) {
      as_.mov(to, imm(part));
      return;
    }
  }
  as_.mov(to, use(n.in[2], x86::r11, n.size * 8u));
}

void IrEmitter::atomic(Id id) {
  const ir::Node& n = f_.nodes[id];
  if (n.fetches && n.aux != 0 && n.aux != kExchange) {
    return fetch_loop(id);
  }
  const Mem at = address(n, n.size, false);
  if (!n.fetches) {
    const std::uint32_t inst = n.aux == 0 ? Inst::kIdAdd : n.aux == 0x40 ? Inst::kIdOr : n.aux == 0x50 ? Inst::kIdAnd : Inst::kIdXor;
    std::int64_t constant = 0;
    const asmjit::Operand value = is_imm32(n.in[1], n.bits, constant) ? asmjit::Operand(imm(constant))
                                                                      : asmjit::Operand(use(n.in[1], x86::r11, n.bits));
    as_.lock().emit(inst, at, value);
    return;
  }
  const Gp value = use(n.in[1], x86::r11, n.bits), scratch = wide(kScratch, n.bits);
  if (value.id() != kScratch) {
    as_.mov(scratch, value);
  }
  n.aux == 0 ? as_.lock().xadd(at, scratch) : as_.xchg(at, scratch);
  finish(id, scratch);
}

/// x86 has no fetching OR, AND, XOR: compare and exchange until nobody came between. rax is free.
void IrEmitter::fetch_loop(Id id) {
  const ir::Node& n = f_.nodes[id];
  const asmjit::Label again = as_.newLabel();
  const Mem at = address(n, n.size, false);
  const Gp old = wide(kRax, n.bits), now = wide(kScratch, n.bits);
  as_.mov(old, at);
  as_.bind(again);
  // The address may occupy r10, so a large constant goes through the register that takes the result.
  const std::uint32_t inst = n.aux == 0x40 ? Inst::kIdOr : n.aux == 0x50 ? Inst::kIdAnd : Inst::kIdXor;
  const Gp value = use(n.in[1], x86::r11, n.bits);
  if (value.id() != kScratch) {
    as_.mov(now, value);
  }
  as_.emit(inst, now, old);
  as_.lock().cmpxchg(at, now);
  as_.jne(again);
  if (n.bits == 32) {
    as_.mov(x86::eax, x86::eax);
  }
  finish(id, x86::rax);
}

void IrEmitter::cmpxchg(Id id) {
  const ir::Node& n = f_.nodes[id];
  move({Place::kRegister, kRax}, place(n.in[2]));
  const Mem at = address(n, n.size, false);
  const Gp value = use(n.in[1], x86::r11, n.bits);
  as_.lock().cmpxchg(at, value);
  if (n.bits == 32) {
    as_.mov(x86::eax, x86::eax);  // on a hit rax stays as it was, upper half included
  }
  finish(id, x86::rax);
}

// ---- calls -------------------------------------------------------------------------------------

void IrEmitter::call(Id id) {
  const ir::Node& n = f_.nodes[id];
  std::vector<Move> moves = {{{Place::kRegister, kHelperMachineRegister}, place(machine_)}};
  for (std::uint32_t i = 0; i < n.count; ++i) {
    moves.push_back({{Place::kRegister, kArgumentRegisters[i]}, place(f_.list(id)[i])});
  }
  move_all(std::move(moves));
  const auto form = static_cast<DirectForm>(n.aux);
  as_.call(address_of(form != DirectForm::kNone ? direct_helper(form) : helper_function(static_cast<std::uint32_t>(n.imm))));
  finish(id, x86::rax);
}

void IrEmitter::call_local(Id id) {
  const ir::Node& n = f_.nodes[id];
  std::vector<Move> moves = {{{Place::kRegister, kMachineRegister}, place(machine_)},
                             {{Place::kRegister, kFrameRegister}, place(f_.list(id)[5])}};
  for (std::uint32_t i = 0; i < 5; ++i) {
    moves.push_back({{Place::kRegister, kArgumentRegisters[i]}, place(f_.list(id)[i])});
  }
  move_all(std::move(moves));
  as_.call(targets_.functions[static_cast<std::size_t>(n.imm)]);
  finish(id, x86::rax);
}

/// The helper gives the program to go on with plus one, or 0.
void IrEmitter::tail_call(Id id) {
  call(id);
  const asmjit::Label none = as_.newLabel();
  as_.test(x86::rax, x86::rax);
  as_.jz(none);
  move_all({{{Place::kRegister, kMachineRegister}, place(machine_)}, {{Place::kRegister, kFrameRegister}, place(f_.frame)}});
  as_.mov(x86::rdi, machine_member(offsetof(MachineState, r1), 8));
  as_.lea(x86::r10, x86::ptr(targets_.body_table));
  as_.mov(x86::r11, x86::qword_ptr(x86::r10, x86::rax, 3, -8));
  if (is_body_) {
    leave();
    as_.jmp(x86::r11);
  } else {
    as_.call(x86::r11);
    leave();
    as_.ret();
  }
  as_.bind(none);
}

}  // namespace kiln
