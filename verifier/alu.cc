// SPDX-License-Identifier: Apache-2.0
#include "alu.h"

#include <algorithm>
#include <type_traits>

namespace kiln::verifier {
namespace {

template <typename U, typename S>
Interval<U, S> add_ranges(const Interval<U, S>& a, const Interval<U, S>& b) {
  Interval<U, S> r;
  const U low = static_cast<U>(a.umin + b.umin), high = static_cast<U>(a.umax + b.umax);
  if ((low < a.umin) == (high < a.umax)) {  // no sum wraps, or every one does
    r.umin = low;
    r.umax = high;
  }
  S smin = 0, smax = 0;
  if (!__builtin_add_overflow(a.smin, b.smin, &smin) && !__builtin_add_overflow(a.smax, b.smax, &smax)) {
    r.smin = smin;
    r.smax = smax;
  }
  return r;
}

template <typename U, typename S>
Interval<U, S> sub_ranges(const Interval<U, S>& a, const Interval<U, S>& b) {
  Interval<U, S> r;
  if ((a.umin < b.umax) == (a.umax < b.umin)) {  // no difference wraps, or every one does
    r.umin = static_cast<U>(a.umin - b.umax);
    r.umax = static_cast<U>(a.umax - b.umin);
  }
  S smin = 0, smax = 0;
  if (!__builtin_sub_overflow(a.smin, b.smax, &smin) && !__builtin_sub_overflow(a.smax, b.smin, &smax)) {
    r.smin = smin;
    r.smax = smax;
  }
  return r;
}

template <typename U, typename S>
Interval<U, S> mul_ranges(const Interval<U, S>& a, const Interval<U, S>& b) {
  Interval<U, S> r;
  U high = 0;
  if (!__builtin_mul_overflow(a.umax, b.umax, &high)) {
    r.umin = static_cast<U>(a.umin * b.umin);
    r.umax = high;
  }
  S corner[4] = {};
  const bool wraps = __builtin_mul_overflow(a.smin, b.smin, &corner[0]) ||
                     __builtin_mul_overflow(a.smin, b.smax, &corner[1]) ||
                     __builtin_mul_overflow(a.smax, b.smin, &corner[2]) ||
                     __builtin_mul_overflow(a.smax, b.smax, &corner[3]);
  if (!wraps) {
    r.smin = *std::min_element(corner, corner + 4);
    r.smax = *std::max_element(corner, corner + 4);
  }
  return r;
}

template <typename U, typename S>
Interval<U, S> logic_ranges(AluOp op, const Interval<U, S>& a, const Interval<U, S>& b, Tnum bits) {
  Interval<U, S> r;
  r.umin = static_cast<U>(bits.value);
  r.umax = static_cast<U>(bits.value | bits.mask);
  if (op == AluOp::kAnd) {
    r.umax = std::min({r.umax, a.umax, b.umax});
  } else if (op == AluOp::kOr) {
    r.umin = std::max({r.umin, a.umin, b.umin});
  }
  return r;
}

template <typename U, typename S>
Interval<U, S> shift_left_ranges(const Interval<U, S>& a, unsigned count) {
  // As Linux: no more is known of signs than the unsigned range says, and nothing if the sign may be reached.
  Interval<U, S> r;
  if (a.umax <= U{1} << (std::numeric_limits<U>::digits - 1 - count)) {
    r.umin = static_cast<U>(a.umin << count);
    r.umax = static_cast<U>(a.umax << count);
  }
  return r;
}

Tnum combine_bits(AluOp op, Tnum a, Tnum b) {
  switch (op) {
    case AluOp::kAdd: return add(a, b);
    case AluOp::kSub: return sub(a, b);
    case AluOp::kMul: return mul(a, b);
    case AluOp::kAnd: return bit_and(a, b);
    case AluOp::kOr: return bit_or(a, b);
    case AluOp::kXor: return bit_xor(a, b);
    default: return Tnum::unknown();
  }
}

/// Either width of an operation that is defined for each width by itself.
template <typename I>
I combine_ranges(AluOp op, const I& a, const I& b, Tnum bits) {
  switch (op) {
    case AluOp::kAdd: return add_ranges(a, b);
    case AluOp::kSub: return sub_ranges(a, b);
    case AluOp::kMul: return mul_ranges(a, b);
    case AluOp::kAnd:
    case AluOp::kOr:
    case AluOp::kXor: return logic_ranges(op, a, b, bits);
    default: return I{};
  }
}

Bounds shift64(AluOp op, const Bounds& dst, unsigned count) {
  Bounds r;
  if (op == AluOp::kLsh) {
    r.bits = shift_left(dst.bits, count);
    r.w = shift_left_ranges(dst.w, count);
    if (count == 32) {  // half of the compiler's sign extension: only the low half matters
      r.w.limit_signed(static_cast<s64>(static_cast<u64>(static_cast<s64>(dst.h.smin)) << 32),
                       static_cast<s64>(static_cast<u64>(static_cast<s64>(dst.h.smax)) << 32));
    }
    r.h = count < 32 ? shift_left_ranges(dst.h, count) : Interval32::constant(0);
  } else if (op == AluOp::kRsh) {
    r.bits = shift_right(dst.bits, count);
    r.w.limit_unsigned(dst.w.umin >> count, dst.w.umax >> count);
  } else {
    r.bits = shift_right_signed(dst.bits, count, 64);
    r.w.limit_signed(dst.w.smin >> count, dst.w.smax >> count);
  }
  return r;
}

Bounds shift32(AluOp op, const Bounds& dst, unsigned count) {
  Bounds r;
  if (op == AluOp::kLsh) {
    r.bits = shift_left(dst.bits, count).low32();
    r.h = shift_left_ranges(dst.h, count);
  } else if (op == AluOp::kRsh) {
    r.bits = shift_right(dst.bits.low32(), count);
    r.h.limit_unsigned(dst.h.umin >> count, dst.h.umax >> count);
  } else {
    r.bits = shift_right_signed(dst.bits.low32(), count, 32);
    r.h.limit_signed(dst.h.smin >> count, dst.h.smax >> count);
  }
  return r;
}

}  // namespace

Bounds alu(AluOp op, bool is64, const Bounds& dst, const Bounds& src) {
  Bounds r;
  switch (op) {
    case AluOp::kMov:
      r = src;
      break;
    case AluOp::kAdd:
    case AluOp::kSub:
    case AluOp::kMul:
    case AluOp::kAnd:
    case AluOp::kOr:
    case AluOp::kXor:
      r.bits = combine_bits(op, dst.bits, src.bits);
      r.h = combine_ranges(op, dst.h, src.h, r.bits.low32());
      if (is64) {
        r.w = combine_ranges(op, dst.w, src.w, r.bits);
      }
      break;
    case AluOp::kLsh:
    case AluOp::kRsh:
    case AluOp::kArsh:
      if (src.is_constant() && src.value() < (is64 ? 64u : 32u)) {
        const unsigned count = static_cast<unsigned>(src.value());
        r = is64 ? shift64(op, dst, count) : shift32(op, dst, count);
        break;
      }
      return Bounds::unknown();
    case AluOp::kDiv:
    case AluOp::kSdiv:
    case AluOp::kMod:
    case AluOp::kSmod:
      return Bounds::unknown();
  }
  if (is64) {
    r.sync();
  } else {
    r.zero_extend32();
  }
  return r;
}

Bounds byte_swap(unsigned width, bool swaps, const Bounds& b) {
  Bounds r = b;
  if (!swaps) {
    r.truncate(width / 8);
    return r;
  }
  const Tnum low = b.bits.low_bytes(width / 8);
  const unsigned gap = 64 - width;
  r = Bounds::unknown();
  r.bits = {__builtin_bswap64(low.value) >> gap, __builtin_bswap64(low.mask) >> gap};
  r.sync();
  return r;
}

}  // namespace kiln::verifier
