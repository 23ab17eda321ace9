// SPDX-License-Identifier: Apache-2.0
//
// BPF arithmetic as C++ functions: what each operator yields, corner cases included. The one place
// for it: the interpreter calls these, and the tests of every engine take their expectations from here.
//
// U is std::uint32_t for class ALU, std::uint64_t for class ALU64. A 32-bit result converts to
// 64 bits by zero extension, which is the rule of RFC 9669 section 4.1. Nothing here is undefined:
// additions wrap, shift counts are masked, dividing by zero has a result.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace kiln::arithmetic {

template <typename U>
using Signed = std::make_signed_t<U>;

/// X(NAME, function): the two-operand instructions NAME##64_IMM, ##64_REG, ##32_IMM, ##32_REG of isa.def.
#define KILN_TWO_OPERAND_INSNS(X) \
  X(ADD, add)                     \
  X(SUB, sub)                     \
  X(MUL, mul)                     \
  X(DIV, div)                     \
  X(SDIV, sdiv)                   \
  X(OR, bit_or)                   \
  X(AND, bit_and)                 \
  X(LSH, lsh)                     \
  X(RSH, rsh)                     \
  X(MOD, mod)                     \
  X(SMOD, smod)                   \
  X(XOR, bit_xor)                 \
  X(MOV, mov)                     \
  X(ARSH, arsh)

// RFC 9669 section 4.1, table 5.
template <typename U>
constexpr U add(U a, U b) {
  return a + b;
}
template <typename U>
constexpr U sub(U a, U b) {
  return a - b;
}
template <typename U>
constexpr U mul(U a, U b) {
  return a * b;
}
template <typename U>
constexpr U neg(U a) {
  return U{0} - a;
}
template <typename U>
constexpr U bit_or(U a, U b) {
  return a | b;
}
template <typename U>
constexpr U bit_and(U a, U b) {
  return a & b;
}
template <typename U>
constexpr U bit_xor(U a, U b) {
  return a ^ b;
}
template <typename U>
constexpr U mov(U, U b) {
  return b;
}

/// "If execution would result in division by zero, the destination register is instead set to zero."
template <typename U>
constexpr U div(U a, U b) {
  return b == 0 ? U{0} : a / b;
}
/// "If execution would result in modulo by zero [...] the destination is unchanged": the low 32 bits
/// for ALU, whose upper half is zeroed all the same.
template <typename U>
constexpr U mod(U a, U b) {
  return b == 0 ? a : a % b;
}
/// Truncates toward zero. The most negative number divided by -1 is itself: it wraps.
template <typename U>
constexpr U sdiv(U a, U b) {
  if (b == 0) {
    return 0;
  }
  return b == std::numeric_limits<U>::max() ? neg(a)
                                            : static_cast<U>(static_cast<Signed<U>>(a) / static_cast<Signed<U>>(b));
}
/// The sign is the dividend's: -13 % 3 == -1. Dividing by -1 leaves 0.
template <typename U>
constexpr U smod(U a, U b) {
  if (b == 0) {
    return a;
  }
  return b == std::numeric_limits<U>::max() ? U{0}
                                            : static_cast<U>(static_cast<Signed<U>>(a) % static_cast<Signed<U>>(b));
}

/// "Shift operations use a mask of 0x3F (63) for 64-bit operations and 0x1F (31) for 32-bit operations."
template <typename U>
constexpr unsigned shift_count(U b) {
  return static_cast<unsigned>(b) & (std::numeric_limits<U>::digits - 1);
}
template <typename U>
constexpr U lsh(U a, U b) {
  return a << shift_count(b);
}
template <typename U>
constexpr U rsh(U a, U b) {
  return a >> shift_count(b);
}
template <typename U>
constexpr U arsh(U a, U b) {
  return static_cast<U>(static_cast<Signed<U>>(a) >> shift_count(b));
}

/// MOVSX and LDXS*: the low bits of `a`, as wide as S, sign-extended to U.
template <typename S, typename U>
constexpr U sign_extend(U a) {
  return static_cast<U>(static_cast<Signed<U>>(static_cast<S>(a)));
}

// RFC 9669 section 4.2. Results are zero-extended to 64 bits.
constexpr std::uint64_t swap16(std::uint64_t a) {
  return __builtin_bswap16(static_cast<std::uint16_t>(a));
}
constexpr std::uint64_t swap32(std::uint64_t a) {
  return __builtin_bswap32(static_cast<std::uint32_t>(a));
}
constexpr std::uint64_t swap64(std::uint64_t a) { return __builtin_bswap64(a); }

static_assert(std::endian::native == std::endian::little, "packet and map bytes are used as they lie");

}  // namespace kiln::arithmetic
