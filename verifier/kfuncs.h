// SPDX-License-Identifier: Apache-2.0
//
// Kernel functions that programs may call (kfuncs). Their prototypes are in the kernel's BTF; what BTF does
// not say, and who may call them, is in kfuncs.def.
#pragma once

#include <string_view>

#include <kiln/helpers.h>

#include "tnum.h"

namespace kiln::verifier {

/// A union of these is KfuncInfo::flags. The kernel's KF_*.
enum KfuncFlag : u16 {
  kKfAcquires = 1,
  kKfReleases = 2,
  kKfMayBeNull = 4,       ///< the result
  kKfTrusted = 8,         ///< pointers must be valid for as long as the call takes, and not NULL
  kKfRcu = 16,            ///< the same, or valid until the RCU section ends
  kKfSleeps = 32,
  kKfFastcall = 64,
  kKfIterNew = 128,
  kKfIterNext = 256,
  kKfIterDestroy = 512,
  kKfRcuProtected = 1024,  ///< only inside an RCU section; so is the result
};

struct KfuncInfo {
  std::string_view name;
  u16 flags = 0;
  ProgramSet programs = 0;
  bool has(KfuncFlag flag) const { return (flags & flag) != 0; }
};

/// nullptr: no program may call it, or Kiln does not know it.
const KfuncInfo* find_kfunc(std::string_view name);
/// Why this verifier can't follow a call of the function; nullptr: it can.
const char* kfunc_not_followed(std::string_view name);

}  // namespace kiln::verifier
