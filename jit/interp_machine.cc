// SPDX-License-Identifier: Apache-2.0
//
// Runs of the interpreter: started, left in the middle, entered there, and the callbacks of helpers.
#include "interp_machine.h"

#include <algorithm>

#include <fmt/format.h>

namespace kiln {
namespace {

/// For steps(): the program's own end is the only one.
constexpr std::size_t kNoCaller = static_cast<std::size_t>(-1);

}  // namespace

Result<std::uint64_t> InterpMachine::run(std::uint32_t entry) {
  begin(entry);
  return go_on();
}

void InterpMachine::begin(std::uint32_t entry) {
  program_ = entry;
  code_ = &programs_[entry];
  pc_ = 0;
  r_ = {};
  r_[1] = runtime_.r1;
  r_[2] = runtime_.r2;
  r_[kFramePointer] = runtime_.stack_top;
  may_goto_left_ = kMaxLoops;
  callers_.clear();
  limit_ = executed_ + kInstructionBudget;
}

Result<std::uint64_t> InterpMachine::go_on() {
  switch (steps(kNoCaller)) {
    case Next::kLimit:
      runaway();
      return faulted();
    case Next::kFault:
      return faulted();
    case Next::kGoOn:
    case Next::kExit:
      break;
  }
  if (observer_ != nullptr) {
    observe(kNoPc);
  }
  return r_[0];
}

// A helper's callback: a call like any other, run to its end in the middle of the helper's instruction.
std::uint64_t InterpMachine::call(std::uint64_t address, const FunctionArguments& arguments) {
  const CallxTarget target = resolve_callx(address, *code_, runtime_);
  if (runtime_.faulted != 0 || target.helper != 0) {
    return runtime_.fault("a callback that is not a function of the program");
  }
  const Registers saved = r_;
  const std::uint32_t pc = pc_, program = program_;
  const std::uint64_t left = limit_ - executed_;
  const bool verified = code_->verified;
  const std::size_t depth = callers_.size();
  if (call_function(code_->functions[target.function]) == Next::kFault) {
    return 0;
  }
  std::copy(arguments.begin(), arguments.end(), r_.begin() + 1);
  if (verified) {
    limit_ = executed_ + kInstructionBudget;  // the verifier saw one round; how many there are is the helper's business
  }
  switch (steps(depth)) {
    case Next::kLimit:
      return runaway();
    case Next::kFault:
      return 0;
    case Next::kGoOn:
    case Next::kExit:
      break;
  }
  const std::uint64_t result = r_[0];
  r_ = saved;
  pc_ = pc;
  program_ = program;
  code_ = &programs_[program];
  if (verified) {
    limit_ = executed_ + left;
  }
  return result;
}

Result<void> InterpMachine::check_state(const RunState& state) const {
  const auto is_slot = [this](std::uint32_t program, std::uint32_t slot) {
    return program < programs_.size() && slot < programs_[program].insns.size();
  };
  bool ok = is_slot(state.program, state.pc) && state.callers.size() < kMaxCallFrames;
  for (const CallerState& caller : state.callers) {
    ok = ok && is_slot(caller.program, caller.slot);
  }
  if (!ok) {
    return Error{Errc::kInput, "a saved run state of another object: it names a program or an instruction that is not there"};
  }
  return {};
}

Result<std::uint64_t> InterpMachine::resume(const RunState& state) {
  begin(state.program);
  pc_ = state.pc;
  r_ = state.regs;
  for (const CallerState& caller : state.callers) {  // a run is taken over before its first may_goto
    callers_.push_back({.saved = caller.saved, .program = caller.program, .slot = caller.slot});
  }
  return go_on();
}

Result<RunState> InterpMachine::suspend(std::uint32_t entry, std::uint64_t insns) {
  begin(entry);
  for (std::uint64_t i = 0; i < insns; ++i) {
    limit_ = executed_ + 1;
    switch (steps(kNoCaller)) {
      case Next::kGoOn:
      case Next::kLimit:
        continue;
      case Next::kExit:
        return Error{Errc::kUsage, fmt::format("the program ends with instruction {}", i + 1)};
      case Next::kFault:
        return faulted();
    }
  }
  RunState state;
  state.program = program_;
  state.pc = pc_;
  state.regs = r_;
  for (const Caller& caller : callers_) {
    state.callers.push_back({.program = caller.program, .slot = caller.slot, .saved = caller.saved});
  }
  return state;
}

std::uint64_t InterpMachine::runaway() {
  return runtime_.fault(fmt::format("runaway: {} instructions without an end", kInstructionBudget));
}

Error InterpMachine::faulted() const {
  return Error{Errc::kFault, fmt::format("{}: {}", describe_slot(code_->program, pc_), runtime_.fault_message), pc_};
}

}  // namespace kiln
