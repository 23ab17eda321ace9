// SPDX-License-Identifier: Apache-2.0
//
// What AArch64 instructions can hold themselves. (asmjit knows it too, but not under one name in all its versions.)
#pragma once

#include <bit>
#include <cstdint>

namespace kiln {

/// Whether AND, ORR, EOR and TST take `value` as an immediate: a run of ones, rotated, repeated over elements of
/// 2, 4, 8, 16, 32 or 64 bits; not all zeros or ones. Arm ARM, DecodeBitMasks(). \param bits  32 or 64.
inline bool is_logical_immediate(std::uint64_t value, unsigned bits) {
  if (bits == 32) {
    value = (value & 0xffffffff) | value << 32;
  }
  int element = 64;
  while (element > 2 && value == std::rotr(value, element / 2)) {
    element /= 2;
  }
  return std::popcount(value ^ std::rotr(value, 1)) == 2 * (64 / element);  // where the run begins and ends
}

}  // namespace kiln
