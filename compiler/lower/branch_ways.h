// SPDX-License-Identifier: Apache-2.0
//
// Which ways out of a conditional branch are possible, by its facts and by what is known of its operands.
#pragma once

#include "state.h"

namespace kiln::lowering {

struct Ways {
  bool taken = true;
  bool falls = true;
};

/// REQUIRES: a conditional branch.
Ways ways_of(const At& at);

}  // namespace kiln::lowering
