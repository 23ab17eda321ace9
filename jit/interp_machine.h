// SPDX-License-Identifier: Apache-2.0
//
// The interpreter proper: registers, a call stack and one big switch over isa.def's rows.
//
// It knows no engines: interp.cc and raw.cc give it programs and a machine state.
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
  /// Runs `insns` instructions from the start and gives registers, callers and slot.
  /// \errors kFault; kUsage if the program has ended by then.
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

  enum class Next : std::uint8_t { kGoOn, kExit, kStop };

  void begin(std::uint32_t entry);
  Result<std::uint64_t> go_on();
  Next step_once();
  /// Steps until the program ends, or until no more than `depth` callers wait. \return kExit, kGoOn or kStop.
  Next run_until(std::size_t depth);
  Next step();
  void alu(const CodeInsn& insn);
  void alu_unary(const CodeInsn& insn);
  bool jump_taken(const CodeInsn& insn) const;
  bool load_store(const CodeInsn& insn);
  void atomic(const CodeInsn& insn, std::byte* at, std::uint64_t address);
  Next load_packet(const CodeInsn& insn);
  void load_wide(const CodeInsn& insn);
  void may_goto(const CodeInsn& insn);
  void go_round();
  Next call_helper(std::uint32_t number);
  Next call_kfunc(std::uint32_t row);
  Next call_function(const Function& callee);
  Next callx(std::uint64_t value);
  Next leave_function();
  void observe(std::uint32_t pc) const;
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
};

}  // namespace kiln
