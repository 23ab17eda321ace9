// SPDX-License-Identifier: Apache-2.0
//
// Kernel functions of the CPU engines, called as helpers are: five argument registers and the machine, R0 back.
//
// Only the rows of kfuncs.def with kInterp or kJit are defined, each in the kfunc_*.cc of its theme. Semantics are
// Linux 6.18's, to the errno. A result of C type int is what x86-64 leaves in R0: 32 bits, the upper half zero.
#pragma once

#include <kiln/kfuncs.h>

#include "helper_runtime.h"

namespace kiln {

/// \param row  of kfunc_table(). nullptr if the CPU engines have no such function.
HelperFunction kfunc_function(std::uint32_t row);

/// What a kernel function of type int returns.
constexpr std::uint64_t as_int(std::int64_t value) { return static_cast<std::uint32_t>(value); }

/// Begins the definition of a kernel function, with its five arguments and `machine` in scope.
#define KILN_DEFINE_KFUNC(name)                                                                                   \
  std::uint64_t kfunc_##name([[maybe_unused]] std::uint64_t r1, [[maybe_unused]] std::uint64_t r2,                \
                             [[maybe_unused]] std::uint64_t r3, [[maybe_unused]] std::uint64_t r4,                \
                             [[maybe_unused]] std::uint64_t r5, [[maybe_unused]] MachineState* machine)

#define KILN_KFUNC(name, ...)                                                                           \
  std::uint64_t kfunc_##name(std::uint64_t r1, std::uint64_t r2, std::uint64_t r3, std::uint64_t r4, \
                             std::uint64_t r5, MachineState* machine);
#include <kiln/kfuncs.def>

}  // namespace kiln
