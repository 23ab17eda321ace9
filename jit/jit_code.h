// SPDX-License-Identifier: Apache-2.0
//
// Machine code in memory that is never writable and executable at once, and what makes it from programs.
//
// asmjit stays behind this header (program_emitter.h and what includes it).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <kiln/ir_passes.h>

#include "helper_runtime.h"

namespace kiln {

/// Pages that are filled while writable and then become executable, for good. A page on either side can't be touched.
class CodePages {
 public:
  CodePages() = default;
  /// Writable pages, near this program's own code where possible, so that helpers are called directly.
  /// \errors kUnavailable: no memory.
  static Result<CodePages> map(std::size_t bytes);
  CodePages(CodePages&& other) noexcept;
  CodePages& operator=(CodePages&& other) noexcept;
  ~CodePages();

  std::byte* data() const { return data_; }
  /// From here on executable and read only. \errors kUnavailable: the system forbids it.
  Result<void> seal();

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;  ///< the guard pages included
};

/// All programs of an object as machine code. The programs and the arena outlive it.
struct JitCode {
  CodePages pages;
  /// Runs the entry program on the machine: R1, R2 and R10 are in MachineState. \return R0; look at `faulted`.
  std::uint64_t (*enter)(MachineState* machine) = nullptr;
  std::uint64_t (*enter_empty)(MachineState* machine) = nullptr;  ///< the same with a program that returns 1
  /// Runs a function from within a helper, R10 = machine->callee_stack. \param function  of `functions`.
  std::uint64_t (*invoke)(MachineState* machine, const void* function, const FunctionArguments* arguments) = nullptr;
  std::vector<MapView> views;  ///< of all maps, as emitted code passes them on
  std::vector<const void*> bodies;  ///< by program: where it begins
  std::vector<std::vector<const void*>> functions;  ///< by program and number, as emitted code calls them
};

/// What code is emitted for. Programs that can't run have no instructions.
struct JitInput {
  const std::vector<Code>& programs;
  std::size_t entry = 0;
  MapSet& maps;
  std::uint32_t cpu = 0;  ///< that the programs run as
  /// By program; programs with Facts go through the optimiser, others are translated one to one, with checks.
  std::span<const Facts> facts = {};
};

/// What code is made for. Another than this machine's: to be looked at, not to be run.
enum class Processor { kHost, kX86_64, kAArch64 };

struct JitOptions {
  Processor processor = Processor::kHost;
  bool use_bmi2 = true;            ///< three-operand shifts, if the processor has them
  bool harden = false;             ///< the program's constants don't stand in the code (blinding.h)
  bool perf_map = false;           ///< names of functions go to /tmp/perf-PID.map, for perf
  bool optimise = true;            ///< false: translate one to one, also with Facts
  ir::PassSet passes = {};
  std::string* listing = nullptr;  ///< receives the assembly, with the BPF instructions as comments
};

/// \errors kUnavailable: a processor that no code can be made for, or no executable memory; kUnsupported: see ProgramEmitter::emit().
Result<JitCode> emit_code(const JitInput& input, const JitOptions& options);

}  // namespace kiln
