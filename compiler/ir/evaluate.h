// SPDX-License-Identifier: Apache-2.0
//
// What nodes compute: constants through them, and which bits of a result may be set.
#pragma once

#include <optional>

#include <kiln/ir.h>

namespace kiln::ir {

/// The result, if the node is pure and all its operands are constants. Operands must be resolved.
std::optional<std::uint64_t> evaluate_node(const Function& f, Id id);

/// Node::maybe from the operands'. Conservative.
std::uint64_t maybe_bits(const Function& f, Id id);

/// Whether a comparison holds.
bool evaluate(Cond cond, unsigned bits, std::uint64_t a, std::uint64_t b);

}  // namespace kiln::ir
