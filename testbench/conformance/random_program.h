// SPDX-License-Identifier: Apache-2.0
//
// Random programs, valid by construction: arithmetic, byte order, jumps forward, loads and stores on memory and
// stack, atomics on the stack, calls of a function of their own. Linux's verifier takes the plain ones too.
//
// Raw convention: R1 = memory, R2 = its length; R0 at the end mixes all registers.
#pragma once

#include <cstdint>
#include <vector>

#include <kiln/isa.h>

namespace kiln::conformance {

inline constexpr std::size_t kRandomMemory = 32;  ///< bytes of memory the programs expect

/// Which instructions there are.
enum class RandomKind : std::uint8_t {
  kPlain,   ///< of RFC 9669
  kBeyond,  ///< also ordered accesses, may_goto, loops, and functions that bpf_loop calls back with a pointer into the stack
};
/// The same seed gives the same program.
std::vector<Insn> random_program(std::uint32_t seed, std::size_t steps, RandomKind kind = RandomKind::kPlain);
std::vector<std::byte> random_memory(std::uint32_t seed);

}  // namespace kiln::conformance
