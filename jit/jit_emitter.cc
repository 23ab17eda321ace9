// SPDX-License-Identifier: Apache-2.0
//
// The frame of the emitted code: programs, functions, instructions, jumps. Entry and faults are in jit_entry.cc, calls in jit_calls.cc.
#include "jit_emitter.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>
#include <kiln/disasm.h>

#include "x86_function.h"

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;

namespace {

constexpr x86::Gp kRegistersByNumber[kRegisters] = {x86::rax, x86::rdi, x86::rsi, x86::rdx, x86::rcx, x86::r8,
                                                    x86::rbx, x86::r13, x86::r14, x86::r15, x86::rbp};

}  // namespace

const x86::Gp& host_register(unsigned bpf_register) { return kRegistersByNumber[bpf_register]; }

x86::Gp host_register(unsigned bpf_register, bool is64) {
  const x86::Gp& reg = kRegistersByNumber[bpf_register];
  return is64 ? reg : reg.r32();
}

bool is_64_bit(Op op) {
  const std::uint8_t cls = isa_table()[static_cast<std::size_t>(op)].opcode & 7;
  return cls == 5 || cls == 7;  // JMP, ALU64
}

JitEmitter::JitEmitter(const JitInput& input, const JitOptions& options, const std::vector<MapView>& views, asmjit::CodeHolder& holder)
    : ProgramEmitter(input, options, views), blinder_(options.harden), as_(&holder) {
  bmi2_ = options.use_bmi2 && asmjit::CpuInfo::host().features().x86().hasBMI2();
}

Result<void> JitEmitter::emit() {
  make_labels(as_);
  for (asmjit::Label* label : {&leave_, &fault_, &check_, &runaway_, &too_deep_}) {
    *label = as_.newLabel();
  }
  labels_.resize(input_.programs.size());
  for (std::size_t program = 0; program < input_.programs.size(); ++program) {
    function_tables_.push_back(as_.newLabel());
  }
  emit_entry();
  emit_invoke();
  for (std::uint32_t program = 0; program < input_.programs.size(); ++program) {
    emit_program(program);
  }
  emit_fault_paths();
  emit_tables();
  return {};
}

void JitEmitter::emit_program(std::uint32_t program) {
  if (input_.programs[program].insns.empty()) {
    return;
  }
  if (options_.optimise && emit_optimised(program)) {
    return;
  }
  labels_[program].resize(input_.programs[program].insns.size());
  for (asmjit::Label& label : labels_[program]) {
    label = as_.newLabel();
  }
  emit_body(program);
  for (std::size_t number = 0; number < input_.programs[program].functions.size(); ++number) {
    emit_function(program, number);
  }
}

/// By way of the intermediate form: the body, and the functions that are still called. False, and nothing
/// emitted, if the form can't express the program.
bool JitEmitter::emit_optimised(std::uint32_t program) {
  const Code& code = input_.programs[program];
  if (!code.verified || program >= input_.facts.size()) {
    return false;
  }
  const CompileMemory memory;  // of the functions, and of everything about them
  const auto& features = asmjit::CpuInfo::host().features().x86();
  auto functions = compile_program(code, input_.facts[program], map_targets(), options_.passes, features.hasSSE4_2());
  if (!functions) {
    return false;
  }
  const FunctionTargets targets{.functions = functions_[program], .code = code, .program = program, .body_table = body_table_};
  const X86Options x86_options{.blinder = blinder_, .fold_loads = options_.passes.has(ir::Pass::kMemops), .has_bmi2 = bmi2_, .has_movbe = features.hasMOVBE()};
  for (std::uint32_t number = 0; number < functions->size(); ++number) {
    as_.align(asmjit::AlignMode::kCode, 16);
    as_.bind(number == 0 ? bodies_[program] : functions_[program][number]);
    if (!(*functions)[number]) {
      as_.ud2();  // inlined wherever it was called
      continue;
    }
    X86Function(as_, targets, x86_options, *(*functions)[number], number == 0, slot_comments(as_, code)).emit();
  }
  as_.bind(functions_[program][0]);
  as_.ud2();
  return true;
}

/// Function 0, as the entry and tail calls reach it.
void JitEmitter::emit_body(std::uint32_t program) {
  as_.align(asmjit::AlignMode::kCode, 16);
  as_.bind(bodies_[program]);
  as_.sub(x86::rsp, 8);
  emit_insns(program, 0);
}

void JitEmitter::save_registers() {
  for (const x86::Gp& reg : {x86::rbx, x86::r13, x86::r14, x86::r15}) {
    as_.push(reg);
  }
  as_.sub(x86::rsp, 8);
}

void JitEmitter::restore_registers() {
  as_.add(x86::rsp, 8);
  for (const x86::Gp& reg : {x86::r15, x86::r14, x86::r13, x86::rbx}) {
    as_.pop(reg);
  }
}

void JitEmitter::emit_function(std::uint32_t program, std::size_t number) {
  as_.align(asmjit::AlignMode::kCode, 16);
  as_.bind(functions_[program][number]);
  save_registers();
  if (number != 0) {
    emit_insns(program, number);
    return;
  }
  as_.call(bodies_[program]);  // raw programs may call their own start
  restore_registers();
  as_.ret();
}

void JitEmitter::emit_insns(std::uint32_t program, std::size_t number) {
  const Code& code = input_.programs[program];
  const Function& function = code.functions[number];
  where_ = {.code = &code, .program = program, .function = &function, .slot = function.start};
  const auto begin = code.insns.begin() + function.start, end = code.insns.begin() + function.end;
  if (std::any_of(begin, end, [](const CodeInsn& insn) { return insn.op == Op::MAY_GOTO; })) {
    as_.mov(x86::qword_ptr(x86::rsp), imm(kMaxLoops));
  }
  for (std::uint32_t slot = function.start; slot < function.end; ++slot) {
    where_.slot = slot;
    const CodeInsn& insn = code.insns[slot];
    as_.bind(slot_label(slot));
    if (insn.op == kNeverReached) {
      as_.ud2();
      continue;
    }
    comment_slot(as_, code, slot);
    emit_insn(insn);
    if (insn.form == Form::kLd64) {
      as_.bind(slot_label(++slot));
    }
  }
}

void JitEmitter::emit_insn(const CodeInsn& insn) {
  switch (insn.form) {
    case Form::kAluImm:
    case Form::kAluReg:
      return alu(insn);
    case Form::kMovSx:
    case Form::kNeg:
    case Form::kEnd:
      return alu_unary(insn);
    case Form::kJmpImm:
    case Form::kJmpReg:
    case Form::kJa:
    case Form::kJa32:
      return jump(insn);
    case Form::kCall:
      return insn.op == Op::CALL_LOCAL   ? call_function(insn.target)
             : insn.op == Op::CALL_KFUNC ? call_kfunc(insn.target)
                                         : call_helper(static_cast<std::uint32_t>(insn.imm));
    case Form::kCallx:
      return callx(insn);
    case Form::kExit:
      return exit_function();
    case Form::kLoad:
    case Form::kStoreImm:
    case Form::kStoreReg:
    case Form::kAtomic:
    case Form::kAtomicFetch:
    case Form::kLoadAcquire:
    case Form::kStoreRelease:
      return load_store(insn);
    case Form::kLd64:
      return load_wide(insn);
    case Form::kLdPacket:
      return load_packet(insn);
    case Form::kMayGoto:
      return may_goto(insn);
    case Form::kAddrSpaceCast:
      KILN_CHECK(!"refused by Decoder");
  }
}

// ---- jumps -------------------------------------------------------------------------------------

void JitEmitter::jump(const CodeInsn& insn) {
  if (checked() && insn.target <= where_.slot) {
    count_down();
  }
  const asmjit::Label target = slot_label(insn.target);
  if (insn.form == Form::kJa || insn.form == Form::kJa32) {
    as_.jmp(target);
    return;
  }
  const bool is64 = is_64_bit(insn.op);
  const x86::Gp dst = host_register(insn.dst, is64);
  Gp src = host_register(insn.src, is64);
  const bool by_imm = insn.form == Form::kJmpImm && !hidden(insn, is64, src);
  const std::string_view condition = isa_table()[static_cast<std::size_t>(insn.op)].text;
  if (condition == "&") {
    by_imm ? as_.test(dst, imm(insn.imm)) : as_.test(dst, src);
    as_.jnz(target);
    return;
  }
  by_imm ? as_.cmp(dst, imm(insn.imm)) : as_.cmp(dst, src);
  static constexpr struct {
    std::string_view text;
    x86::CondCode code;
  } kConditions[] = {{"==", x86::CondCode::kEqual},          {"!=", x86::CondCode::kNotEqual},
                     {">", x86::CondCode::kUnsignedGT},      {">=", x86::CondCode::kUnsignedGE},
                     {"<", x86::CondCode::kUnsignedLT},      {"<=", x86::CondCode::kUnsignedLE},
                     {"s>", x86::CondCode::kSignedGT},       {"s>=", x86::CondCode::kSignedGE},
                     {"s<", x86::CondCode::kSignedLT},       {"s<=", x86::CondCode::kSignedLE}};
  for (const auto& row : kConditions) {
    if (row.text == condition) {
      as_.j(row.code, target);
      return;
    }
  }
  KILN_CHECK(!"a jump without a rule");
}

void JitEmitter::count_down() {
  note_slot();
  as_.sub(KILN_MACHINE(budget), 1);
  as_.js(runaway_);
}

void JitEmitter::note_slot() {
  as_.mov(KILN_MACHINE(slot), imm(where_.slot));
  as_.mov(KILN_MACHINE(program), imm(where_.program));
}

void JitEmitter::stop_if_faulted() {
  if (checked()) {
    as_.cmp(KILN_MACHINE(faulted), 0);
    as_.jne(fault_);
  }
}

}  // namespace kiln
