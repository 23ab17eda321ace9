// SPDX-License-Identifier: Apache-2.0
//
// Open-coded iterators: over a range of numbers, and over the bits that are set in words of memory.
//
//     bpf_iter_num   byte 0  the number that was given last, 4 the first that is not given
//     bpf_iter_bits  byte 0  the word, or of several the place of the copy in HelperRuntime::bit_words
//                         8  bits in all, 12 the bit that was given last
// next() gives the address of the number inside the iterator. Source: kernel/bpf/bpf_iter.c (bpf_iter_num_new),
// kernel/bpf/helpers.c (bpf_iter_bits_new), Linux 6.18.
#include <bit>
#include <cerrno>
#include <cstring>

#include "kfuncs.h"

namespace kiln {
namespace {

struct NumIter {
  std::int32_t current = 0;
  std::int32_t end = 0;
};

struct BitsIter {
  std::uint64_t word = 0;
  std::int32_t bits = 0;
  std::int32_t bit = -1;
};

constexpr std::int32_t kWordBits = 64;
constexpr std::uint32_t kMaxWords = 511;  // BITS_ITER_NR_WORDS_MAX

template <typename Iter>
bool read_iter(HelperRuntime& m, std::uint64_t address, Iter& iter) {
  const std::byte* at = m.read(address, sizeof(iter));
  if (at != nullptr) {
    std::memcpy(&iter, at, sizeof(iter));
  }
  return at != nullptr;
}

template <typename Iter>
void write_iter(HelperRuntime& m, std::uint64_t address, const Iter& iter) {
  if (std::byte* at = m.write(address, sizeof(iter))) {
    std::memcpy(at, &iter, sizeof(iter));
  }
}

/// The first bit from `from` on that is set, or `bits`.
std::int32_t next_bit(std::span<const std::uint64_t> words, std::int32_t from, std::int32_t bits) {
  while (from < bits) {
    const std::uint64_t rest = words[static_cast<std::size_t>(from / kWordBits)] >> from % kWordBits;
    if (rest != 0) {
      return from + std::countr_zero(rest);
    }
    from = (from / kWordBits + 1) * kWordBits;
  }
  return bits;
}

}  // namespace

KILN_DEFINE_KFUNC(bpf_iter_num_new) {
  const auto start = static_cast<std::int32_t>(r2), end = static_cast<std::int32_t>(r3);
  NumIter iter;
  std::int64_t error = 0;
  if (start > end) {
    error = -EINVAL;
  } else if (std::int64_t{end} - start > kMaxLoops) {
    error = -E2BIG;
  } else {
    iter = {.current = static_cast<std::int32_t>(static_cast<std::uint32_t>(start) - 1), .end = end};
  }
  write_iter(runtime(machine), r1, iter);
  return as_int(error);
}

KILN_DEFINE_KFUNC(bpf_iter_num_next) {
  HelperRuntime& m = runtime(machine);
  NumIter iter;
  if (!read_iter(m, r1, iter)) {
    return 0;
  }
  const auto next = static_cast<std::int32_t>(static_cast<std::uint32_t>(iter.current) + 1);
  const bool over = next >= iter.end;
  write_iter(m, r1, over ? NumIter{} : NumIter{.current = next, .end = iter.end});
  return over ? 0 : r1;
}

KILN_DEFINE_KFUNC(bpf_iter_num_destroy) { return 0; }

KILN_DEFINE_KFUNC(bpf_iter_bits_new) {
  HelperRuntime& m = runtime(machine);
  const auto words = static_cast<std::uint32_t>(r3);
  BitsIter iter;
  std::int64_t error = 0;
  if (r2 == 0 || words == 0) {
    error = -EINVAL;
  } else if (words > kMaxWords) {
    error = -E2BIG;
  } else if (const std::byte* at = m.memory.checked(r2, std::uint64_t{words} * 8, Access::kRead); at == nullptr) {
    error = -EFAULT;
  } else {
    iter.bits = static_cast<std::int32_t>(words) * kWordBits;
    if (words == 1) {
      std::memcpy(&iter.word, at, sizeof(iter.word));
    } else {
      iter.word = m.bit_words.size();
      std::memcpy(m.bit_words.emplace_back(words).data(), at, std::size_t{words} * 8);
    }
  }
  write_iter(m, r1, iter);
  return as_int(error);
}

KILN_DEFINE_KFUNC(bpf_iter_bits_next) {
  HelperRuntime& m = runtime(machine);
  BitsIter iter;
  if (!read_iter(m, r1, iter) || iter.bits == 0 || iter.bit >= iter.bits) {
    return 0;
  }
  const bool one = iter.bits == kWordBits;
  if (!one && (iter.word >= m.bit_words.size() ||
               m.bit_words[iter.word].size() * kWordBits != static_cast<std::size_t>(iter.bits))) {
    return m.fault("an iterator over bits that bpf_iter_bits_new() has not made");
  }
  const std::span<const std::uint64_t> words = one ? std::span(&iter.word, 1) : std::span<const std::uint64_t>(m.bit_words[iter.word]);
  iter.bit = next_bit(words, iter.bit + 1, iter.bits);
  write_iter(m, r1, iter);
  return iter.bit >= iter.bits ? 0 : r1 + offsetof(BitsIter, bit);
}

KILN_DEFINE_KFUNC(bpf_iter_bits_destroy) {
  HelperRuntime& m = runtime(machine);
  BitsIter iter;
  if (read_iter(m, r1, iter) && iter.bits > kWordBits && iter.word + 1 == m.bit_words.size()) {
    m.bit_words.pop_back();  // the others go when the run ends
  }
  return 0;
}

}  // namespace kiln
