// SPDX-License-Identifier: Apache-2.0
//
// Comparisons of Bounds: can the outcome be known, and what does an outcome teach about the operands.
//
// Pointers are compared elsewhere (jump.cc, packet_range.cc); these are scalars.
#pragma once

#include <optional>

#include "decode.h"
#include "range.h"

namespace kiln::verifier {

/// The outcome of `a op b`, if it is the same for all values. \param is64  false: low halves compared.
std::optional<bool> decide(CmpOp op, bool is64, const Bounds& a, const Bounds& b);

/// Keeps of both operands only what allows `a op b`. REQUIRES: decide() did not answer false.
void assume(CmpOp op, bool is64, Bounds& a, Bounds& b);

}  // namespace kiln::verifier
