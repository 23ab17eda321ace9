// SPDX-License-Identifier: Apache-2.0
#include "range.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <type_traits>
#include <utility>

namespace kiln::verifier {

template <typename U, typename S>
void Interval<U, S>::sync_signs() {
  // On the circle of numbers the signed range is one arc, or one in the non-negative half and one in
  // the negative half. If the unsigned range meets only one of the two, both are known better.
  if (!consistent()) {
    return;
  }
  constexpr U kTop = std::numeric_limits<U>::max();
  const bool split = smin < 0 && smax >= 0;
  const U low_min = umin > (split ? U{0} : static_cast<U>(smin)) ? umin : (split ? U{0} : static_cast<U>(smin));
  const U low_max = umax < static_cast<U>(smax) ? umax : static_cast<U>(smax);
  const bool low = low_min <= low_max;  // the only arc when not split
  if (!split) {
    umin = low_min;
    umax = low_max;
    if (low) {
      smin = static_cast<S>(umin);
      smax = static_cast<S>(umax);
    }
    return;
  }
  const U high_min = umin > static_cast<U>(smin) ? umin : static_cast<U>(smin);
  const U high_max = umax < kTop ? umax : kTop;
  const bool high = high_min <= high_max;
  if (low == high) {
    return;  // both: nothing gained. Neither: a contradiction that the caller will meet elsewhere
  }
  umin = low ? low_min : high_min;
  umax = low ? low_max : high_max;
  smin = static_cast<S>(umin);
  smax = static_cast<S>(umax);
}

template struct Interval<u8, std::int8_t>;  // exhaustive test
template struct Interval<u32, s32>;
template struct Interval<u64, s64>;

Bounds Bounds::constant(u64 v) {
  return {Tnum::constant(v), Interval64::constant(v), Interval32::constant(static_cast<u32>(v))};
}

namespace {

template <typename U, typename S>
void limit_by_bits(Interval<U, S>& range, U value, U mask) {
  constexpr U kSign = U{1} << (std::numeric_limits<U>::digits - 1);
  range.limit_unsigned(value, value | mask);
  // Smallest: an unknown sign set, the rest clear. Largest: the other way round.
  range.limit_signed(static_cast<S>(value | (mask & kSign)), static_cast<S>(value | (mask & ~kSign)));
}

/// The one number in [min, max] that the bits allow; nullopt: several, or not worth asking. As Linux, which
/// does not move the ends of a range to numbers that the bits allow otherwise, and which, where no number is left,
/// goes on with one that is close by: such a way is not seen to be dead.
std::optional<u64> only_member(u64 min, u64 max, Tnum bits) {
  const u64 greatest = bits.value | bits.mask;
  const auto after = [&](u64 v) { return v >= greatest ? greatest : *bits.at_least(v + 1); };
  if ((bits.mask & (bits.mask + 1)) == 0 && min <= max) {  // the members are a run, of which limit_by_bits() knew the ends
    return min > greatest ? std::optional(greatest) : std::nullopt;
  }
  const u64 next = after(min);
  if (bits.holds(min)) {
    return next > max ? std::optional(min) : std::nullopt;
  }
  const bool only = next == greatest || (next <= max && after(next) > max);
  return only ? std::optional(next) : std::nullopt;
}

}  // namespace

void Bounds::ranges_from_bits() {
  limit_by_bits(w, bits.value, bits.mask);
  limit_by_bits(h, static_cast<u32>(bits.value), static_cast<u32>(bits.mask));
  if (const auto only = only_member(w.umin, w.umax, bits)) {
    *this = constant(*only);
  }
}

void Bounds::half_from_word() {
  // A run of fewer than 2^32 consecutive numbers has low halves that form one arc.
  const auto limit = [this](u64 first, u64 last) {
    if (last - first > std::numeric_limits<u32>::max()) {
      return;
    }
    const u32 from = static_cast<u32>(first), to = static_cast<u32>(last);
    if (from <= to) {
      h.limit_unsigned(from, to);
    }
    if (static_cast<s32>(from) <= static_cast<s32>(to)) {
      h.limit_signed(static_cast<s32>(from), static_cast<s32>(to));
    }
  };
  if (w.consistent()) {
    limit(w.umin, w.umax);
    limit(static_cast<u64>(w.smin), static_cast<u64>(w.smax));
  }
}

void Bounds::word_from_half() {
  // The smallest word is no smaller than its own upper half with the smallest low half; any word
  // with a greater upper half is greater still. The same for the largest, and for signed words.
  constexpr u64 kUpper = ~u64{0xffff'ffff};
  w.limit_unsigned((w.umin & kUpper) | h.umin, (w.umax & kUpper) | h.umax);
  w.limit_signed(static_cast<s64>((static_cast<u64>(w.smin) & kUpper) | h.umin),
                 static_cast<s64>((static_cast<u64>(w.smax) & kUpper) | h.umax));
  // A sign-extended 32-bit number. Linux takes the half for the whole word then, even if that was known better.
  if (h.smin >= 0 && w.smin >= std::numeric_limits<s32>::min() && w.smax <= std::numeric_limits<s32>::max()) {
    w = {static_cast<u32>(h.smin), static_cast<u32>(h.smax), h.smin, h.smax};
    bits = intersect(bits, Tnum::range(w.umin, w.umax));
  }
}

void Bounds::bits_from_ranges() {
  bits = intersect(bits, Tnum::range(w.umin, w.umax));
  bits = bits.with_low32(intersect(bits.low32(), Tnum::range(h.umin, h.umax)));
}

void Bounds::sync() {
  ranges_from_bits();
  for (int round = 0; round < 3; ++round) {
    half_from_word();
    h.sync_signs();
    w.sync_signs();
    word_from_half();
  }
  bits_from_ranges();
  ranges_from_bits();
}

void Bounds::zero_extend32() {
  bits = bits.low32();
  w = {h.umin, h.umax, static_cast<s64>(h.umin), static_cast<s64>(h.umax)};
  sync();
}

void Bounds::truncate(unsigned bytes) {
  if (bytes >= 8) {
    return;
  }
  const u64 keep = (u64{1} << (bytes * 8)) - 1;
  bits = bits.low_bytes(bytes);
  const bool same_upper = (w.umin & ~keep) == (w.umax & ~keep);
  const u64 min = same_upper ? w.umin & keep : 0;
  const u64 max = same_upper ? w.umax & keep : keep;
  w = {min, max, static_cast<s64>(min), static_cast<s64>(max)};
  if (bytes < 4) {
    h = Interval32{};
  }
  sync();
}

namespace {

/// [min, max] after keeping the lowest `bits_wide` bits of each number and extending their sign; nullopt
/// where that wraps. Linux's rule, which asks that both ends agree in every bit that is dropped.
template <typename S>
std::optional<std::pair<S, S>> extended_range(S min, S max, unsigned bits_wide) {
  using U = std::make_unsigned_t<S>;
  constexpr unsigned kBits = std::numeric_limits<U>::digits;
  if (bits_wide < kBits && static_cast<U>(min) >> bits_wide != static_cast<U>(max) >> bits_wide) {
    return std::nullopt;
  }
  const unsigned gap = kBits - bits_wide;
  const auto extend = [gap](S v) { return static_cast<S>(static_cast<U>(v) << gap) >> gap; };
  const S low = static_cast<S>(extend(min)), high = static_cast<S>(extend(max));
  const bool same_sign = (low < 0) == (high < 0);
  return same_sign ? std::optional(std::pair(std::min(low, high), std::max(low, high))) : std::nullopt;
}

}  // namespace

void Bounds::sign_extend(unsigned bits_wide) {
  const unsigned gap = 64 - bits_wide;
  if (is_constant()) {
    *this = constant(static_cast<u64>(static_cast<s64>(value() << gap) >> gap));
    return;
  }
  const s64 top = (s64{1} << (bits_wide - 1)) - 1;
  const auto range = extended_range(w.smin, w.smax, bits_wide);
  Bounds result;
  result.w.limit_signed(range ? range->first : -top - 1, range ? range->second : top);
  result.sync();
  *this = result;
}

void Bounds::sign_extend_to32(unsigned bits_wide) {
  if (!is_constant()) {
    const s32 top = (s32{1} << (bits_wide - 1)) - 1;
    const auto range = extended_range(h.smin, h.smax, bits_wide);
    bits = Tnum::unknown();
    h = Interval32{};
    h.limit_signed(range ? range->first : -top - 1, range ? range->second : top);
  } else {
    sign_extend(bits_wide);
  }
  zero_extend32();
}

unsigned Bounds::width() const { return static_cast<unsigned>(64 - std::countl_zero(w.umax)); }

}  // namespace kiln::verifier
