// SPDX-License-Identifier: Apache-2.0
#include "tnum.h"

#include <bit>

#include <fmt/format.h>

namespace kiln::verifier {

Tnum Tnum::range(u64 min, u64 max) {
  // Above the highest bit in which the ends differ all numbers between them agree.
  const int varying = 64 - std::countl_zero(min ^ max);
  if (varying == 64) {
    return unknown();
  }
  const u64 mask = (u64{1} << varying) - 1;
  return {min & ~mask, mask};
}

std::optional<u64> Tnum::at_least(u64 v) const {
  const u64 wrong = (v ^ value) & ~mask;
  if (wrong == 0) {
    return v;
  }
  const int top = 63 - std::countl_zero(wrong);  // above it v is as the tnum wants it
  const u64 below = (u64{2} << top) - 1;         // bits top..0
  if ((v >> top & 1) == 0) {
    return (v & ~below) | (value & below);  // the known 1 at `top` makes it larger already
  }
  // v is too large from `top` down: raise the lowest free bit above it that v has clear.
  const u64 free = mask & ~v & ~below;
  if (free == 0) {
    return std::nullopt;
  }
  const u64 raised = free & (~free + 1);
  return (v & ~(raised * 2 - 1)) | raised | (value & (raised - 1));
}

std::optional<u64> Tnum::at_most(u64 v) const {
  // The same seen from the other end.
  const auto mirrored = Tnum{~value & ~mask, mask}.at_least(~v);
  return mirrored ? std::optional<u64>(~*mirrored) : std::nullopt;
}

std::string Tnum::text() const {
  if (is_constant()) {
    return value <= 0xffff ? fmt::format("{}", value) : fmt::format("{:#x}", value);
  }
  return fmt::format("({:#x}; {:#x})", value, mask);
}

Tnum add(Tnum a, Tnum b) {
  // A bit of the sum is unknown where an operand's is, or where the carry into it differs between
  // the smallest and the largest sum.
  const u64 low = a.value + b.value;
  const u64 high = low + a.mask + b.mask;
  const u64 mask = (low ^ high) | a.mask | b.mask;
  return {low & ~mask, mask};
}

Tnum sub(Tnum a, Tnum b) {
  const u64 difference = a.value - b.value;
  const u64 high = difference + a.mask;
  const u64 low = difference - b.mask;
  const u64 mask = (high ^ low) | a.mask | b.mask;
  return {difference & ~mask, mask};
}

Tnum mul(Tnum a, Tnum b) {
  if (a.is_constant() && b.is_constant()) {
    return Tnum::constant(a.value * b.value);
  }
  if (std::popcount(a.mask) > std::popcount(b.mask)) {
    std::swap(a, b);  // fewer unknown bits to branch on
  }
  // Long multiplication. Where a's bit is unknown, the partial product is there or not: keep both.
  Tnum sum = Tnum::constant(0);
  for (; (a.value | a.mask) != 0; a = shift_right(a, 1), b = shift_left(b, 1)) {
    if ((a.value & 1) != 0) {
      sum = add(sum, b);
    } else if ((a.mask & 1) != 0) {
      sum = join(sum, add(sum, b));
    }
  }
  return sum;
}

Tnum bit_and(Tnum a, Tnum b) {
  const u64 ones = a.value & b.value;
  return {ones, (a.value | a.mask) & (b.value | b.mask) & ~ones};
}

Tnum bit_or(Tnum a, Tnum b) {
  const u64 ones = a.value | b.value;
  return {ones, (a.mask | b.mask) & ~ones};
}

Tnum bit_xor(Tnum a, Tnum b) {
  const u64 mask = a.mask | b.mask;
  return {(a.value ^ b.value) & ~mask, mask};
}

Tnum shift_left(Tnum a, unsigned count) { return {a.value << count, a.mask << count}; }

Tnum shift_right(Tnum a, unsigned count) { return {a.value >> count, a.mask >> count}; }

Tnum shift_right_signed(Tnum a, unsigned count, unsigned width) {
  // Shifting the mask arithmetically spreads an unknown sign, shifting the value a known one.
  if (width == 32) {
    return {static_cast<u32>(static_cast<s32>(a.value) >> count),
            static_cast<u32>(static_cast<s32>(a.mask) >> count)};
  }
  return {static_cast<u64>(static_cast<s64>(a.value) >> count),
          static_cast<u64>(static_cast<s64>(a.mask) >> count)};
}

Tnum intersect(Tnum a, Tnum b) {
  const u64 mask = a.mask & b.mask;
  return {(a.value | b.value) & ~mask, mask};
}

Tnum join(Tnum a, Tnum b) {
  const u64 mask = a.mask | b.mask | (a.value ^ b.value);
  return {a.value & ~mask, mask};
}

}  // namespace kiln::verifier
