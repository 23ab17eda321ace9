// SPDX-License-Identifier: Apache-2.0
//
// BPF to x86-64, one instruction after another, with a fixed register mapping. Only the JIT's own .cc files
// include this header: it is the one that brings in asmjit.
//
//   R0 rax   R1 rdi  R2 rsi  R3 rdx  R4 rcx  R5 r8    helper arguments and result are where C wants them
//   R6 rbx   R7 r13  R8 r14  R9 r15                   saved by every function for its caller
//   R10 rbp  (the BPF stack is in FrameMemory)        r12 MachineState*      r9 r10 r11 scratch
//
// The body of a program saves nothing: the entry has done so, and a tail call from body to body is a jump. Functions
// save R6 to R9 for their callers; a tail call out of a function calls the other program's body and returns
// what it returns. Programs without Facts get a check in
// front of every access, and a budget on jumps back; on a fault `machine.faulted` is set, the host stack is
// cut back to the entry's, and the run returns. No C++ exception is ever thrown through this code.
#pragma once

#include <string>
#include <vector>

#include <asmjit/x86.h>

#include "blinding.h"
#include "program_emitter.h"

namespace kiln {

class JitEmitter final : public ProgramEmitter {
 public:
  JitEmitter(const JitInput& input, const JitOptions& options, const std::vector<MapView>& views, asmjit::CodeHolder& holder);

  Result<void> emit() override;

 private:
  using Gp = asmjit::x86::Gp;

  // Of one function: what instructions need to know of their surroundings.
  struct Where {
    const Code* code = nullptr;
    std::uint32_t program = 0;
    const Function* function = nullptr;
    std::uint32_t slot = 0;
  };

  // Entry, functions, tables (jit_emitter.cc).
  void emit_entry();
  void emit_entry_to(const asmjit::Label& enter, const asmjit::Label& body);
  void emit_invoke();
  void enter_from_host();
  void emit_program(std::uint32_t program);
  bool emit_optimised(std::uint32_t program);
  void emit_body(std::uint32_t program);
  void emit_function(std::uint32_t program, std::size_t number);
  void emit_insns(std::uint32_t program, std::size_t number);
  void save_registers();
  void restore_registers();
  void emit_insn(const CodeInsn& insn);
  void emit_fault_paths();
  void emit_tables();

  // Control flow (jit_emitter.cc).
  void jump(const CodeInsn& insn);
  void call_helper(std::uint32_t number);
  void call_kfunc(std::uint32_t row);
  void may_goto(const CodeInsn& insn);
  void tail_call();
  void enter_callee();
  void leave_callee();
  void call_function(std::uint32_t number);
  void call_indirect();
  void callx(const CodeInsn& insn);
  void exit_function();
  void count_down();
  void note_slot();
  void stop_if_faulted();

  // Loads, stores, atomics, constants (jit_memory.cc).
  void load_store(const CodeInsn& insn);
  void check_access(const CodeInsn& insn, unsigned bytes, bool write);
  void atomic(const CodeInsn& insn);
  void fetch_loop(const CodeInsn& insn, bool is64);
  void load_wide(const CodeInsn& insn);
  void load_packet(const CodeInsn& insn);
  void load_constant(const Gp& to, std::uint64_t value);
  bool hidden(const CodeInsn& insn, bool is64, Gp& in);

  // Arithmetic (jit_alu.cc).
  void alu(const CodeInsn& insn);
  void alu_unary(const CodeInsn& insn);
  void shift(const CodeInsn& insn, bool is64);
  void shift_by_register(const CodeInsn& insn, bool is64, Op rule);
  void divide(const CodeInsn& insn, bool is64);

  bool in_body() const { return where_.function->start == 0; }
  bool checked() const { return !where_.code->verified; }
  asmjit::Label slot_label(std::uint32_t slot) const { return labels_[where_.program][slot]; }

  Blinder blinder_;
  asmjit::x86::Assembler as_;
  bool bmi2_;
  Where where_;
  std::vector<std::vector<asmjit::Label>> labels_;     ///< by program and slot: targets
  asmjit::Label leave_, fault_, check_, runaway_, too_deep_;
  std::vector<asmjit::Label> function_tables_;  ///< by program, for CALLX
};

/// The register that holds a BPF register, all 64 bits of it.
const asmjit::x86::Gp& host_register(unsigned bpf_register);
/// The same, as wide as an operation of class ALU64 or ALU.
asmjit::x86::Gp host_register(unsigned bpf_register, bool is64);
bool is_64_bit(Op op);  ///< by isa.def: class ALU64, JMP

/// A member of MachineState as an operand.
#define KILN_MACHINE(member)                                                                              \
  asmjit::x86::Mem(asmjit::x86::r12, static_cast<std::int32_t>(offsetof(MachineState, member)), \
                   static_cast<std::uint32_t>(sizeof(MachineState::member)))

}  // namespace kiln
