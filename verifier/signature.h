// SPDX-License-Identifier: Apache-2.0
//
// What a global function takes, read from its BTF prototype and the tags of its arguments ("arg:nonnull"). No
// other BTF is understood here.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <kiln/btf.h>
#include <kiln/program.h>

#include "state.h"

namespace kiln::verifier {

struct Signature {
  std::string name;
  /// R1.. at entry. kMem, kBtf: may be NULL if maybe_null; with kUntrusted anything may be passed.
  std::vector<Reg> arguments;
  std::string defect;  ///< not empty: why the prototype can't be used
};

/// What a signature is read from. Types of the kernel are asked for only where an argument is one.
struct SignatureSource {
  const Btf* program = nullptr;  ///< null: there is none
  std::function<const Btf*()> kernel;
  ProgramType type = ProgramType::kUnspec;
  AttachType attach = AttachType::kNone;
};

/// \param func  BTF id of a FUNC, 0 if there is none.
Signature read_signature(const SignatureSource& source, u32 func);

}  // namespace kiln::verifier
