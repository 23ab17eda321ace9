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
/// Of shifts by anything but a constant below the width, of divisions and remainders nothing is known,
/// as with the kernel.
Bounds alu(AluOp op, bool is64, const Bounds& dst, const Bounds& src);

/// The lowest `width` bits, their bytes in opposite order if `swaps`, the rest zero.
Bounds byte_swap(unsigned width, bool swaps, const Bounds& b);

}  // namespace kiln::verifier
