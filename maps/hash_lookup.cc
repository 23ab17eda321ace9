// SPDX-License-Identifier: Apache-2.0
//
// Look-ups in hash tables, without a lock: by key, and by longest prefix.
//
// With other threads about, an entry may be freed and used again while a chain is walked. What is found is
// there. Not found is believed only if nothing moved (MapLock::version); else the walk is done again with the
// lock held.
#include <array>
#include <bit>

#include <kiln/prefix_index.h>

#include "hash_ops.h"
#include "hash_table.h"

namespace kiln::detail {
namespace {

/// Whether "not found" can be believed.
class Witness {
 public:
  explicit Witness(const MapLock* lock)
      : lock_(lock), version_(lock == nullptr ? 0 : lock->version.load(std::memory_order_acquire)) {}
  bool nothing_moved() const {
    if (lock_ == nullptr) {
      return true;
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    return (version_ & 1) == 0 && lock_->version.load(std::memory_order_relaxed) == version_;
  }

 private:
  const MapLock* lock_;
  std::uint32_t version_;
};

/// \return offset of the value, or 0.
template <typename Equal>
std::uint32_t walk(MapView map, std::uint32_t hash, Equal equal) {
  const MapDescriptor& d = *map.descriptor;
  const std::byte* entries = map.arena + d.entries;
  auto link = load_acquire<std::uint32_t>(map.arena + d.buckets + 4 * (hash & d.bucket_mask));
  while (link != 0) {
    const std::byte* entry = entries + std::size_t{link - 1} * d.entry_stride;
    if (equal(entry + sizeof(MapEntry))) {
      return static_cast<std::uint32_t>(entry - map.arena) + d.value_offset;
    }
    const auto next = load_acquire<std::uint32_t>(entry);
    if ((next & kEntryLive) == 0) {
      return 0;  // freed under us: the chain leads elsewhere
    }
    link = next & kEntryNextMask;
  }
  return 0;
}

template <typename Equal>
std::uint32_t peek(MapView map, std::uint32_t hash, Equal equal) {
  const Witness witness(map.lock);
  const std::uint32_t value = walk(map, hash, equal);
  if (value != 0 || witness.nothing_moved()) [[likely]] {
    return value;
  }
  const ReadGuard guard(map.lock);
  return walk(map, hash, equal);
}

/// A key of N words, kept in registers. Words that differ leave a bit set: one branch, whatever N is.
template <std::size_t N>
std::uint32_t peek_words(MapView map, std::array<std::uint64_t, N> key) {
  std::uint32_t hash = kHashSeed;
  for (const std::uint64_t word : key) {
    hash = crc32c_step(hash, word);
  }
  return peek(map, hash, [&key](const std::byte* stored) {
    std::uint64_t differs = 0;
    for (std::size_t i = 0; i < N; ++i) {
      differs |= load_shared<std::uint64_t>(stored + 8 * i) ^ key[i];
    }
    return differs == 0;
  });
}

std::uint32_t peek_key(MapView map, const Key& key) {
  return peek(map, key.hash(), [&key](const std::byte* stored) {
    std::uint32_t i = 0;
    while (i < key.words() && load_shared<std::uint64_t>(stored + 8 * std::size_t{i}) == key.word(i)) {
      ++i;
    }
    return i == key.words();
  });
}

/// Longest prefix: every length that some entry has, from the key's own down.
std::uint32_t lpm_walk(MapView map, LpmKey key) {
  const Table table(map);
  const std::uint32_t longest = key.length();
  const PrefixIndex* const index = map.prefixes;
  const std::byte* const data = reinterpret_cast<const std::byte*>(key.word.data()) + sizeof(std::uint32_t);
  const std::uint64_t groups = index == nullptr ? ~std::uint64_t{0} : index->groups(data);
  const auto groups_of = [index](std::uint32_t length) { return index == nullptr ? 0 : index->group_of(length); };
  std::uint64_t lengths = table.lengths(longest / 64) << (63 - longest % 64) >> (63 - longest % 64);
  for (std::uint32_t word = longest / 64;; lengths = table.lengths(--word)) {
    while (lengths != 0) {
      const auto bit = static_cast<std::uint32_t>(std::bit_width(lengths)) - 1;
      lengths ^= std::uint64_t{1} << bit;
      if ((groups >> groups_of(64 * word + bit) & 1) == 0) {
        continue;
      }
      key.mask(64 * word + bit);
      if (const std::uint32_t value = peek_key({map.arena, map.descriptor, nullptr}, key.key()); value != 0) {
        return value;
      }
    }
    if (word == 0) {
      return 0;
    }
  }
}

/// The same for keys of one word: the prefix length and up to 32 bits of data.
std::uint32_t lpm_walk_word(MapView map, std::uint64_t key) {
  const auto longest = static_cast<std::uint32_t>(key);
  std::uint64_t lengths = Table(map).lengths(0) << (63 - longest) >> (63 - longest);
  if (map.prefixes != nullptr) {
    lengths &= map.prefixes->groups(reinterpret_cast<const std::byte*>(&key) + sizeof(std::uint32_t));
  }
  for (; lengths != 0;) {
    const auto length = static_cast<std::uint32_t>(std::bit_width(lengths)) - 1;
    lengths ^= std::uint64_t{1} << length;
    // The data is the upper half, its most significant bit that of the lowest byte.
    const std::uint64_t kept = __builtin_bswap64(length == 0 ? 0 : ~std::uint64_t{0} << (32 - length) & 0xffff'ffff);
    const std::uint64_t word = (key & kept) | length;
    const std::uint32_t value = walk(map, crc32c_step(kHashSeed, word),
                                     [word](const std::byte* stored) { return load_shared<std::uint64_t>(stored) == word; });
    if (value != 0) {
      return value;
    }
  }
  return 0;
}

/// Any answer may come from having missed a longer prefix, so none is believed if something moved.
template <typename Walk>
std::uint32_t lpm_peek(MapView map, Walk walk) {
  const Witness witness(map.lock);
  const std::uint32_t value = walk();
  if (witness.nothing_moved()) [[likely]] {
    return value;
  }
  const ReadGuard guard(map.lock);
  return walk();
}

std::uint32_t lpm_peek(MapView map, const std::byte* bytes) {
  const std::uint32_t size = map.descriptor->key_size;
  if (load<std::uint32_t>(bytes) > Table(map).max_prefix()) {
    return 0;
  }
  if (size == 8) {
    return lpm_peek(map, [map, key = load<std::uint64_t>(bytes)] { return lpm_walk_word(map, key); });
  }
  const LpmKey key(bytes, size);
  return lpm_peek(map, [&] { return lpm_walk(map, key); });
}

}  // namespace

std::uint32_t hash_peek(MapView map, const std::byte* bytes) {
  const std::uint32_t size = map.descriptor->key_size;
  if (map.type() == MapType::kLpmTrie) {
    return lpm_peek(map, bytes);
  }
  // Most keys are one or two words.
  if (size == 4) {
    return peek_words<1>(map, {load<std::uint32_t>(bytes)});
  }
  if (size == 8) {
    return peek_words<1>(map, {load<std::uint64_t>(bytes)});
  }
  if (size > 8 && size <= 16) {  // as in Key
    return peek_words<2>(map, {load<std::uint64_t>(bytes), load<std::uint64_t>(bytes + size - 8) >> (8 * (16 - size))});
  }
  return peek_key(map, Key(bytes, size));
}

std::uint32_t hash_lookup(MapView map, const std::byte* bytes) {
  const std::uint32_t value = hash_peek(map, bytes);
  if (value != 0 && is_lru(map.type())) {
    mark_referenced(map.arena + value - map.descriptor->value_offset, map.lock != nullptr);
  }
  return value;
}

}  // namespace kiln::detail
