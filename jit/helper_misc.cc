// SPDX-License-Identifier: Apache-2.0
//
// Helpers that compute or tell something: csum_diff, clock, random numbers, processor number.
//
// Source: net/core/filter.c (bpf_csum_diff), include/net/checksum.h, Linux 6.18. The last three are not the
// kernel's but the Environment's.
#include <cstring>

#include "helper_runtime.h"

namespace kiln {
namespace {

/// One's complement addition of 32-bit words, carries added back in. The sum is 0 only if all words are.
std::uint32_t add_ones(std::uint32_t a, std::uint32_t b) {
  const std::uint64_t sum = std::uint64_t{a} + b;
  return static_cast<std::uint32_t>(sum) + static_cast<std::uint32_t>(sum >> 32);
}

/// csum_partial(): 32-bit words of `bytes`, the last one zero-padded, added to `sum`.
std::uint32_t sum_words(std::span<const std::byte> bytes, std::uint32_t sum) {
  while (!bytes.empty()) {
    std::uint32_t word = 0;
    const std::size_t take = std::min(bytes.size(), sizeof(word));
    std::memcpy(&word, bytes.data(), take);
    sum = add_ones(sum, word);
    bytes = bytes.subspan(take);
  }
  return sum;
}

/// csum_from32to16(): both halves added, the carry too.
std::uint32_t fold(std::uint32_t sum) {
  return (sum + (sum >> 16 | sum << 16)) >> 16;
}

}  // namespace

std::uint64_t helper_csum_diff(std::uint64_t from, std::uint64_t from_size, std::uint64_t to, std::uint64_t to_size,
                               std::uint64_t seed, MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const std::uint32_t take = static_cast<std::uint32_t>(from_size), put = static_cast<std::uint32_t>(to_size);
  const std::byte* old_bytes = take == 0 ? nullptr : m.read(from, take);
  const std::byte* new_bytes = put == 0 ? nullptr : m.read(to, put);
  if (m.faulted != 0) {
    return 0;
  }
  auto sum = static_cast<std::uint32_t>(seed);
  if (take != 0 && put != 0) {
    sum = add_ones(sum_words({new_bytes, put}, sum), ~sum_words({old_bytes, take}, 0));
  } else if (put != 0) {
    sum = sum_words({new_bytes, put}, sum);
  } else if (take != 0) {
    sum = ~sum_words({old_bytes, take}, ~sum);
  }
  return fold(sum);
}

std::uint64_t helper_ktime_get_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                  MachineState* machine) {
  return runtime(machine).clock();
}

std::uint64_t helper_get_prandom_u32(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                     MachineState* machine) {
  return runtime(machine).draw_random();
}

std::uint64_t helper_get_smp_processor_id(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                          MachineState* machine) {
  return runtime(machine).processor;
}

}  // namespace kiln
