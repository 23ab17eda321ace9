// SPDX-License-Identifier: Apache-2.0
//
// VariableBuilder: phis for variables with several definitions, put where a reader needs them (see build.cc).
#include <kiln/ir_passes.h>

namespace kiln::ir {

VariableBuilder::VariableBuilder(Function& f, std::uint32_t variables)
    : f_(f), variables_(variables), at_start_(f.blocks.size() * variables, kNone), at_end_(at_start_) {}

Id VariableBuilder::read_end(BlockId block, std::uint32_t variable) {
  const std::size_t at = block * std::size_t{variables_} + variable;
  if (at_end_[at] == kNone) {
    const Id value = read_start(block, variable);
    at_end_[at] = value;
  }
  return f_.resolve(at_end_[at]);
}

/// A phi is made where values differ, and where the way up comes round to a block that is being looked at.
Id VariableBuilder::read_start(BlockId block, std::uint32_t variable) {
  const std::size_t at = block * std::size_t{variables_} + variable;
  if (at_start_[at] == kBusy) {
    return at_start_[at] = make_phi(block);
  }
  if (at_start_[at] != kNone) {
    return f_.resolve(at_start_[at]);
  }
  const List<BlockId>& preds = f_.blocks[block].preds;
  if (preds.empty()) {
    undefined_ = true;
    return at_start_[at] = f_.constant(0);
  }
  if (preds.size() == 1) {
    const Id value = read_end(preds[0], variable);
    return at_start_[at] = value;
  }
  at_start_[at] = kBusy;
  List<Id> operands;
  operands.reserve(preds.size());
  for (const BlockId pred : preds) {
    operands.push_back(read_end(pred, variable));
  }
  bool differ = false;
  for (Id& operand : operands) {
    operand = f_.resolve(operand);
    differ |= operand != operands[0];
  }
  if (at_start_[at] == kBusy) {
    if (!differ) {
      return at_start_[at] = operands[0];
    }
    at_start_[at] = make_phi(block);
  }
  const Id phi = at_start_[at];
  f_.nodes[phi].list = f_.add_list(operands);
  f_.nodes[phi].count = static_cast<std::uint32_t>(operands.size());
  return simplify(f_, phi, PassSet());
}

Id VariableBuilder::make_phi(BlockId block) {
  const Id phi = f_.make({.op = Op::kPhi, .block = block});
  f_.blocks[block].nodes.insert(f_.blocks[block].nodes.begin(), phi);
  return phi;
}

}  // namespace kiln::ir
