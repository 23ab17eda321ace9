// SPDX-License-Identifier: Apache-2.0
//
// The CPU engines: the reference interpreter and the x86-64 JIT.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include <kiln/device.h>
#include <kiln/engine.h>
#include <kiln/kernel_code.h>

namespace kiln {

/// The reference: RFC 9669 to the letter, every memory access checked against its region.
std::unique_ptr<Engine> make_interp();

/// How the JIT works. The defaults are the fastest.
struct JitSettings {
  std::string passes = "all";  ///< of the optimiser: ir::PassSet::parse()
  bool harden = false;         ///< constants of the program do not appear in the machine code
  bool perf_map = false;       ///< addresses and names of functions are added to /tmp/perf-PID.map, which perf reads
  bool optimise = true;        ///< false: one BPF instruction after another
  std::string processor = {};  ///< disassemble_jit(): "x86-64" or "aarch64"; empty: this machine's
};

/// x86-64 or AArch64 machine code by asmjit, W^X. On another processor load() fails with kUnavailable.
std::unique_ptr<Engine> make_jit(const JitSettings& settings = {});

/// Another thread's engine for a program that is loaded: the same code and maps, and a frame, a stack and a machine state of its own. Threads then run
/// one engine each at the same time, as processors do. \param cpu  the processor it runs as, < cpu_count.
/// REQUIRES: the object that `engine` was loaded with is still there. \errors kUsage: its maps were not shared before load(); kUnsupported: not the
/// JIT; kUnavailable.
Result<std::unique_ptr<Engine>> make_sibling(Engine& engine, std::uint32_t cpu);

/// A bundled program that was compiled for this host (jit/native.cc), to measure against. \param path  of its shared object.
std::unique_ptr<Engine> make_native(const std::string& path);

/// What gives the machine code of Linux for a program: kernel_code().
using KernelCompiler = std::function<Result<KernelCode>(const Object& object, const Program& program)>;
/// Linux's own machine code, copied and run here, to measure against (jit/kernel_code.cc). load(): kUnsupported for a program that needs more of
/// the kernel than its code, and whatever `compile` gives.
std::unique_ptr<Engine> make_kernel_code(KernelCompiler compile);

/// The machine before an instruction, as the interpreter sees it (addresses as in address.h).
struct InterpState {
  std::uint32_t program = 0;  ///< index into Object::programs (tail calls change it)
  std::uint32_t pc = 0;       ///< slot about to execute
  std::array<std::uint64_t, kRegisters> regs{};
};
/// Called before every instruction, and once more after EXIT with pc = kNoPc.
using StepObserver = std::function<void(const InterpState&)>;
inline constexpr std::uint32_t kNoPc = 0xffff'ffff;

/// make_interp() with an observer, for lockstep comparison and soundness tests.
std::unique_ptr<Engine> make_interp(StepObserver observer);

/// The interpreter, to go on where another engine stopped, or to stop so that another can go on.
class ResumableInterp : public Continuation {
 public:
  /// Runs the first `insns` instructions for a frame. \errors kUsage if the program has ended by then; kFault.
  virtual Result<RunState> suspend(const Frame& frame, std::uint64_t insns) = 0;
};
std::unique_ptr<ResumableInterp> make_resumable_interp();

/// Runs raw instructions, unverified, on `memory` (R1 its address, R2 its length), as the conformance
/// plug-in does; R10 is a 512-byte stack. Returns R0. \errors kFault, kUnsupported.
Result<std::uint64_t> run_raw_interp(std::span<const Insn> insns, std::span<std::byte> memory);
Result<std::uint64_t> run_raw_jit(std::span<const Insn> insns, std::span<std::byte> memory);

/// The machine code of a program as text, with the BPF instruction each came from.
Result<std::string> disassemble_jit(const VerifiedObject& object, std::size_t program, MapSet maps,
                                    const JitSettings& settings = {});
/// Its optimised intermediate form, function by function. \errors kUnsupported if it has none.
Result<std::string> disassemble_ir(const VerifiedObject& object, std::size_t program, MapSet maps,
                                   const JitSettings& settings = {});

}  // namespace kiln
