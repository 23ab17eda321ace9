// SPDX-License-Identifier: Apache-2.0
//
// What is to be done for one helper call: which map, where key and value are, what is constant.
//
// Planning emits nothing. It says which registers and stack bytes the emitted sequence will read,
// so that what only fed the call's other arguments can be dropped before anything is emitted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <kiln/helpers.h>

#include "state.h"

namespace kiln::lowering {

using Helper = HelperId;

/// Bytes that a helper reads: [reg + offset].
struct Operand {
  unsigned reg = 0;
  std::int32_t offset = 0;
  bool local = false;                 ///< proven not to be in a map: PUSHM may read it
  std::optional<std::int64_t> frame = {};  ///< offset from R10, if that is where it is
};

/// Up to 8 bytes of a key or value.
struct Piece {
  enum class From : std::uint8_t { kMemory, kRegister, kConstant };
  From from = From::kMemory;
  std::uint8_t bytes = 8;
  std::uint8_t reg = 0;        ///< kRegister: holds them (zero-extended where a key needs it)
  std::uint32_t at = 0;        ///< byte offset in the key or value
  std::uint64_t number = 0;    ///< kConstant
};

/// An array index.
struct Index {
  std::optional<std::uint32_t> constant;
  bool in_range = false;           ///< proven below max_entries
  std::uint8_t reg = kNoRegister;  ///< its low half is the index; else it is in memory (the key)
};

struct StackRange {
  std::int64_t from = 0, to = 0;  ///< bytes from this frame's R10
};

struct CallPlan {
  std::string problem;  ///< not empty: why the NIC can't do this call
  bool senseless = false;  ///< with `problem`: the verifier lets no program do it, on any engine
  std::uint32_t slot = 0;  ///< of the call
  Helper helper{};
  std::uint32_t map = 0;  ///< index, where the helper takes a map
  /// More than one map is possible: a plan for each; which one, `map_reg` says when the program runs.
  std::vector<CallPlan> choices;
  unsigned map_reg = 0;
  std::array<std::optional<std::uint64_t>, 6> constant;  ///< of R1..R5 (by register number)
  std::uint64_t max2 = 0;        ///< largest value of R2 (redirect_map's key, redirect's flags)
  std::uint64_t max1 = 0;        ///< largest value of R1 (redirect's ifindex)
  Operand key, value;            ///< csum_diff: `from` and `to`. Helpers that take a buffer: `value`
  std::vector<Piece> key_pieces, value_pieces;
  Index index;
  std::uint8_t context = kNoRegister;  ///< a register that holds address::kContext
  RegMask uses = 0;
  std::vector<StackRange> stack_reads, stack_writes;
  bool reads_any_stack = false, writes_any_stack = false;
  Value result;
};

/// REQUIRES: the slot is CALL_HELPER, CALL_KFUNC or CALLX.
CallPlan plan_call(const At& at);

/// Longest key, in bytes, and longest value that is pushed as one: eight beats of the service port.
inline constexpr std::uint32_t kMaxKeyBytes = 64;

bool is_array_like(MapType type);  ///< array, percpu_array and slot arrays: entries by index
bool is_slot_array(MapType type);  ///< elements whose first u32 is 0 are missing
bool is_per_cpu(MapType type);

}  // namespace kiln::lowering
