// SPDX-License-Identifier: Apache-2.0
//
// The two builds of bpf_core that are tested, and what their tests share.
#pragma once

#include "Vcore16.h"
#include "Vcore8.h"
#include "core_bench.h"

namespace kiln::core_test {

struct Core8 {
  static constexpr unsigned kThreads = 8;
  static constexpr unsigned kWindow = 4096;
  using Bench = CoreBench<Vcore8, kThreads, kWindow>;
};
struct Core16 {
  static constexpr unsigned kThreads = 16;
  static constexpr unsigned kWindow = 2048;
  using Bench = CoreBench<Vcore16, kThreads, kWindow>;
};
using Cores = ::testing::Types<Core8, Core16>;

inline std::vector<std::uint8_t> pattern(std::size_t length, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> out(length);
  for (std::uint8_t& b : out) {
    b = static_cast<std::uint8_t>(random());
  }
  return out;
}

/// Values where arithmetic breaks.
inline constexpr std::uint64_t kEdges[] = {0,
                                           1,
                                           2,
                                           0x7f,
                                           0x80,
                                           0xffff'ffff'ffff'ffff,
                                           0x7fff'ffff,
                                           0x8000'0000,
                                           0xffff'ffff,
                                           0x1'0000'0000,
                                           0x7fff'ffff'ffff'ffff,
                                           0x8000'0000'0000'0000,
                                           0x0123'4567'89ab'cdef,
                                           0xfedc'ba98'7654'3210,
                                           0xffff'ffff'8000'0000,
                                           63};

}  // namespace kiln::core_test
