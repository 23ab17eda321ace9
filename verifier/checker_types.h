// SPDX-License-Identifier: Apache-2.0
//
// What the rules of checker.h hand one another: a step's outcome, an access, the arguments of a call.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>

#include <kiln/helpers.h>

#include "fields.h"
#include "state.h"

namespace kiln::verifier {

enum class Access : u8 { kRead, kWrite };

inline constexpr u32 kStackRound = 16;  ///< bytes that a frame's stack is rounded up to
inline constexpr u32 kMapWriteOnlyFlag = 1u << 8;  ///< BPF_F_WRONLY_PROG

/// What one instruction did to the path.
enum class Step : u8 { kNext, kEnd, kReject };

/// The other way out of a branch, to be explored later.
struct Pending {
  std::unique_ptr<State> state;
  std::size_t log_size = 0;
};

/// A memory access about to be checked.
struct MemoryAccess {
  unsigned reg = 0;        ///< base register
  s64 off = 0;             ///< the instruction's offset
  u32 bytes = 0;
  Access access = Access::kRead;
  int value_reg = -1;      ///< register loaded or stored; -1: none
  bool immediate = false;  ///< a store of insn.imm
  bool aligned = false;    ///< must be naturally aligned whatever it points at
  bool sign_extend = false;
  bool atomic = false;
};

/// Argument registers of the helper call being checked (helper_args.cc).
struct CallContext {
  const HelperInfo* helper = nullptr;
  s32 map = -1;            ///< Object::maps index of the map argument
  std::optional<u64> constant_key;  ///< the key argument, if it is one known number
  u64 size_max = 0;        ///< of the last size argument
  u64 alloc_size = 0;      ///< bytes of the result
  u32 map_uid = 0;         ///< of the map argument
  bool timer = false;      ///< the map is the one that the timer argument lies in
  Reg dynptr;              ///< the dynptr argument
  const Field* kept = nullptr;  ///< the pointer that is exchanged
  u32 reference = 0;       ///< what an argument holds
  unsigned released = 0;   ///< register of the argument that is given back; 0: none
};

/// Memory that a helper or a global function is given.
struct ArgumentMemory {
  unsigned number = 0;  ///< register
  u32 bytes = 0;
  Access access = Access::kRead;
  bool zero_size = false;    ///< 0 bytes are allowed
  bool overwritten = false;  ///< all `bytes` are written, none read
};

/// Registers and slots whose exact range is being asked for, per frame (precision.cc).
struct PrecisionMask {
  std::array<u16, kMaxFrames> regs{};
  std::array<u64, kMaxFrames> slots{};
  u32 frame = 0;

  bool empty() const;
};

}  // namespace kiln::verifier
