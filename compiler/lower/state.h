// SPDX-License-Identifier: Apache-2.0
//
// What is known of registers and stack words before one instruction: the domain of values.h.
//
// It adds to Facts what they do not say: values that are the same address on every path (a stack
// slot of this frame, the context, a map), and which stack words hold constants or copies of
// registers. It also works without any Facts. Unknown is always a right answer.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>

#include "view.h"

namespace kiln::lowering {

/// A register.
struct Value {
  enum class Kind : std::uint8_t {
    kUnknown,
    kNonZero,   ///< not 0; nothing more
    kConstant,  ///< `number`; pointers too, where their address is fixed (address.h)
    kFrame,     ///< this function's R10 plus the signed `number`
    kMaps,      ///< the handle of one of these maps: bit i of `number` for map i
  };
  Kind kind = Kind::kUnknown;
  std::uint64_t number = 0;
  std::uint64_t bits = ~std::uint64_t{0};  ///< those that may be set
  bool operator==(const Value&) const = default;

  static Value unknown(std::uint64_t bits) { return {Kind::kUnknown, 0, bits}; }
  static Value constant(std::uint64_t number) { return {Kind::kConstant, number, number}; }
  static Value frame(std::int64_t offset) {
    return {Kind::kFrame, static_cast<std::uint64_t>(offset), ~std::uint64_t{0}};
  }
  static Value non_zero() { return {Kind::kNonZero, 0, ~std::uint64_t{0}}; }
};

inline constexpr std::uint8_t kNoRegister = 0xff;

/// Four aligned bytes of this function's stack frame, as a little-endian number.
struct Word {
  std::uint32_t min = 0;
  std::uint32_t max = std::numeric_limits<std::uint32_t>::max();
  std::uint8_t reg = kNoRegister;  ///< equal to the low (or high) half of this register
  bool high = false;
  bool operator==(const Word&) const = default;

  static Word constant(std::uint32_t value) { return {.min = value, .max = value}; }
  bool is_constant() const { return min == max; }
};

inline constexpr std::uint32_t kFrameWords = address::kStackBytes / 4;

constexpr std::array<std::uint8_t, kRegisters> no_copies() {
  std::array<std::uint8_t, kRegisters> none{};
  none.fill(kNoRegister);
  return none;
}

struct State {
  std::array<Value, kRegisters> regs{};
  std::array<Word, kFrameWords> words{};  ///< word i: bytes 4i - 512 .. from R10
  std::array<std::uint8_t, kRegisters> copy_of = no_copies();  ///< the register with the same value, if there is one
  bool operator==(const State&) const = default;

  /// The word at this offset from R10, or nullptr if it is not aligned or not in the frame.
  const Word* word(std::int64_t offset) const;

  void set(unsigned reg, const Value& value);
  /// After set(): the registers are equal now.
  void note_copy(unsigned dst, unsigned src);
  void forget_words() { words.fill(Word{}); }
  /// Nothing is known of bytes [from, to) any more.
  void forget_bytes(std::int64_t from, std::int64_t to);
  /// A store of `bytes` bytes at `offset`: from register `reg`, or of `number` if there is none.
  void store(std::int64_t offset, unsigned bytes, std::uint8_t reg, std::optional<std::uint64_t> number,
             std::uint64_t max);
};

/// What holds on both paths.
Value join_values(const Value& left, const Value& right);
State join(const State& left, const State& right);

/// One program's view and the state before one slot: what can be said of a register there.
struct At {
  const View& view;
  const State& state;
  std::uint32_t slot;

  std::optional<std::uint64_t> constant(unsigned reg) const;
  std::uint64_t max(unsigned reg) const;
  std::uint64_t possible_bits(unsigned reg) const;
  /// The register to read instead of this one: an older one with the same value.
  unsigned root(unsigned reg) const;
  bool non_zero(unsigned reg) const;
  /// Byte offset from this frame's R10.
  std::optional<std::int64_t> frame_offset(unsigned reg) const;
  /// Indices of the maps whose handles the register may hold; empty if it may hold anything.
  std::vector<std::uint32_t> maps(unsigned reg) const;
  /// Whether maps like this one come out of maps in maps: a fact that names it may mean any of them.
  bool comes_from_map(std::uint32_t map) const;
  /// What the register can point at; every kind if nothing was proven.
  ValueKinds kinds(unsigned reg) const;
};

}  // namespace kiln::lowering
