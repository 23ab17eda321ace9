// SPDX-License-Identifier: Apache-2.0
//
// Calls of helpers, kernel functions and functions of the program, one to one; tail calls; the end of a function.
#include "jit_emitter.h"

#include <cstddef>

#include "kfuncs.h"

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;

namespace {

CallxTarget resolve_callx_slow(std::uint64_t value, const Code* code, MachineState* machine) {
  return resolve_callx(value, *code, runtime(machine));
}

template <typename Function>
asmjit::Imm address_of(Function* function) {
  return imm(reinterpret_cast<std::uint64_t>(function));
}

}  // namespace

void JitEmitter::call_helper(std::uint32_t number) {
  if (checked()) {
    note_slot();
  }
  if (calls_functions(number)) {
    as_.lea(x86::r9, x86::ptr(x86::rbp, -static_cast<std::int32_t>(where_.function->frame_bytes)));
    as_.mov(KILN_MACHINE(callee_stack), x86::r9);
    as_.mov(KILN_MACHINE(program), imm(where_.program));
  }
  as_.mov(x86::r9, x86::r12);
  as_.call(address_of(helper_function(number)));
  stop_if_faulted();
  if (number == kTailCallHelper) {
    tail_call();
  }
}

void JitEmitter::call_kfunc(std::uint32_t row) {
  if (checked()) {
    note_slot();
  }
  as_.mov(x86::r9, x86::r12);
  as_.call(address_of(kfunc_function(row)));
  stop_if_faulted();
}

/// How often it may still be passed is the word at the top of the function's host stack.
void JitEmitter::may_goto(const CodeInsn& insn) {
  as_.sub(x86::qword_ptr(x86::rsp), 1);
  as_.js(slot_label(insn.target));
  if (checked()) {
    count_down();
  }
}

/// rax holds the program to go on with, plus one; 0: none.
void JitEmitter::tail_call() {
  const asmjit::Label none = as_.newLabel();
  as_.test(x86::rax, x86::rax);
  as_.jz(none);
  as_.lea(x86::r10, x86::ptr(body_table_));
  as_.mov(x86::rdi, KILN_MACHINE(r1));
  const x86::Mem body = x86::qword_ptr(x86::r10, x86::rax, 3, -8);
  if (in_body()) {
    as_.add(x86::rsp, 8);
    as_.jmp(body);
  } else {
    as_.push(x86::rbp);  // a body keeps nothing
    as_.push(x86::r12);
    as_.call(body);
    as_.pop(x86::r12);
    as_.pop(x86::rbp);
    exit_function();
  }
  as_.bind(none);
}

/// In front of a call: R10 becomes the callee's.
void JitEmitter::enter_callee() {
  if (checked()) {
    count_down();
    as_.cmp(KILN_MACHINE(call_depth), kMaxCallFrames - 1);
    as_.jae(too_deep_);
    as_.inc(KILN_MACHINE(call_depth));
  }
  as_.sub(x86::rbp, imm(where_.function->frame_bytes));
}

void JitEmitter::leave_callee() {
  as_.add(x86::rbp, imm(where_.function->frame_bytes));
  if (checked()) {
    as_.dec(KILN_MACHINE(call_depth));
  }
}

void JitEmitter::call_function(std::uint32_t number) {
  enter_callee();
  as_.call(functions_[where_.program][number]);
  leave_callee();
}

/// r11 holds the number of the function.
void JitEmitter::call_indirect() {
  enter_callee();
  as_.lea(x86::r10, x86::ptr(function_tables_[where_.program]));
  as_.call(x86::qword_ptr(x86::r10, x86::r11, 3));
  leave_callee();
}

void JitEmitter::callx(const CodeInsn& insn) {
  const x86::Gp saved[] = {x86::rdi, x86::rsi, x86::rdx, x86::rcx, x86::r8, x86::r8};  // six, to stay aligned
  if (checked()) {
    note_slot();
  }
  as_.mov(x86::r10, host_register(insn.dst));
  for (const x86::Gp& reg : saved) {
    as_.push(reg);
  }
  as_.mov(x86::rdi, x86::r10);
  as_.mov(x86::rsi, imm(reinterpret_cast<std::uint64_t>(where_.code)));
  as_.mov(x86::rdx, x86::r12);
  as_.call(address_of(&resolve_callx_slow));
  as_.mov(x86::r10, x86::rax);
  as_.mov(x86::r11, x86::rdx);
  for (std::size_t i = std::size(saved); i-- > 0;) {
    as_.pop(saved[i]);
  }
  as_.cmp(KILN_MACHINE(faulted), 0);
  as_.jne(fault_);
  const asmjit::Label local = as_.newLabel(), done = as_.newLabel();
  as_.test(x86::r10, x86::r10);
  as_.jz(local);
  as_.mov(x86::r9, x86::r12);
  as_.call(x86::r10);
  stop_if_faulted();
  as_.jmp(done);
  as_.bind(local);
  call_indirect();
  as_.bind(done);
}

void JitEmitter::exit_function() {
  if (in_body()) {
    as_.add(x86::rsp, 8);
  } else {
    restore_registers();
  }
  as_.ret();
}

}  // namespace kiln
