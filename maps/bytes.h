// SPDX-License-Identifier: Apache-2.0
//
// Loads and stores of arena words. The arena is little-endian, and so must the host be.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace kiln::detail {

static_assert(std::endian::native == std::endian::little);

template <typename Word>
Word load(const std::byte* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

template <typename Word>
void store(std::byte* at, Word word) {
  std::memcpy(at, &word, sizeof word);
}

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t unit) {
  return (n + unit - 1) / unit * unit;
}

}  // namespace kiln::detail
