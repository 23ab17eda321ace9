// SPDX-License-Identifier: Apache-2.0
//
// Who calls whom in one program: levels, stack, and tail calls that are made from a subprogram.
#pragma once

#include <cstdint>
#include <vector>

#include "step.h"

namespace kiln::lowering {

struct CallShape {
  struct Of {
    bool reached = false;
    std::uint32_t level = 0;        ///< calls between the program and the function, at most
    std::uint32_t stack_above = 0;  ///< bytes of stack that its callers have, at most
    bool tail_calls = false;        ///< contains a tail call
  };
  std::vector<Of> functions;  ///< as View::functions()
  bool recursive = false;     ///< only without a verifier; levels and stack mean nothing then

  std::uint32_t most_levels() const;
  std::uint32_t most_stack(const View& view) const;  ///< bytes, all frames together
  bool tail_calls_from_subprogram() const;
};

CallShape shape_of_calls(const View& view, const Steps& steps);

/// Deepest chain of calls (MAX_CALL_FRAMES), the program itself not counted.
inline constexpr std::uint32_t kMaxLevel = 7;
/// Levels that the save area holds: more than kMaxLevel only where tail calls from subprograms add up.
inline constexpr std::uint32_t kMostSavedLevels = 9;

}  // namespace kiln::lowering
