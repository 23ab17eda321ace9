// SPDX-License-Identifier: Apache-2.0
//
// What is known about a 64-bit value: a tnum, and ranges of it as u64, s64 and of its low half as
// u32, s32. Each part is a sound description by itself; sync() lets each sharpen the others.
//
// A contradiction (a range whose ends cross) means that no value is possible: the path is dead.
// Nothing here acts on that; consistent() tells.
#pragma once

#include <limits>

#include "tnum.h"

namespace kiln::verifier {

/// A number of one width, seen unsigned and signed. Both ranges hold; neither implies the other.
template <typename U, typename S>
struct Interval {
  U umin = 0;
  U umax = std::numeric_limits<U>::max();
  S smin = std::numeric_limits<S>::min();
  S smax = std::numeric_limits<S>::max();

  static constexpr Interval constant(U v) { return {v, v, static_cast<S>(v), static_cast<S>(v)}; }
  constexpr bool consistent() const { return umin <= umax && smin <= smax; }
  constexpr bool is_constant() const { return umin == umax && smin == smax; }
  constexpr bool holds(const Interval& inner) const {
    return umin <= inner.umin && umax >= inner.umax && smin <= inner.smin && smax >= inner.smax;
  }
  bool operator==(const Interval&) const = default;

  void clear_unsigned() {
    umin = 0;
    umax = std::numeric_limits<U>::max();
  }
  void clear_signed() {
    smin = std::numeric_limits<S>::min();
    smax = std::numeric_limits<S>::max();
  }
  void limit_unsigned(U min, U max) {
    umin = min > umin ? min : umin;
    umax = max < umax ? max : umax;
  }
  void limit_signed(S min, S max) {
    smin = min > smin ? min : smin;
    smax = max < smax ? max : smax;
  }
  /// Sharpens each of the two ranges by the other.
  void sync_signs();
};

using Interval64 = Interval<u64, s64>;
using Interval32 = Interval<u32, s32>;

struct Bounds {
  Tnum bits = Tnum::unknown();
  Interval64 w;  ///< the whole word
  Interval32 h;  ///< its low half

  static Bounds constant(u64 v);
  static Bounds unknown() { return {}; }
  bool is_constant() const { return bits.is_constant(); }
  bool is_constant32() const { return bits.low32().is_constant(); }
  u64 value() const { return bits.value; }  ///< REQUIRES: is_constant()
  bool holds(const Bounds& inner) const {
    return bits.holds(inner.bits) && w.holds(inner.w) && h.holds(inner.h);
  }
  bool consistent() const { return w.consistent() && h.consistent(); }
  bool operator==(const Bounds&) const = default;

  /// Sharpens every part by the others. Idempotent enough: further rounds may still gain a little.
  void sync();

  // Conversions, each complete with sync().
  void zero_extend32();                     ///< a 32-bit result was written
  void truncate(unsigned bytes);            ///< zero-extended from 1, 2, 4 bytes; 8: nothing
  void sign_extend(unsigned bits_wide);     ///< from the lowest 8, 16 or 32 bits to 64
  void sign_extend_to32(unsigned bits_wide);  ///< from the lowest 8 or 16 bits to 32, upper half 0
  /// Whether sign extension from that many bits changes nothing.
  bool fits_signed(unsigned bits_wide) const { return w.umax < u64{1} << (bits_wide - 1); }
  /// Position of the highest bit that may be set, plus one.
  unsigned width() const;

 private:
  void ranges_from_bits();
  void half_from_word();
  void word_from_half();
  void bits_from_ranges();
};

}  // namespace kiln::verifier
