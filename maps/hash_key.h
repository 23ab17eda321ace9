// SPDX-License-Identifier: Apache-2.0
//
// A key on its way into a hash table: words, hash, and the masking of LPM prefixes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <kiln/map_ops.h>

#include "bytes.h"
#include "crc32c.h"

namespace kiln::detail {

inline constexpr std::uint32_t kKeyWords = kMaxKeyBytes / 8;

/// A key as the table sees it: 8-byte words, the last one zero-padded.
struct Key {
  std::uint32_t words = 0;
  std::uint32_t hash = 0;
  std::uint64_t word[kKeyWords];  // only the first `words` are set

  void rehash() {
    hash = kHashSeed;
    for (std::uint32_t i = 0; i < words; ++i) {
      hash = crc32c_step(hash, word[i]);
    }
  }
};

/// Up to 7 bytes, zero-padded.
inline std::uint64_t load_short(const std::byte* bytes, std::uint32_t size) {
  std::uint64_t word = 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    word |= std::uint64_t{std::to_integer<std::uint8_t>(bytes[i])} << (8 * i);
  }
  return word;
}

inline void read_words(Key& key, const std::byte* bytes, std::uint32_t size) {
  const std::uint32_t whole = size / 8;
  const std::uint32_t rest = size % 8;
  for (std::uint32_t i = 0; i < whole; ++i) {
    key.word[i] = load<std::uint64_t>(bytes + 8 * i);
  }
  if (size == 4) {
    key.word[0] = load<std::uint32_t>(bytes);
  } else if (rest != 0 && whole != 0) {
    // The 8 bytes that end where the key does; what they share with the word before is shifted out.
    key.word[whole] = load<std::uint64_t>(bytes + size - 8) >> (8 * (8 - rest));
  } else if (rest != 0) {
    key.word[0] = load_short(bytes, rest);
  }
  key.words = (size + 7) / 8;
}

/// LPM: sets the prefix length to `length` and clears the data bits from there on. Bits count from
/// the most significant of each byte, in the order of the bytes; the first 32 are the prefix length
/// itself.
inline void mask_prefix(Key& key, std::uint32_t length) {
  std::uint32_t kept = 32 + length;
  for (std::uint32_t i = 0; i < key.words; ++i) {
    const std::uint32_t here = std::min(kept, 64u);
    kept -= here;
    key.word[i] &= here == 0 ? 0 : __builtin_bswap64(~std::uint64_t{0} << (64 - here));
  }
  key.word[0] = (key.word[0] >> 32 << 32) | length;
}

}  // namespace kiln::detail
