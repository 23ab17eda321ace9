// SPDX-License-Identifier: Apache-2.0
//
// Loads, stores and atomics as instructions.
#include "a64_function.h"

namespace kiln {

namespace a64 = asmjit::a64;
using asmjit::imm;

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

}  // namespace kiln
