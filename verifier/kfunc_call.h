// SPDX-License-Identifier: Apache-2.0
//
// One call of a kernel function, as far as it has been checked.
#pragma once

#include <string_view>

#include <kiln/btf.h>
#include <kiln/kfuncs.h>
#include <kiln/program.h>

#include "state.h"

namespace kiln::verifier {

struct KfuncCall {
  const KfuncInfo* info = nullptr;
  const Btf* types = nullptr;  ///< the kernel's
  u32 proto = 0;               ///< its FUNC_PROTO
  std::string_view name;
  u32 reference = 0;      ///< what an argument holds
  unsigned released = 0;  ///< register of the argument that is given back; 0: none
  bool has_constant = false;
  u64 constant = 0;  ///< the argument whose value must be known
  Reg dynptr;        ///< the initialised dynptr argument
  u32 result_size = 0;
  bool iterator_in_rcu = false;
};

/// Why this verifier can't follow a call of the function; nullptr: it can.
const char* kfunc_not_followed(std::string_view name);

}  // namespace kiln::verifier
