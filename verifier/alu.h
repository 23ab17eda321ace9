// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on Bounds: the abstract counterpart of each ALU instruction on scalars.
//
// Pointers are none of its business (pointer_math.cc). Results are sound for every pair of operand
// values, also where the kernel would call the result unknown.
#pragma once

#include "decode.h"
#include "range.h"

namespace kiln::verifier {

/// dst op src in 64 bits, or in 32 with the upper half zeroed. For kMov: src.
/// Shifts by anything but a constant below the width, divisions and remainders: nothing is known but
/// the zero upper half of a 32-bit result, as with the kernel.
Bounds alu(AluOp op, bool is64, const Bounds& dst, const Bounds& src);

}  // namespace kiln::verifier
