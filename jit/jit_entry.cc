// SPDX-License-Identifier: Apache-2.0
//
// From C++ into emitted code and back, the ways out on a fault, and the tables that code looks into.
#include "jit_emitter.h"

#include <cstddef>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;

namespace {

// What emitted code calls in C++. They return; they never throw.

/// False: the access is not allowed, and the machine is `faulted`. `access`: bytes, bit 8 set for a store.
bool check_access_slow(MachineState* machine, std::uint64_t address, std::uint32_t access, std::uint32_t slot) {
  HelperRuntime& m = runtime(machine);
  const std::uint64_t bytes = access & 0xff;
  const Access kind = (access & 0x100) != 0 ? Access::kWrite : Access::kRead;
  m.slot = slot;
  if (m.memory.checked(address, bytes, kind) != nullptr) {
    return true;
  }
  m.fault(m.memory.explain(address, bytes, kind));
  return false;
}

void runaway(MachineState* machine) {
  runtime(machine).fault(fmt::format("runaway: {} jumps back and calls without an end", kInstructionBudget));
}

void too_deep(MachineState* machine) {
  runtime(machine).fault(fmt::format("call of a function while {} are active", kMaxCallFrames));
}

template <typename Function>
asmjit::Imm address_of(Function* function) {
  return imm(reinterpret_cast<std::uint64_t>(function));
}

}  // namespace

/// From C++ into emitted code; leave_ is the way back, also out of the midst of it. Entries nest: each has
/// its own place to unwind to on a fault.
void JitEmitter::enter_from_host() {
  for (const x86::Gp& reg : {x86::rbx, x86::rbp, x86::r12, x86::r13, x86::r14, x86::r15}) {
    as_.push(reg);
  }
  as_.mov(x86::r12, x86::rdi);
  as_.push(KILN_MACHINE(host_stack));
  as_.push(x86::r12);  // a body keeps no register
  as_.sub(x86::rsp, 8);
  as_.mov(KILN_MACHINE(host_stack), x86::rsp);
}

void JitEmitter::emit_entry_to(const asmjit::Label& enter, const asmjit::Label& body) {
  as_.bind(enter);
  enter_from_host();
  as_.mov(x86::rbp, KILN_MACHINE(stack_top));
  as_.mov(x86::rdi, KILN_MACHINE(r1));
  as_.mov(x86::rsi, KILN_MACHINE(r2));
  as_.call(body);
}

/// JitCode::invoke.
void JitEmitter::emit_invoke() {
  as_.bind(invoke_);
  enter_from_host();
  as_.mov(x86::rbp, KILN_MACHINE(callee_stack));
  as_.mov(x86::rax, x86::rsi);
  as_.mov(x86::r10, x86::rdx);
  for (unsigned argument = 0; argument < FunctionArguments().size(); ++argument) {
    as_.mov(host_register(argument + 1), x86::qword_ptr(x86::r10, static_cast<std::int32_t>(8 * argument)));
  }
  as_.call(x86::rax);
  as_.jmp(leave_);
}

void JitEmitter::emit_entry() {
  const asmjit::Label empty = as_.newLabel();
  emit_entry_to(enter_empty_, empty);
  as_.jmp(leave_);
  as_.bind(empty);
  as_.mov(x86::eax, imm(1));
  as_.ret();
  emit_entry_to(enter_, bodies_[input_.entry]);
  as_.bind(leave_);
  as_.add(x86::rsp, 8);
  as_.pop(x86::r12);
  as_.pop(KILN_MACHINE(host_stack));
  for (const x86::Gp& reg : {x86::r15, x86::r14, x86::r13, x86::r12, x86::rbp, x86::rbx}) {
    as_.pop(reg);
  }
  as_.ret();
}

void JitEmitter::emit_fault_paths() {
  // Callers come here from different depths; all that is needed of the host stack is its alignment.
  for (const auto& [label, function] : {std::pair{runaway_, &runaway}, std::pair{too_deep_, &too_deep}}) {
    as_.bind(label);
    as_.mov(x86::rdi, x86::r12);
    as_.call(address_of(function));
    as_.jmp(fault_);
  }
  as_.bind(fault_);
  as_.mov(x86::rsp, KILN_MACHINE(host_stack));
  as_.xor_(x86::eax, x86::eax);
  as_.jmp(leave_);

  // check_: r9 the address, r10d the access, r11d the slot. Keeps every BPF register.
  const x86::Gp saved[] = {x86::rax, x86::rdi, x86::rsi, x86::rdx, x86::rcx, x86::r8, x86::r9};
  as_.bind(check_);
  for (const x86::Gp& reg : saved) {
    as_.push(reg);
  }
  as_.mov(x86::rdi, x86::r12);
  as_.mov(x86::rsi, x86::r9);
  as_.mov(x86::edx, x86::r10d);
  as_.mov(x86::ecx, x86::r11d);
  as_.call(address_of(&check_access_slow));
  as_.test(x86::al, x86::al);
  for (std::size_t i = std::size(saved); i-- > 0;) {
    as_.pop(saved[i]);
  }
  as_.jz(fault_);
  as_.ret();
}

void JitEmitter::emit_tables() {
  emit_body_table(as_, fault_);
  for (std::size_t program = 0; program < input_.programs.size(); ++program) {
    as_.bind(function_tables_[program]);
    for (const asmjit::Label& function : functions_[program]) {
      as_.embedLabel(function);
    }
  }
}

}  // namespace kiln
