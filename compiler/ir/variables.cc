// SPDX-License-Identifier: Apache-2.0
//
// VariableBuilder: phis for variables with several definitions, put where a reader needs them (see build.cc).
#include <kiln/ir_passes.h>

namespace kiln::ir {

Id make_phi(Function& f, BlockId block) {
  const Id phi = f.make({.op = Op::kPhi, .block = block});
  f.blocks[block].nodes.insert(f.blocks[block].nodes.begin(), phi);
  return phi;
}

Id complete_phi(Function& f, Id phi, std::span<const Id> operands, PassSet passes) {
  f.nodes[phi].list = f.add_list(operands);
  f.nodes[phi].count = static_cast<std::uint32_t>(operands.size());
  return simplify(f, phi, passes);
}

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

Id VariableBuilder::read_start(BlockId block, std::uint32_t variable) {
  const std::size_t at = block * std::size_t{variables_} + variable;
  if (at_start_[at] == kBusy) {
    return at_start_[at] = make_phi(f_, block);
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
  return join_values(f_, block, at_start_[at], PassSet(), [&](BlockId pred) { return read_end(pred, variable); });
}

}  // namespace kiln::ir
