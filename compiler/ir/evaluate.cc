// SPDX-License-Identifier: Apache-2.0
//
// RFC 9669's arithmetic on constants (sections 4.1, 4.2): division by zero gives 0, modulo by zero the dividend,
// shift counts are taken modulo the width.
#include "evaluate.h"

#include <bit>

namespace kiln::ir {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

u64 low_bytes(u64 value, unsigned bytes) { return bytes == 8 ? value : value & ((u64{1} << (8 * bytes)) - 1); }

u64 sign_extend(u64 value, unsigned bytes) {
  const unsigned shift = 64 - 8 * bytes;
  return static_cast<u64>(static_cast<std::int64_t>(value << shift) >> shift);
}

u64 crc32c(u32 crc, u64 word) {
  u64 v = word ^ crc;
  for (int bit = 0; bit < 64; ++bit) {
    v = (v >> 1) ^ ((v & 1) != 0 ? 0x82f63b78 : 0);
  }
  return static_cast<u32>(v);
}

u64 divide(Op op, unsigned bits, u64 a, u64 b) {
  const bool is_signed = op == Op::kSdiv || op == Op::kSmod, is_modulo = op == Op::kMod || op == Op::kSmod;
  if (b == 0) {
    return is_modulo ? a : 0;
  }
  if (!is_signed) {
    return is_modulo ? a % b : a / b;
  }
  const auto sa = static_cast<std::int64_t>(bits == 32 ? sign_extend(a, 4) : a);
  const auto sb = static_cast<std::int64_t>(bits == 32 ? sign_extend(b, 4) : b);
  if (sb == -1) {
    return is_modulo ? 0 : 0 - static_cast<u64>(sa);
  }
  return static_cast<u64>(is_modulo ? sa % sb : sa / sb);
}

u64 binary(const Node& n, u64 a, u64 b) {
  const unsigned by = static_cast<unsigned>(b) & (n.bits - 1u);
  switch (n.op) {
    case Op::kAdd: return a + b;
    case Op::kSub: return a - b;
    case Op::kMul: return a * b;
    case Op::kAnd: return a & b;
    case Op::kOr: return a | b;
    case Op::kXor: return a ^ b;
    case Op::kShl: return a << by;
    case Op::kShr: return a >> by;
    case Op::kSar:
      return static_cast<u64>(static_cast<std::int64_t>(n.bits == 32 ? sign_extend(a, 4) : a) >> by);
    case Op::kRotl: return n.bits == 32 ? std::rotl(static_cast<u32>(a), static_cast<int>(by)) : std::rotl(a, static_cast<int>(by));
    case Op::kCrc32c: return crc32c(static_cast<u32>(a), b);
    default: return divide(n.op, n.bits, a, b);
  }
}

u64 unary(const Node& n, u64 a) {
  switch (n.op) {
    case Op::kNeg: return 0 - a;
    case Op::kZext: return low_bytes(a, n.size);
    case Op::kSext: return sign_extend(a, n.size);
    default:  // kSwap
      return __builtin_bswap64(a) >> (64 - 8 * n.size);
  }
}

bool is_binary(Op op) { return (op >= Op::kAdd && op <= Op::kRotl) || op == Op::kCrc32c; }
bool is_unary(Op op) { return op >= Op::kNeg && op <= Op::kSext; }

/// All bits up to the highest that is set.
u64 filled(u64 bits) { return bits == 0 ? 0 : ~u64{0} >> std::countl_zero(bits); }

u64 maybe_of_binary(const Function& f, const Node& n) {
  const u64 a = f.nodes[n.in[0]].maybe, b = f.nodes[n.in[1]].maybe;
  const bool constant = f.is_constant(n.in[1]);
  const unsigned by = static_cast<unsigned>(f.value(n.in[1])) & (n.bits - 1u);
  switch (n.op) {
    case Op::kAnd: return a & b;
    case Op::kOr:
    case Op::kXor: return a | b;
    case Op::kAdd: {
      const u64 wide = filled(a | b);
      return wide >> 63 != 0 ? ~u64{0} : wide << 1 | 1;
    }
    case Op::kShl: return constant ? a << by : ~u64{0};
    case Op::kShr: return constant && n.bits == 64 ? a >> by : constant ? (a & 0xffff'ffff) >> by : filled(a);
    case Op::kMod: return constant && f.value(n.in[1]) != 0 ? filled(b) & filled(a) : filled(a);
    case Op::kDiv: return filled(a);
    default: return ~u64{0};
  }
}

}  // namespace

std::optional<u64> evaluate_node(const Function& f, Id id) {
  const Node& n = f.nodes[id];
  const auto value = [&](unsigned i) { return n.bits == 32 ? static_cast<u32>(f.value(n.in[i])) : f.value(n.in[i]); };
  u64 result = 0;
  if (is_binary(n.op) && f.is_constant(n.in[0]) && f.is_constant(n.in[1])) {
    result = binary(n, value(0), n.op == Op::kCrc32c ? f.value(n.in[1]) : value(1));
  } else if (is_unary(n.op) && f.is_constant(n.in[0])) {
    result = unary(n, f.value(n.in[0]));
  } else {
    return std::nullopt;
  }
  return n.bits == 32 ? static_cast<u32>(result) : result;
}

u64 maybe_bits(const Function& f, Id id) {
  const Node& n = f.nodes[id];
  u64 maybe = ~u64{0};
  if (n.op == Op::kConst) {
    return f.value(id);
  }
  if (n.op == Op::kPhi) {
    maybe = n.count == 0 ? ~u64{0} : 0;
    for (const Id in : f.list(id)) {
      maybe |= in == kNone ? ~u64{0} : f.nodes[in].maybe;  // around a loop: what held before, which was true too
    }
  } else if (n.op == Op::kLoad) {
    maybe = n.is_signed ? ~u64{0} : low_bytes(~u64{0}, n.size);
  } else if (n.op == Op::kAtomic || n.op == Op::kCmpxchg || n.op == Op::kLoadAcquire) {
    maybe = low_bytes(~u64{0}, n.size);
  } else if (n.op == Op::kZext) {
    maybe = low_bytes(f.nodes[n.in[0]].maybe, n.size);
  } else if (n.op == Op::kSwap) {
    maybe = low_bytes(~u64{0}, n.size);
  } else if (n.op == Op::kCrc32c) {
    maybe = 0xffff'ffff;
  } else if (is_binary(n.op)) {
    maybe = maybe_of_binary(f, n);
  }
  return n.bits == 32 ? maybe & 0xffff'ffff : maybe;
}

bool evaluate(Cond cond, unsigned bits, u64 a, u64 b) {
  if (bits == 32) {
    a = static_cast<u32>(a);
    b = static_cast<u32>(b);
  }
  const auto sa = static_cast<std::int64_t>(bits == 32 ? sign_extend(a, 4) : a);
  const auto sb = static_cast<std::int64_t>(bits == 32 ? sign_extend(b, 4) : b);
  switch (cond) {
    case Cond::kEq: return a == b;
    case Cond::kNe: return a != b;
    case Cond::kUgt: return a > b;
    case Cond::kUge: return a >= b;
    case Cond::kUlt: return a < b;
    case Cond::kUle: return a <= b;
    case Cond::kSgt: return sa > sb;
    case Cond::kSge: return sa >= sb;
    case Cond::kSlt: return sa < sb;
    case Cond::kSle: return sa <= sb;
    case Cond::kSet: return (a & b) != 0;
    case Cond::kNotSet: return (a & b) == 0;
  }
  return false;
}

}  // namespace kiln::ir
