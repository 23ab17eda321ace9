// SPDX-License-Identifier: Apache-2.0
//
// What the verifier proved, per instruction slot: the joined state over every path that reaches it.
//
// The verifier (a folder above) fills it, every back end reads it. A fact is a promise about all
// runs: a back end may rely on it without a check. Absent facts (an empty vector) mean nothing was
// proven, as in the conformance plug-in, and a back end must then assume nothing.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include <kiln/isa.h>

namespace kiln {

/// What a register can hold. Pointers carry an offset from their base; kinds are bits of a set.
enum class ValueKind : std::uint16_t {
  kScalar = 1 << 0,
  kContext = 1 << 1,
  kStack = 1 << 2,
  kPacket = 1 << 3,
  kPacketMeta = 1 << 4,
  kPacketEnd = 1 << 5,
  kMapHandle = 1 << 6,
  kMapValue = 1 << 7,
  kNull = 1 << 8,     ///< with kMapValue: not yet tested
  kCode = 1 << 9,     ///< callback
  kOther = 1 << 10,   ///< any other pointer (sockets, memory from helpers)
  kUninit = 1 << 11,  ///< not readable here on some path
};
using ValueKinds = std::uint16_t;  ///< union of ValueKind bits; 0: never reached
constexpr bool has(ValueKinds set, ValueKind kind) {
  return (set & static_cast<ValueKinds>(kind)) != 0;
}
constexpr bool only(ValueKinds set, ValueKind kind) {
  return set == static_cast<ValueKinds>(kind);
}

/// A register before an instruction. Told of are registers that the instruction reads, and those that
/// the one before it wrote if they are read later; for all others every kind is possible. For pointers the ranges are of the offset from the base (stack:
/// from R10 of the current frame; packet: from data; map value: from the value's start).
struct RegFact {
  ValueKinds kinds = 0;
  std::int32_t map = -1;  ///< index into Object::maps if always the same one, else -1
  std::uint64_t known_mask = 0;   ///< bits whose value is known ...
  std::uint64_t known_value = 0;  ///< ... and what they are
  std::uint64_t umin = 0;
  std::uint64_t umax = std::numeric_limits<std::uint64_t>::max();
  std::int64_t smin = std::numeric_limits<std::int64_t>::min();
  std::int64_t smax = std::numeric_limits<std::int64_t>::max();

  bool is_constant() const { return kinds == static_cast<ValueKinds>(ValueKind::kScalar) && umin == umax; }
};

struct InsnFact {
  bool reachable = false;
  bool branch_taken = false;      ///< some path takes it
  bool branch_not_taken = false;  ///< some path falls through
  std::array<RegFact, kRegisters> regs{};

  // A load, store or atomic: what its base register points at (also in regs) and the range of the
  // offset of the first byte it touches, base register offset and `off` included.
  ValueKinds memory = 0;
  std::int64_t offset_min = 0;
  std::int64_t offset_max = 0;
};

/// Facts of one program; insns.size() equals Program::insns.size(), or 0: unverified.
struct Facts {
  std::vector<InsnFact> insns;
  std::vector<std::uint32_t> stack_depth;  ///< bytes used by each subprogram, in Program order
  bool changes_packet = false;  ///< some helper moves data or data_end
  bool empty() const { return insns.empty(); }
};

}  // namespace kiln
