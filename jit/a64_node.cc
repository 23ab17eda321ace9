// SPDX-License-Identifier: Apache-2.0
//
// One node of the intermediate form as AArch64 instructions.
#include "a64_function.h"

#include <cstddef>

#include <asmjit/arm/a64utils.h>

#include "direct_helpers.h"
#include "helper_runtime.h"

namespace kiln {

namespace a64 = asmjit::a64;
using asmjit::imm;
using ir::kNone;
using IrOp = ir::Op;
using Inst = asmjit::a64::Inst;

namespace {

constexpr std::uint8_t kOr = 0x40, kAnd = 0x50, kXor = 0xa0, kExchange = 0xe0;  // Node::aux of atomics
constexpr unsigned kBarrierInner = 0xb;                                          // dmb ish

/// STXR, or STLXR with `release`: the low 32 or all 64 bits of `value` to [x16], and to w`status` whether that failed. asmjit 1.9
/// does not know these with a value of 64 bits.
void store_exclusive(a64::Assembler& as, unsigned status, const a64::Gp& value, bool release) {
  constexpr std::uint32_t kStxr = 0x8800'7c00 | 16 << 5, kDouble = 1u << 30, kRelease = 1u << 15;
  const std::uint32_t word = kStxr | (value.isGpX() ? kDouble : 0) | (release ? kRelease : 0) | status << 16 | value.id();
  as.embed(&word, sizeof word);
}

}  // namespace

void A64Function::node(Id id) {
  switch (f_.nodes[id].op) {
    case IrOp::kAdd:
    case IrOp::kSub: return add_or_sub(id);
    case IrOp::kMul: return multiply(id);
    case IrOp::kAnd:
    case IrOp::kOr:
    case IrOp::kXor: return logical(id);
    case IrOp::kDiv:
    case IrOp::kMod:
    case IrOp::kSdiv:
    case IrOp::kSmod: return divide(id);
    case IrOp::kShl:
    case IrOp::kShr:
    case IrOp::kSar:
    case IrOp::kRotl: return shift(id);
    case IrOp::kNeg: {
      const ir::Node& n = f_.nodes[id];
      const Gp d = result(id, n.bits);
      as_.neg(d, use(n.in[0], 16, n.bits));
      return finish(id, d);
    }
    case IrOp::kSwap: return swap(id);
    case IrOp::kZext:
    case IrOp::kSext: return extend(id);
    case IrOp::kCrc32c: {  // the host has the instruction, or lookups are not inlined
      const ir::Node& n = f_.nodes[id];
      const Gp d = result(id, 32);
      as_.crc32cx(d, use(n.in[0], 16, 32), use(n.in[1], 14));
      return finish(id, d);
    }
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

// ---- arithmetic --------------------------------------------------------------------------------

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
    if (a64::Utils::isLogicalImm(value, n.bits)) {
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

// ---- memory ------------------------------------------------------------------------------------

void A64Function::load(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Gp d = result(id);
  const Mem from = address(n);
  switch (n.size) {
    case 1: n.is_signed ? as_.ldrsb(d, from) : as_.ldrb(d.w(), from); break;
    case 2: n.is_signed ? as_.ldrsh(d, from) : as_.ldrh(d.w(), from); break;
    case 4: n.is_signed ? as_.ldrsw(d, from) : as_.ldr(d.w(), from); break;
    default: as_.ldr(d, from);
  }
  finish(id, d);
}

void A64Function::store(Id id) {
  const ir::Node& n = f_.nodes[id];
  const bool is_zero = f_.is_constant(n.in[2]) && (n.size == 8 ? f_.value(n.in[2]) : f_.value(n.in[2]) << (64 - 8 * n.size)) == 0;
  const Mem to = address(n);
  const unsigned bits = n.size == 8 ? 64 : 32;
  const Gp value = !is_zero ? use(n.in[2], 17, bits) : bits == 64 ? Gp(a64::xzr) : Gp(a64::wzr);
  n.size == 1 ? as_.strb(value, to) : n.size == 2 ? as_.strh(value, to) : as_.str(value, to);
}

/// Load, compute, store if nobody came between: any AArch64 can. x14 the old value, x15 the new one, x16 the address,
/// x17 the operand, then whether the store failed.
void A64Function::atomic(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Mem at = a64::ptr(plain_address(n));
  const Gp old = wide(14, n.bits), now = wide(15, n.bits);
  const asmjit::Label again = as_.newLabel();
  as_.bind(again);
  const Gp value = use(n.in[1], 17, n.bits);
  n.fetches ? as_.ldaxr(old, at) : as_.ldxr(old, at);
  switch (n.aux) {
    case kExchange: as_.mov(now, value); break;
    case kOr: as_.orr(now, old, value); break;
    case kAnd: as_.and_(now, old, value); break;
    case kXor: as_.eor(now, old, value); break;
    default: as_.add(now, old, value);
  }
  store_exclusive(as_, 17, now, n.fetches);
  as_.cbnz(a64::w17, again);
  if (n.fetches) {  // what returns a value is ordered with everything around it
    as_.dmb(imm(kBarrierInner));
    finish(id, old);
  }
}

void A64Function::cmpxchg(Id id) {
  const ir::Node& n = f_.nodes[id];
  const Mem at = a64::ptr(plain_address(n));
  const Gp old = wide(14, n.bits);
  const asmjit::Label again = as_.newLabel(), done = as_.newLabel();
  as_.bind(again);
  const Gp expected = use(n.in[2], 15, n.bits), value = use(n.in[1], 17, n.bits);
  as_.ldaxr(old, at);
  as_.cmp(old, expected);
  as_.b_ne(done);
  store_exclusive(as_, 15, value, true);
  as_.cbnz(a64::w15, again);
  as_.bind(done);
  as_.dmb(imm(kBarrierInner));
  finish(id, old);
}

// ---- calls -------------------------------------------------------------------------------------

void A64Function::call(Id id) {
  const ir::Node& n = f_.nodes[id];
  std::vector<Move> moves = {{{Place::kRegister, kA64Registers.helper_machine}, place(machine_)}};
  for (std::uint32_t i = 0; i < n.count; ++i) {
    moves.push_back({{Place::kRegister, kA64Registers.arguments[i]}, place(f_.list(id)[i])});
  }
  move_all(std::move(moves));
  const auto form = static_cast<DirectForm>(n.aux);
  const HelperFunction helper = form != DirectForm::kNone ? direct_helper(form) : helper_function(static_cast<std::uint32_t>(n.imm));
  load_constant(16, reinterpret_cast<std::uintptr_t>(helper));
  as_.blr(a64::x16);
  finish(id, a64::x0);
}

void A64Function::call_local(Id id) {
  const ir::Node& n = f_.nodes[id];
  std::vector<Move> moves = {{{Place::kRegister, kA64Machine}, place(machine_)},
                             {{Place::kRegister, kA64Frame}, place(f_.list(id)[5])}};
  for (std::uint32_t i = 0; i < 5; ++i) {
    moves.push_back({{Place::kRegister, kA64Registers.arguments[i]}, place(f_.list(id)[i])});
  }
  move_all(std::move(moves));
  as_.bl(targets_.functions[static_cast<std::size_t>(n.imm)]);
  finish(id, a64::x0);
}

/// The helper gives the program to go on with plus one, or 0.
void A64Function::tail_call(Id id) {
  call(id);
  const asmjit::Label none = as_.newLabel();
  as_.cbz(a64::x0, none);
  move_all({{{Place::kRegister, kA64Machine}, place(machine_)}, {{Place::kRegister, kA64Frame}, place(f_.frame)}});
  as_.ldr(a64::x16, a64::ptr(table_address_));
  as_.add(a64::x16, a64::x16, a64::x0, asmjit::arm::lsl(3));
  as_.ldr(a64::x16, a64::ptr(a64::x16, -8));
  as_.ldr(a64::x0, a64::ptr(a64::x(kA64Machine), static_cast<std::int32_t>(offsetof(MachineState, r1))));
  if (is_body_) {
    leave();
    as_.br(a64::x16);
  } else {
    as_.blr(a64::x16);
    leave();
    as_.ret(a64::x30);
  }
  as_.bind(none);
}

}  // namespace kiln
