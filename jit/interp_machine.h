// SPDX-License-Identifier: Apache-2.0
//
// The interpreter proper: registers, a call stack and a piece of code for each row of isa.def.
//
// It knows no engines: interp.cc and raw.cc give it programs and a machine state. interp_machine.cc starts, leaves
// and enters runs; interp_step.cc has what each instruction does; interp_calls.cc the calls among them.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <kiln/cpu_engines.h>
#include <kiln/run_state.h>

#include "helper_runtime.h"

namespace kiln {

class InterpMachine final : public FunctionCaller {
 public:
  /// \param programs  by index in the object; those that can't run (callable is false) may be empty.
  InterpMachine(const std::vector<Code>& programs, HelperRuntime& runtime, const StepObserver* observer)
      : programs_(programs), runtime_(runtime), observer_(observer) {
    runtime.functions = this;
  }
  InterpMachine(const InterpMachine&) = delete;
  InterpMachine& operator=(const InterpMachine&) = delete;

  /// Runs program `entry` from slot 0 with R1 = runtime.r1, R2 = runtime.r2, R10 = runtime.stack_top.
  /// \return R0. \errors kFault naming slot, source line and what was wrong.
  Result<std::uint64_t> run(std::uint32_t entry);

  std::uint64_t call(std::uint64_t address, const FunctionArguments& arguments) override;

  /// Goes on at state.pc, with its registers and callers; everything else of a state is the runtime's.
  /// As run(). REQUIRES: checked by check_state().
  Result<std::uint64_t> resume(const RunState& state);
  /// Runs `insns` instructions from the start and gives registers, callers and slot. Those of a helper's callbacks
  /// are part of its call. \errors kFault; kUsage if the program has ended by then.
  Result<RunState> suspend(std::uint32_t entry, std::uint64_t insns);
  /// \errors kInput if the state names programs or slots that are not there.
  Result<void> check_state(const RunState& state) const;

  std::uint64_t executed() const { return executed_; }

 private:
  using Registers = std::array<std::uint64_t, kRegisters>;

  /// A caller waiting for its callee: R6 to R10, where to go on, and how often may_goto may still be passed.
  struct Caller {
    std::array<std::uint64_t, 5> saved{};
    std::uint32_t program = 0;
    std::uint32_t slot = 0;
    std::uint32_t may_goto_left = kMaxLoops;
  };

  /// How steps went: a function returned to a caller or the next instruction follows; the program ended; a fault;
  /// as many instructions as there may be.
  enum class Next : std::uint8_t { kGoOn, kExit, kFault, kLimit };

  void begin(std::uint32_t entry);
  Result<std::uint64_t> go_on();
  /// From pc_ on, until the program ends, a return leaves `depth` callers, or executed_ is limit_.
  Next steps(std::size_t depth);
  template <bool kObserved>
  Next observed_steps(std::size_t depth);

  // What instructions do. `op` is constant wherever they are used, and so decides at compile time.
  void alu(Op op, const CodeInsn& insn, std::uint64_t src);
  void alu_unary(Op op, const CodeInsn& insn);
  bool jump_taken(Op op, const CodeInsn& insn, std::uint64_t src) const;
  bool load_store(Op op, Form form, unsigned bytes, const CodeInsn& insn);
  void atomic(const CodeInsn& insn, std::byte* at, std::uint64_t address);
  void load_wide(const CodeInsn& insn);
  template <Op op, Form form, unsigned bytes>
  const CodeInsn* follow(const CodeInsn* at, const CodeInsn* first);

  /// Instructions that go elsewhere, or ask a helper: they read and set pc_.
  Next transfer(const CodeInsn& insn);
  Next load_packet(const CodeInsn& insn);
  void may_goto(const CodeInsn& insn);
  void go_round();
  Next call_helper(std::uint32_t number);
  Next call_kfunc(std::uint32_t row);
  Next call_function(const Function& callee);
  Next callx(std::uint64_t value);
  Next leave_function();

  void observe(std::uint32_t pc) const { (*observer_)(InterpState{.program = program_, .pc = pc, .regs = r_}); }
  std::uint64_t runaway();  ///< \return what fault() does
  Error faulted() const;

  const std::vector<Code>& programs_;
  HelperRuntime& runtime_;
  const StepObserver* observer_;
  const Code* code_ = nullptr;
  std::uint32_t program_ = 0;
  std::uint32_t pc_ = 0;
  std::uint32_t may_goto_left_ = kMaxLoops;  ///< of the running function
  Registers r_{};
  std::vector<Caller> callers_;
  std::uint64_t executed_ = 0;
  std::uint64_t limit_ = 0;  ///< of executed_: there the run counts as a runaway
};

}  // namespace kiln
