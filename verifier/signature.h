// SPDX-License-Identifier: Apache-2.0
//
// What a global function takes, read from its BTF prototype. No other BTF is understood here.
#pragma once

#include <string>
#include <vector>

#include <kiln/program.h>

#include "state.h"

namespace kiln::verifier {

struct Signature {
  std::string name;
  std::vector<Reg> arguments;  ///< R1.. at entry; pointers to memory may be null
  std::string defect;          ///< not empty: why the prototype can't be used
};

/// \param func  BTF id of a FUNC, 0 if there is none.
Signature read_signature(const Object& object, u32 func, ProgramType type);

}  // namespace kiln::verifier
