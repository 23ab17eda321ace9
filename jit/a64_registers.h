// SPDX-License-Identifier: Apache-2.0
//
// Registers of AArch64 by their number, and what emitted code uses them for.
//
//   x0 to x4   R1 to R5 and the result, as the procedure call standard has them; helpers take the machine in x5
//   x0 to x13  values that no call is made over      x19 to x28  values that calls preserve
//   x14 to x17 the emitter's own                     x18 the platform's, x29 and x30 the host's frame and return address
#pragma once

#include "allocate.h"

namespace kiln {

inline constexpr unsigned kA64Frame = 27, kA64Machine = 28, kA64Link = 30;
inline constexpr unsigned kMoveScratch = 17;  ///< between two slots; 16 breaks cycles of moves
inline constexpr unsigned kMost12 = 4095;    ///< of an immediate operand

extern const RegisterFile kA64Registers;

}  // namespace kiln
