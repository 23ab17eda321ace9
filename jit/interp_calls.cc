// SPDX-License-Identifier: Apache-2.0
//
// Instructions of the interpreter that go elsewhere or ask someone: functions, helpers, packet accesses, exit.
#include <algorithm>

#include <fmt/format.h>

#include "interp_machine.h"
#include "kfuncs.h"

namespace kiln {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

InterpMachine::Next InterpMachine::transfer(const CodeInsn& insn) {
  switch (insn.form) {
    case Form::kCall:
      return insn.op == Op::CALL_LOCAL   ? call_function(code_->functions[insn.target])
             : insn.op == Op::CALL_KFUNC ? call_kfunc(insn.target)
                                         : call_helper(static_cast<u32>(insn.imm));
    case Form::kCallx:
      return callx(r_[insn.dst]);
    case Form::kExit:
      return leave_function();
    case Form::kLdPacket:
      return load_packet(insn);
    case Form::kMayGoto:
      may_goto(insn);
      return Next::kGoOn;
    default:
      KILN_CHECK(!"an instruction without a rule");
  }
}

// Not in the RFC. Jumps once the function has passed it kMaxLoops times, so that every loop ends.
void InterpMachine::may_goto(const CodeInsn& insn) {
  if (may_goto_left_ == 0) {
    pc_ = insn.target;
    return;
  }
  --may_goto_left_;
  ++pc_;
  go_round();
}

/// The verifier saw one round of such a loop; how many there are is the program's business.
void InterpMachine::go_round() {
  const bool last = executed_ == limit_;  // of the steps that suspend() takes, too
  if (code_->verified && !last) {
    limit_ = executed_ + kInstructionBudget;
  }
}

// Sections 4.3.1 and 4.3.2: helpers, functions of the program, exit.
InterpMachine::Next InterpMachine::call_helper(u32 number) {
  r_[0] = helper_function(number)(r_[1], r_[2], r_[3], r_[4], r_[5], &runtime_);
  runtime_.memory.flush();
  if (runtime_.faulted != 0) {
    return Next::kFault;
  }
  if (number == kTailCallHelper && r_[0] != 0) {
    program_ = static_cast<u32>(r_[0]) - 1;  // R10 stays: the new program takes over this frame
    code_ = &programs_[program_];
    pc_ = 0;
    may_goto_left_ = kMaxLoops;
    r_[1] = runtime_.r1;
    return Next::kGoOn;
  }
  ++pc_;
  return Next::kGoOn;
}

InterpMachine::Next InterpMachine::call_kfunc(u32 row) {
  r_[0] = kfunc_function(row)(r_[1], r_[2], r_[3], r_[4], r_[5], &runtime_);
  runtime_.memory.flush();
  if (runtime_.faulted != 0) {
    return Next::kFault;
  }
  if (kfunc_table()[row].has(kKfIterNext)) {
    go_round();
  }
  ++pc_;
  return Next::kGoOn;
}

InterpMachine::Next InterpMachine::call_function(const Function& callee) {
  if (callers_.size() + 1 >= kMaxCallFrames) {
    runtime_.fault(fmt::format("call of a function while {} are active", kMaxCallFrames));
    return Next::kFault;
  }
  callers_.push_back({.saved = {r_[6], r_[7], r_[8], r_[9], r_[kFramePointer]}, .program = program_, .slot = pc_ + 1, .may_goto_left = may_goto_left_});
  may_goto_left_ = kMaxLoops;
  r_[kFramePointer] -= code_->function_of(pc_).frame_bytes;
  pc_ = callee.start;
  return Next::kGoOn;
}

// The value is a function's address (LD_CODE_ADDR) or, as the public conformance suite has it, a helper's number.
InterpMachine::Next InterpMachine::callx(u64 value) {
  const CallxTarget target = resolve_callx(value, *code_, runtime_);
  if (runtime_.faulted != 0) {
    return Next::kFault;
  }
  return target.helper != 0 ? call_helper(static_cast<u32>(value)) : call_function(code_->functions[target.function]);
}

InterpMachine::Next InterpMachine::leave_function() {
  if (callers_.empty()) {
    return Next::kExit;
  }
  const Caller& caller = callers_.back();
  std::copy(caller.saved.begin(), caller.saved.end(), r_.begin() + 6);
  program_ = caller.program;
  code_ = &programs_[program_];
  pc_ = caller.slot;
  may_goto_left_ = caller.may_goto_left;
  callers_.pop_back();
  return Next::kGoOn;
}

// Section 5.5. Bytes that are not there end the function with R0 = 0.
InterpMachine::Next InterpMachine::load_packet(const CodeInsn& insn) {
  const InsnInfo& info = isa_table()[static_cast<std::size_t>(insn.op)];
  const bool indirect = insn.op == Op::LD_INDB || insn.op == Op::LD_INDH || insn.op == Op::LD_INDW;
  const u64 offset = (indirect ? r_[insn.src] : 0) + static_cast<u64>(std::int64_t{insn.imm});
  const PacketLoad loaded = load_from_packet(r_[6], offset, access_bytes(info.opcode), &runtime_);
  if (runtime_.faulted != 0) {
    return Next::kFault;
  }
  r_[0] = loaded.value;
  if (loaded.ok == 0) {
    return leave_function();
  }
  ++pc_;
  return Next::kGoOn;
}

}  // namespace kiln
