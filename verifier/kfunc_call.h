// SPDX-License-Identifier: Apache-2.0
//
// One call of a kernel function, as far as it has been checked.
#pragma once

#include <string_view>

#include <kiln/btf.h>
#include <kiln/kfuncs.h>
#include <kiln/program.h>

#include "fields.h"
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
  const Field* collection = nullptr;  ///< the head or root argument
  unsigned callback = 0;   ///< register of the subprogram that is called back; 0: none
  u32 object_type = 0;     ///< of an object of the program's own, in its BTF
  bool owning = true;      ///< that object is not borrowed
  s32 map = -1;            ///< of the work queue or task work argument
  u32 map_uid = 0;
  bool iterator_in_rcu = false;
};

/// Whether the kernel function gives a list or tree its second argument.
bool puts_into_collection(std::string_view name);

/// A struct whose members, down to the last, are numbers.
bool is_scalar_struct(const Btf& btf, u32 type, unsigned depth = 0);

}  // namespace kiln::verifier
