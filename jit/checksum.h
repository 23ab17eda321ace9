// SPDX-License-Identifier: Apache-2.0
//
// One's complement sums, as Linux folds them. Source: include/net/checksum.h, lib/checksum.c, Linux 6.18.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace kiln::checksum {

/// csum_add(): carries added back in. The sum is 0 only if all words are.
inline std::uint32_t add(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t sum = std::uint64_t{a} + b;
  return static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(sum >> 32);
}

/// csum_partial(): 32-bit words of `bytes`, the last one zero-padded, added to `sum`.
/// Carries are added back in at the end, which comes to the same: only the class modulo 2^32 - 1 counts, and 0 stays apart.
inline std::uint32_t sum_words(std::span<const std::byte> bytes, std::uint32_t sum) {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t even = sum, odd = 0;
  for (; left >= 8; left -= 8, at += 8) {
    std::uint32_t words[2];
    std::memcpy(words, at, sizeof(words));
    even += words[0];
    odd += words[1];
  }
  std::uint32_t last[2] = {};
  if (left != 0) {
    std::memcpy(last, at, left);
  }
  even += last[0];
  odd += last[1];
  const std::uint64_t total = (even & 0xffff'ffff) + (even >> 32) + (odd & 0xffff'ffff) + (odd >> 32);
  return add(static_cast<std::uint32_t>(total), static_cast<std::uint32_t>(total >> 32));
}

/// csum_from32to16(): both halves added, the carry too.
inline std::uint16_t fold_sum(std::uint32_t sum) { return static_cast<std::uint16_t>((sum + (sum >> 16 | sum << 16)) >> 16); }

/// csum_fold(): the checksum field that a sum makes.
inline std::uint16_t fold(std::uint32_t sum) {
  return static_cast<std::uint16_t>((~sum - (sum >> 16 | sum << 16)) >> 16);
}

/// csum_unfold().
inline std::uint32_t unfold(std::uint16_t field) { return field; }

/// csum_replace_by_diff().
inline std::uint16_t replace_by_diff(std::uint16_t field, std::uint32_t difference) {
  return fold(add(difference, ~unfold(field)));
}

/// csum_replace4().
inline std::uint16_t replace4(std::uint16_t field, std::uint32_t from, std::uint32_t to) {
  return fold(add(add(~unfold(field), ~from), to));
}

/// csum_replace2(), in 16-bit arithmetic.
inline std::uint16_t replace2(std::uint16_t field, std::uint16_t from, std::uint16_t to) {
  const auto add16 = [](std::uint16_t a, std::uint16_t b) {
    const auto sum = static_cast<std::uint16_t>(a + b);
    return static_cast<std::uint16_t>(sum + (sum < b ? 1 : 0));
  };
  const auto inverse = static_cast<std::uint16_t>(~field), minus = static_cast<std::uint16_t>(~from);
  return static_cast<std::uint16_t>(~add16(add16(inverse, minus), to));
}

}  // namespace kiln::checksum
