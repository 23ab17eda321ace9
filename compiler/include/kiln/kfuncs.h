// SPDX-License-Identifier: Apache-2.0
//
// Kernel functions that programs may call (kfuncs). Their prototypes are in the kernel's BTF; what BTF does
// not say, who may call them and which engines carry them, is in kfuncs.def.
#pragma once

#include <span>
#include <string_view>

#include <kiln/helpers.h>

namespace kiln {

/// A union of these is KfuncInfo::flags. The kernel's KF_*.
enum KfuncFlag : std::uint16_t {
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
  EngineSet engines = 0;
  std::uint16_t flags = 0;
  ProgramSet programs = 0;
  bool has(KfuncFlag flag) const { return (flags & flag) != 0; }
};

/// One row a function, sorted by name.
std::span<const KfuncInfo> kfunc_table();
/// nullptr: no program may call it, or Kiln does not know it.
const KfuncInfo* find_kfunc(std::string_view name);

}  // namespace kiln
