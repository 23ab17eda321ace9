// SPDX-License-Identifier: Apache-2.0
//
// BPF_PROG_LOAD of a program in canonical form, and the verifier's log put into a sentence.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <kiln/program.h>

#include "btf.h"
#include "kernel_access.h"

namespace kiln::kernel {

struct Loaded {
  Fd fd;            ///< none: refused
  int error = 0;    ///< errno of BPF_PROG_LOAD
  std::string log;  ///< at log level 0 only the statistics
};

/// \param maps  descriptors by index into Object::maps.
/// \param log_level  BPF_LOG_LEVEL1 and BPF_LOG_LEVEL2; statistics always.
Loaded load_program(const Object& object, const Program& program, std::span<const int> maps,
                    const Types& types, std::uint32_t log_level);

/// The kernel's reason in one line: what the log says after the last instruction.
std::string reason(const Loaded& loaded);

/// The number in "processed N insns" or "verification time N usec"; 0 if it isn't there.
std::uint64_t log_number(const std::string& log, std::string_view before);

/// The operation of the running kernel's that a struct_ops program implements; nullopt: none that it has.
struct KernelOperation {
  std::uint32_t type = 0;    ///< BTF id of its struct
  std::uint32_t member = 0;  ///< index
};
std::optional<KernelOperation> kernel_operation(const Program& program);

/// BPF_XDP, or BPF_XDP_DEVMAP and BPF_XDP_CPUMAP for programs that run from such maps.
bool runs_from_map(const Program& program);

}  // namespace kiln::kernel
