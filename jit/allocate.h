// SPDX-License-Identifier: Apache-2.0
//
// Register allocation for the intermediate form: live intervals over a linear order of instructions, phis
// coalesced, intervals placed by cost into the registers that are free over their whole length, or into memory.
//
// Intervals are not split: a value has one place for all its life. What is live across a call can only be in a register that
// calls preserve, because calls are entered as short uses of all others.
#pragma once

#include <cstdint>
#include <vector>

#include <kiln/ir.h>

namespace kiln {

/// Registers of a processor by their number, as bits.
using RegisterSet = std::uint32_t;
constexpr RegisterSet register_bit(unsigned number) { return RegisterSet{1} << number; }

/// What an instruction asks of the allocation.
struct Constraints {
  RegisterSet clobbers = 0;    ///< overwritten after the operands were read
  std::uint8_t late = 0;       ///< bits: operands in[i] that are read after the clobbers
  std::int8_t result = -1;     ///< where the result appears
  bool reuses_first = false;   ///< two-operand form: best if in[0] and the result share
};

struct Allocation {
  ir::List<std::int8_t> reg;    ///< by node: register, or -1
  ir::List<std::int32_t> slot;  ///< by node: number of its 8-byte spill slot, or -1
  std::uint32_t slots = 0;
  RegisterSet used = 0;
};

/// The registers of a processor, and what emitted code uses them for.
struct RegisterFile {
  RegisterSet allocatable = 0;  ///< all but the stack pointer and what the emitter needs for itself
  RegisterSet preserved = 0;    ///< by whoever is called
  unsigned arguments[5] = {};   ///< R1 to R5 at calls
  unsigned result = 0;          ///< R0 at calls and returns
  unsigned machine = 0;         ///< IR argument 0, the MachineState, when a function begins
  unsigned frame = 0;           ///< R10 when a function begins
  unsigned helper_machine = 0;  ///< where helpers take the MachineState
  unsigned spare = 0;           ///< calls overwrite it, and no argument is in it
  unsigned scratch = 0;         ///< never allocated: breaks cycles of moves
  RegisterSet link = 0;         ///< what calls overwrite with the way back, if that is a register
  Constraints (*constraints)(const ir::Node& node) = nullptr;
};

/// \param machine  the node that stands for the MachineState; calls use it.
/// \param folded   by node: not computed by itself, but an operand of the one instruction that uses it.
Allocation allocate(ir::Function& f, ir::Id machine, const ir::List<bool>& folded, const RegisterFile& registers);

bool has_result(const ir::Node& node);

}  // namespace kiln
