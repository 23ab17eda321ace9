// SPDX-License-Identifier: Apache-2.0
//
// Gives the kernel an object's BTF, so that the verifier knows the types of functions and shows
// source lines in its log.
#pragma once

#include <linux/bpf.h>

#include <vector>

#include <kiln/program.h>

#include "kernel_access.h"

namespace kiln::kernel {

/// What BPF_PROG_LOAD and BPF_MAP_CREATE take beside the instructions. All empty: there is no BTF, or the kernel does
/// not take it; that matters to global functions and callbacks, and to the log, only.
struct Types {
  Fd btf;
  std::vector<bpf_func_info> functions;
  std::vector<bpf_line_info> lines;
};

Types load_types(const Object& object, const Program& program);

}  // namespace kiln::kernel
