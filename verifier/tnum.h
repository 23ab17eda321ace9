// SPDX-License-Identifier: Apache-2.0
//
// A tristate number: of each of 64 bits, whether it is 0, 1 or unknown. Every operation is sound: the
// result holds whatever the operation gives for any two numbers that the operands hold.
//
// It is not a range; range.h keeps both and lets each sharpen the other.
// Source: Vishwanathan et al., Sound, Precise, and Fast Abstract Interpretation with Tristate Numbers
// (CGO 2022), for the meaning of value and mask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace kiln::verifier {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using s32 = std::int32_t;
using s64 = std::int64_t;

/// Invariant: (value & mask) == 0. A bit set in mask is unknown, else it is as in value.
struct Tnum {
  u64 value = 0;
  u64 mask = ~u64{0};

  static constexpr Tnum constant(u64 v) { return {v, 0}; }
  static constexpr Tnum unknown() { return {0, ~u64{0}}; }
  /// The tightest tnum that holds all of [min, max].
  static Tnum range(u64 min, u64 max);

  constexpr bool is_constant() const { return mask == 0; }
  constexpr bool is_unknown() const { return mask == ~u64{0}; }
  constexpr bool holds(u64 v) const { return ((v ^ value) & ~mask) == 0; }
  /// Every number in `inner` is in this one.
  constexpr bool holds(Tnum inner) const {
    return (inner.mask & ~mask) == 0 && ((inner.value ^ value) & ~mask) == 0;
  }
  /// Some number is in both.
  constexpr bool overlaps(Tnum other) const {
    return ((value ^ other.value) & ~mask & ~other.mask) == 0;
  }
  constexpr bool is_aligned(u64 size) const { return ((value | mask) & (size - 1)) == 0; }
  /// The smallest number in it that is >= v, the largest that is <= v; nullopt: there is none.
  std::optional<u64> at_least(u64 v) const;
  std::optional<u64> at_most(u64 v) const;
  constexpr Tnum low32() const { return {value & 0xffff'ffffu, mask & 0xffff'ffffu}; }
  /// The lowest `bytes` bytes, the rest zero. bytes: 1, 2, 4 or 8.
  constexpr Tnum low_bytes(unsigned bytes) const {
    const u64 keep = bytes >= 8 ? ~u64{0} : (u64{1} << (bytes * 8)) - 1;
    return {value & keep, mask & keep};
  }
  constexpr Tnum with_low32(Tnum low) const {
    return {(value & ~u64{0xffff'ffff}) | (low.value & 0xffff'ffffu),
            (mask & ~u64{0xffff'ffff}) | (low.mask & 0xffff'ffffu)};
  }
  bool operator==(const Tnum&) const = default;

  /// As the kernel's log: "(0x0; 0xff)", or the number alone if constant, decimal if small.
  std::string text() const;
};

Tnum add(Tnum a, Tnum b);
Tnum sub(Tnum a, Tnum b);
Tnum mul(Tnum a, Tnum b);
Tnum bit_and(Tnum a, Tnum b);
Tnum bit_or(Tnum a, Tnum b);
Tnum bit_xor(Tnum a, Tnum b);
Tnum shift_left(Tnum a, unsigned count);
Tnum shift_right(Tnum a, unsigned count);
/// \param width  32 or 64: the sign is bit width - 1, and for 32 the upper half of the result is 0.
Tnum shift_right_signed(Tnum a, unsigned count, unsigned width);
/// Numbers in both. REQUIRES: a.overlaps(b), else the result means nothing.
Tnum intersect(Tnum a, Tnum b);
/// The tightest that holds everything in either.
Tnum join(Tnum a, Tnum b);

}  // namespace kiln::verifier
