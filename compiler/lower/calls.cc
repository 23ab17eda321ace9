// SPDX-License-Identifier: Apache-2.0
#include "calls.h"

#include <algorithm>

namespace kiln::lowering {

std::uint32_t CallShape::most_levels() const {
  std::uint32_t most = 0;
  for (const Of& function : functions) {
    most = std::max(most, function.level);
  }
  return most;
}

std::uint32_t CallShape::most_stack(const View& view) const {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < functions.size(); ++i) {
    if (functions[i].reached) {
      most = std::max(most, functions[i].stack_above + view.functions()[i].frame_bytes);
    }
  }
  return most;
}

bool CallShape::tail_calls_from_subprogram() const {
  return std::any_of(functions.begin() + 1, functions.end(), [](const Of& function) { return function.tail_calls; });
}

CallShape shape_of_calls(const View& view, const Steps& steps) {
  CallShape shape;
  shape.functions.resize(view.functions().size());
  shape.functions[0].reached = true;
  for (bool changed = true; changed && !shape.recursive;) {
    changed = false;
    for (std::uint32_t slot = 0; slot < view.slots(); ++slot) {
      const Step& step = steps.at[slot];
      CallShape::Of& caller = shape.functions[view.function_of(slot)];
      if (step.kind == Step::Kind::kHelper && steps.plan(slot).helper == Helper::tail_call) {
        caller.tail_calls = true;
      }
      if (step.kind != Step::Kind::kCall) {
        continue;
      }
      CallShape::Of& callee = shape.functions[view.function_of(step.callee)];
      const std::uint32_t level = caller.level + 1;
      const std::uint32_t stack = caller.stack_above + view.functions()[view.function_of(slot)].frame_bytes;
      shape.recursive |= level > kMaxLevel;
      changed |= !callee.reached || callee.level < level || callee.stack_above < stack;
      callee.reached = true;
      callee.level = std::max(callee.level, level);
      callee.stack_above = std::max(callee.stack_above, stack);
    }
  }
  return shape;
}

}  // namespace kiln::lowering
