// SPDX-License-Identifier: Apache-2.0
//
// Hand-over seen from the program: which registers BPF reads from a slot on, and what that means for the
// steps around a slot where the host goes on.
#pragma once

#include <vector>

#include "step.h"

namespace kiln::lowering {

/// By slot: registers that the program as written may read before it writes them. More than it does
/// read is right too; nothing that was proven is used.
std::vector<RegMask> bpf_live(const View& view);

/// After the steps of a program are made: drops what only a hand-over leads to, and lets every call of a
/// function that may hand over keep what its caller will need, in BPF's own registers and stack.
/// \param live  as bpf_live() gives it.
void settle_handovers(const View& view, Steps& steps, const std::vector<RegMask>& live);

}  // namespace kiln::lowering
