// SPDX-License-Identifier: Apache-2.0
//
// A key on its way into a hash table: words, hash, and the masking of LPM prefixes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <kiln/map_ops.h>

#include "bytes.h"
#include "crc32c.h"

namespace kiln::detail {

/// Up to 7 bytes, zero-padded.
inline std::uint64_t load_short(const std::byte* bytes, std::uint32_t size) {
  std::uint64_t word = 0;
  for (std::uint32_t i = 0; i < size; ++i) {
    word |= std::uint64_t{std::to_integer<std::uint8_t>(bytes[i])} << (8 * i);
  }
  return word;
}

/// A key as the table sees it: 8-byte words, the last one zero-padded. Refers to the caller's bytes.
class Key {
 public:
  Key(const std::byte* bytes, std::uint32_t size) : bytes_(bytes), whole_(size / 8), rest_(size % 8) {
    if (size == 4) {
      tail_ = load<std::uint32_t>(bytes);
    } else if (rest_ != 0 && whole_ != 0) {
      // The 8 bytes that end where the key does; what they share with the word before is shifted out.
      tail_ = load<std::uint64_t>(bytes + size - 8) >> (8 * (8 - rest_));
    } else if (rest_ != 0) {
      tail_ = load_short(bytes, rest_);
    }
    hash_ = kHashSeed;
    for (std::uint32_t i = 0; i < words(); ++i) {
      hash_ = crc32c_step(hash_, word(i));
    }
  }
  std::uint32_t words() const { return whole_ + (rest_ != 0 ? 1 : 0); }
  std::uint64_t word(std::uint32_t i) const { return i < whole_ ? load<std::uint64_t>(bytes_ + 8 * std::size_t{i}) : tail_; }
  std::uint32_t hash() const { return hash_; }

 private:
  const std::byte* bytes_;
  std::uint32_t whole_;
  std::uint32_t rest_;
  std::uint64_t tail_ = 0;
  std::uint32_t hash_ = 0;
};

inline std::uint32_t hash_bytes(const std::byte* bytes, std::uint32_t size) { return Key(bytes, size).hash(); }

/// An LPM key of its own, so that it can be cut shorter. Word 0 is the prefix length and the first 32 bits.
struct LpmKey {
  LpmKey(const std::byte* bytes, std::uint32_t size) : words((size + 7) / 8) {
    word[words - 1] = 0;
    std::memcpy(word.data(), bytes, size);
  }
  std::uint32_t length() const { return static_cast<std::uint32_t>(word[0]); }
  Key key() const { return {reinterpret_cast<const std::byte*>(word.data()), 8 * words}; }

  /// Sets the prefix length to `to` and clears the data bits from there on. Bits count from the most
  /// significant of each byte, in the order of the bytes; the first 32 are the prefix length itself.
  void mask(std::uint32_t to) {
    std::uint32_t kept = 32 + to;
    for (std::uint32_t i = 0; i < words; ++i) {
      const std::uint32_t here = std::min(kept, 64u);
      kept -= here;
      word[i] &= here == 0 ? 0 : __builtin_bswap64(~std::uint64_t{0} << (64 - here));
    }
    word[0] = (word[0] >> 32 << 32) | to;
  }

  std::uint32_t words;
  std::array<std::uint64_t, (4 + kMaxLpmDataBytes + 7) / 8> word;  // only the first `words` are set
};

}  // namespace kiln::detail
