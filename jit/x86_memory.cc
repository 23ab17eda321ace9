// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and atomics as instructions.
#include "x86_function.h"

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;
using ir::kNone;
using IrOp = ir::Op;
namespace Inst = asmjit::x86::Inst;

namespace {

constexpr std::uint8_t kExchange = 0xe0;  // Node::aux

}  // namespace

void X86Function::load(Id id) {
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
void X86Function::update(Id id) {
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

void X86Function::store(Id id) {
  const ir::Node& n = f_.nodes[id];
  if (n.size == 16) {  // a copy
    as_.movups(x86::xmm0, address(f_.nodes[n.in[2]], 16, false));
    as_.movups(address(n, 16, true), x86::xmm0);
    return;
  }
  if (folded_[n.in[2]]) {
    return update(id);
  }
  const Mem to = address(n, n.size, true);
  if (f_.is_constant(n.in[2])) {
    const std::uint64_t value = f_.value(n.in[2]);
    const std::int64_t part = n.size == 8 ? static_cast<std::int64_t>(value)
                              : n.size == 4 ? static_cast<std::int32_t>(value)
                              : n.size == 2 ? static_cast<std::int16_t>(value) : static_cast<std::int8_t>(value);
    if (part == static_cast<std::int32_t>(part) && !options_.blinder.hides(part)) {
      as_.mov(to, imm(part));
      return;
    }
  }
  as_.mov(to, use(n.in[2], x86::r11, n.size * 8u));
}

void X86Function::atomic(Id id) {
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
void X86Function::fetch_loop(Id id) {
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

void X86Function::cmpxchg(Id id) {
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

}  // namespace kiln
