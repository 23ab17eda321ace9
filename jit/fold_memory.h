// SPDX-License-Identifier: Apache-2.0
//
// Loads that become operands of other instructions, and sums that become addresses: for processors whose instructions take memory
// with base, index and displacement.
#pragma once

#include <vector>

#include <kiln/ir.h>

namespace kiln {

/// A sum that only one access needs becomes base and index of it.
void fold_addresses(ir::Function& f);

/// Loads that become the memory operand of the one instruction that uses them, in the same block, if nothing in between may write
/// what they read; operations between a load and a store of the same place, all of which become one instruction; and copies of 16 bytes: a store
/// of that size whose value is a folded load of that size.
/// \param swaps  whether a byte swap is such an instruction.
/// \return by node: it has no instruction of its own.
ir::List<bool> fold_memory(ir::Function& f, bool swaps);

}  // namespace kiln
