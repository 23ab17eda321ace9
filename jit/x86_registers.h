// SPDX-License-Identifier: Apache-2.0
//
// Registers of x86-64 by their encoding, and what emitted code uses them for.
#pragma once

#include "allocate.h"

namespace kiln {

inline constexpr unsigned kRax = 0, kRcx = 1, kRdx = 2, kRbx = 3, kRsp = 4, kRbp = 5, kRsi = 6, kRdi = 7;
inline constexpr unsigned kScratch2 = 10, kScratch = 11, kR12 = 12;
inline constexpr unsigned kArgumentRegisters[5] = {kRdi, kRsi, kRdx, kRcx, 8};
inline constexpr unsigned kMachineRegister = kR12, kFrameRegister = kRbp, kHelperMachineRegister = 9;

extern const RegisterFile kX86Registers;

}  // namespace kiln
