// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include <algorithm>
#include <bit>

namespace kiln::verifier {
namespace {

template <typename I>
bool disjoint(const I& a, const I& b) {
  return a.umax < b.umin || a.umin > b.umax || a.smax < b.smin || a.smin > b.smax;
}

std::optional<bool> decide_equal(bool is64, const Bounds& a, const Bounds& b) {
  const Tnum x = is64 ? a.bits : a.bits.low32();
  const Tnum y = is64 ? b.bits : b.bits.low32();
  if (x.is_constant() && y.is_constant()) {
    return x.value == y.value;
  }
  if (!x.overlaps(y) || disjoint(a.h, b.h) || (is64 && disjoint(a.w, b.w))) {
    return false;
  }
  return std::nullopt;
}

/// Only with a constant on one side, as the kernel.
std::optional<bool> decide_set(bool is64, const Bounds& a, const Bounds& b) {
  const Tnum x = is64 ? a.bits : a.bits.low32();
  const Tnum y = is64 ? b.bits : b.bits.low32();
  if (!x.is_constant() && !y.is_constant()) {
    return std::nullopt;
  }
  if ((x.value & y.value) != 0) {
    return true;
  }
  if (((x.value | x.mask) & (y.value | y.mask)) == 0) {
    return false;
  }
  return std::nullopt;
}

/// a < b or a <= b, by the ends of both ranges.
template <typename T>
std::optional<bool> decide_order(bool or_equal, T amin, T amax, T bmin, T bmax) {
  if (or_equal ? amax <= bmin : amax < bmin) {
    return true;
  }
  if (or_equal ? amin > bmax : amin >= bmax) {
    return false;
  }
  return std::nullopt;
}

template <typename I>
std::optional<bool> decide_less(CmpOp op, const I& a, const I& b) {
  const bool or_equal = op == CmpOp::kLe || op == CmpOp::kSle;
  return op == CmpOp::kLt || op == CmpOp::kLe
             ? decide_order(or_equal, a.umin, a.umax, b.umin, b.umax)
             : decide_order(or_equal, a.smin, a.smax, b.smin, b.smax);
}

template <typename T>
void assume_order(bool or_equal, T& amin, T& amax, T& bmin, T& bmax) {
  const T gap = or_equal ? T{0} : T{1};
  amax = std::min(amax, static_cast<T>(bmax - gap));
  bmin = std::max(bmin, static_cast<T>(amin + gap));
}

template <typename I>
void assume_less(CmpOp op, I& a, I& b) {
  const bool or_equal = op == CmpOp::kLe || op == CmpOp::kSle;
  if (op == CmpOp::kLt || op == CmpOp::kLe) {
    assume_order(or_equal, a.umin, a.umax, b.umin, b.umax);
  } else {
    assume_order(or_equal, a.smin, a.smax, b.smin, b.smax);
  }
}

template <typename I>
void assume_same_range(I& a, I& b) {
  a.umin = b.umin = std::max(a.umin, b.umin);
  a.umax = b.umax = std::min(a.umax, b.umax);
  a.smin = b.smin = std::max(a.smin, b.smin);
  a.smax = b.smax = std::min(a.smax, b.smax);
}

void assume_equal(bool is64, Bounds& a, Bounds& b) {
  assume_same_range(a.h, b.h);
  if (is64) {
    assume_same_range(a.w, b.w);
    a.bits = b.bits = intersect(a.bits, b.bits);
  } else {
    const Tnum both = intersect(a.bits.low32(), b.bits.low32());
    a.bits = a.bits.with_low32(both);
    b.bits = b.bits.with_low32(both);
  }
}

template <typename U, typename S>
void exclude(Interval<U, S>& a, U value) {
  const S as_signed = static_cast<S>(value);
  a.umin += a.umin == value ? 1 : 0;
  a.umax -= a.umax == value ? 1 : 0;
  a.smin += a.smin == as_signed ? 1 : 0;
  a.smax -= a.smax == as_signed ? 1 : 0;
}

/// A constant can only be excluded from a range by moving an end.
void assume_different(bool is64, Bounds& a, const Bounds& b) {
  if (is64 && b.is_constant()) {
    exclude(a.w, b.value());
  } else if (!is64 && b.is_constant32()) {
    exclude(a.h, static_cast<u32>(b.bits.value));
  }
}

void assume_bits(CmpOp op, bool is64, Bounds& a, const Bounds& b) {
  if (!(is64 ? b.is_constant() : b.is_constant32())) {
    return;
  }
  const u64 tested = is64 ? b.value() : b.bits.low32().value;
  if (op == CmpOp::kNotSet) {
    a.w = Interval64{};  // Linux gives up the ranges here, and so what a later comparison could exclude
    a.h = Interval32{};
    a.bits.value &= ~tested;
    a.bits.mask &= ~tested;
  } else if (std::has_single_bit(tested)) {
    a.bits.value |= tested;
    a.bits.mask &= ~tested;
  }
}

}  // namespace

std::optional<bool> decide(CmpOp op, bool is64, const Bounds& a, const Bounds& b) {
  const auto flip = [](std::optional<bool> known) {
    return known ? std::optional<bool>(!*known) : std::nullopt;
  };
  switch (op) {
    case CmpOp::kEq:
      return decide_equal(is64, a, b);
    case CmpOp::kNe:
      return flip(decide_equal(is64, a, b));
    case CmpOp::kSet:
      return decide_set(is64, a, b);
    case CmpOp::kNotSet:
      return flip(decide_set(is64, a, b));
    case CmpOp::kLt:
    case CmpOp::kLe:
    case CmpOp::kSlt:
    case CmpOp::kSle:
      return is64 ? decide_less(op, a.w, b.w) : decide_less(op, a.h, b.h);
    case CmpOp::kGt:
    case CmpOp::kGe:
    case CmpOp::kSgt:
    case CmpOp::kSge:
      return decide(exchange(op), is64, b, a);
  }
  return std::nullopt;
}

void assume(CmpOp op, bool is64, Bounds& a, Bounds& b) {
  switch (op) {
    case CmpOp::kEq:
      assume_equal(is64, a, b);
      break;
    case CmpOp::kNe:
      assume_different(is64, a, b);
      assume_different(is64, b, a);
      break;
    case CmpOp::kSet:
    case CmpOp::kNotSet:
      assume_bits(op, is64, a, b);
      assume_bits(op, is64, b, a);
      break;
    case CmpOp::kLt:
    case CmpOp::kLe:
    case CmpOp::kSlt:
    case CmpOp::kSle:
      if (is64) {
        assume_less(op, a.w, b.w);
      } else {
        assume_less(op, a.h, b.h);
      }
      break;
    case CmpOp::kGt:
    case CmpOp::kGe:
    case CmpOp::kSgt:
    case CmpOp::kSge:
      assume(exchange(op), is64, b, a);
      return;
  }
  a.sync();
  b.sync();
}

}  // namespace kiln::verifier
