// SPDX-License-Identifier: Apache-2.0
//
// What one instruction makes of what is known before it: the value in its destination register, stack words, what calls leave.
#pragma once

#include <cstdint>
#include <optional>

#include "state.h"

namespace kiln::lowering {

/// The slot where the program's own function starts that a call goes to: CALL_LOCAL, or CALLX by a constant.
std::optional<std::uint32_t> callee_of(const At& at);

/// What the instruction leaves in its destination register, if that is the same on every path.
/// REQUIRES: an instruction that writes `dst` and nothing else.
Value result_of(const At& at);

/// What is known after the instruction, on every way out of it.
State after(const At& at);

}  // namespace kiln::lowering
