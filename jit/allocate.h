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

/// x86-64 registers by their encoding, as bits.
using RegisterSet = std::uint16_t;
constexpr RegisterSet register_bit(unsigned number) { return static_cast<RegisterSet>(1u << number); }
inline constexpr unsigned kRax = 0, kRcx = 1, kRdx = 2, kRbx = 3, kRsp = 4, kRbp = 5, kRsi = 6, kRdi = 7;
inline constexpr unsigned kScratch2 = 10, kScratch = 11, kR12 = 12;
inline constexpr RegisterSet kPreserved = register_bit(kRbx) | register_bit(kRbp) | 0xf000;  ///< rbx rbp r12..r15
inline constexpr RegisterSet kAllocatable = static_cast<RegisterSet>(
    ~(register_bit(kRsp) | register_bit(kScratch) | register_bit(kScratch2)));
/// Registers of R1 to R5 at calls.
inline constexpr unsigned kArgumentRegisters[5] = {kRdi, kRsi, kRdx, kRcx, 8};
/// IR argument 0: the MachineState.
inline constexpr unsigned kMachineRegister = kR12, kFrameRegister = kRbp, kHelperMachineRegister = 9;

/// What an instruction asks of the allocation.
struct Constraints {
  RegisterSet clobbers = 0;    ///< overwritten after the operands were read
  std::uint8_t late = 0;       ///< bits: operands in[i] that are read after the clobbers
  int result = -1;             ///< where the result appears
  bool reuses_first = false;   ///< two-operand form: best if in[0] and the result share
};

struct Allocation {
  std::vector<std::int8_t> reg;    ///< by node: register, or -1
  std::vector<std::int32_t> slot;  ///< by node: number of its 8-byte spill slot, or -1
  std::uint32_t slots = 0;
  RegisterSet used = 0;
};

/// \param machine  the node that stands for the MachineState; calls use it.
/// \param folded   by node: not computed by itself, but an operand of the one instruction that uses it.
Allocation allocate(ir::Function& f, ir::Id machine, const std::vector<bool>& folded);

/// The constraints of a node, and its operands as the machine has them (with the machine state for calls).
Constraints constraints_of(const ir::Node& node);
bool has_result(const ir::Node& node);

}  // namespace kiln
