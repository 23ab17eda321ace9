// SPDX-License-Identifier: Apache-2.0
//
// The frame of the emitted code: entry, functions, jumps, calls, exit, and the way out on a fault.
#include "jit_emitter.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <map>

#include <fmt/format.h>
#include <kiln/disasm.h>

#include "ir_emitter.h"
#include "kfuncs.h"

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

CallxTarget resolve_callx_slow(std::uint64_t value, const Code* code, MachineState* machine) {
  return resolve_callx(value, *code, runtime(machine));
}

template <typename Function>
asmjit::Imm address_of(Function* function) {
  return imm(reinterpret_cast<std::uint64_t>(function));
}

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
    : input_(input), options_(options), views_(views), blinder_(options.harden), holder_(holder), as_(&holder) {
  bmi2_ = options.use_bmi2 && asmjit::CpuInfo::host().features().x86().hasBMI2();
}

Result<void> JitEmitter::emit() {
  for (asmjit::Label* label : {&enter_, &enter_empty_, &invoke_, &leave_, &body_table_, &fault_, &check_, &runaway_, &too_deep_}) {
    *label = as_.newLabel();
  }
  for (const Code& code : input_.programs) {
    labels_.emplace_back(code.insns.size());
    functions_.emplace_back(code.functions.size());
    for (asmjit::Label& label : labels_.back()) {
      label = as_.newLabel();
    }
    for (asmjit::Label& label : functions_.back()) {
      label = as_.newLabel();
    }
    bodies_.push_back(as_.newLabel());
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

void JitEmitter::emit_program(std::uint32_t program) {
  if (input_.programs[program].insns.empty()) {
    return;
  }
  if (options_.optimise && emit_optimised(program)) {
    return;
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
  const auto& features = asmjit::CpuInfo::host().features().x86();
  std::vector<std::optional<ir::Function>> functions(code.functions.size());
  std::vector<std::uint32_t> wanted = {0};
  for (const CodeInsn& insn : code.insns) {
    if (insn.op == Op::CALL_HELPER && calls_functions(static_cast<std::uint32_t>(insn.imm))) {
      return false;  // what a callback does to its caller's stack the form does not say
    }
    if (insn.op == Op::LD_CODE_ADDR) {
      wanted.push_back(insn.target);
    }
  }
  while (!wanted.empty()) {
    const std::uint32_t number = wanted.back();
    wanted.pop_back();
    if (functions[number]) {
      continue;
    }
    auto compiled = compile_ir(code, input_.facts[program], number, {.maps = input_.maps, .views = views_, .cpu = input_.cpu}, options_.passes, features.hasSSE4_2());
    if (!compiled) {
      return false;
    }
    for (const ir::BlockId block : compiled->order) {
      for (const ir::Id id : compiled->blocks[block].nodes) {
        if (compiled->nodes[id].op == ir::Op::kCallLocal) {
          wanted.push_back(static_cast<std::uint32_t>(compiled->nodes[id].imm));
        }
      }
    }
    functions[number] = std::move(*compiled);
  }
  const IrTargets targets{.program = program, .functions = functions_[program], .bodies = bodies_, .body_table = body_table_,
                          .blinder = blinder_,
                          .has_bmi2 = bmi2_, .has_movbe = features.hasMOVBE(), .has_crc32 = features.hasSSE4_2()};
  for (std::uint32_t number = 0; number < functions.size(); ++number) {
    as_.align(asmjit::AlignMode::kCode, 16);
    as_.bind(number == 0 ? bodies_[program] : functions_[program][number]);
    if (!functions[number]) {
      as_.ud2();  // inlined wherever it was called
      continue;
    }
    std::uint32_t last = ir::kNone;
    IrEmitter(as_, targets, *functions[number], number == 0, options_.passes.has(ir::Pass::kMemops), [&](std::uint32_t slot) {
      if (options_.listing != nullptr && slot != last) {
        comment_slot(code, slot);
        last = slot;
      }
    }).emit();
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
    comment_slot(code, slot);
    emit_insn(insn);
    if (insn.form == Form::kLd64) {
      as_.bind(slot_label(++slot));
    }
  }
}

void JitEmitter::comment_slot(const Code& code, std::uint32_t slot) {
  if (options_.listing == nullptr) {
    return;
  }
  const Program* program = code.program;
  std::string text(isa_table()[static_cast<std::size_t>(code.insns[slot].op)].name);
  if (program != nullptr) {
    const Insn& raw = program->insns[slot];
    text = disassemble(raw, raw.is_wide() ? &program->insns[slot + 1] : nullptr);
    if (const SourceLine* line = program->line_of(slot); line != nullptr && line != listed_) {
      listed_ = line;
      as_.comment(fmt::format("; {}:{}: {}", line->file, line->line, line->text).c_str());
    }
  }
  as_.comment(fmt::format("; {}: {}", slot, text).c_str());
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

// ---- calls -------------------------------------------------------------------------------------

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

void JitEmitter::call_function(std::uint32_t number) {
  if (checked()) {
    count_down();
    as_.cmp(KILN_MACHINE(call_depth), kMaxCallFrames - 1);
    as_.jae(too_deep_);
    as_.inc(KILN_MACHINE(call_depth));
  }
  as_.sub(x86::rbp, imm(where_.function->frame_bytes));
  as_.call(functions_[where_.program][number]);
  as_.add(x86::rbp, imm(where_.function->frame_bytes));
  if (checked()) {
    as_.dec(KILN_MACHINE(call_depth));
  }
}

/// r11 holds the number of the function.
void JitEmitter::call_indirect() {
  if (checked()) {
    count_down();
    as_.cmp(KILN_MACHINE(call_depth), kMaxCallFrames - 1);
    as_.jae(too_deep_);
    as_.inc(KILN_MACHINE(call_depth));
  }
  as_.sub(x86::rbp, imm(where_.function->frame_bytes));
  as_.lea(x86::r10, x86::ptr(function_tables_[where_.program]));
  as_.call(x86::qword_ptr(x86::r10, x86::r11, 3));
  as_.add(x86::rbp, imm(where_.function->frame_bytes));
  if (checked()) {
    as_.dec(KILN_MACHINE(call_depth));
  }
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

// ---- out of line -------------------------------------------------------------------------------

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
  as_.align(asmjit::AlignMode::kData, 8);
  as_.bind(body_table_);
  for (std::size_t program = 0; program < input_.programs.size(); ++program) {
    const bool runs = !input_.programs[program].insns.empty();
    as_.embedLabel(runs ? bodies_[program] : fault_);  // helper_tail_call never yields one that can't run
  }
  for (std::size_t program = 0; program < input_.programs.size(); ++program) {
    as_.bind(function_tables_[program]);
    for (const asmjit::Label& function : functions_[program]) {
      as_.embedLabel(function);
    }
  }
}

// ---- from emitter to memory --------------------------------------------------------------------

namespace {

Error asmjit_error(asmjit::Error error) {
  return Error{Errc::kInternal, fmt::format("asmjit: {}", asmjit::DebugUtils::errorAsString(error))};
}

/// asmjit reports through this; the first error is kept.
class ErrorKeeper final : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter*) override {
    if (first == asmjit::kErrorOk) {
      first = error;
      text = message;
    }
  }
  asmjit::Error first = asmjit::kErrorOk;
  std::string text;
};

/// perf's format: address and length in hexadecimal, then the name. A file that can't be written is no loss to the program.
void write_perf_map(const JitInput& input, const JitCode& code, const std::byte* start, std::size_t bytes) {
  const auto address = [](const auto* at) { return reinterpret_cast<std::uintptr_t>(at); };
  std::map<std::uintptr_t, std::string> names = {{address(start), "kiln:enter"}};
  for (std::size_t program = 0; program < code.functions.size(); ++program) {
    const Program* source = input.programs[program].program;
    for (std::size_t number = 0; number < code.functions[program].size(); ++number) {
      // Function 0 is entered as the body.
      const void* at = number == 0 ? code.bodies[program] : code.functions[program][number];
      const std::string name = source == nullptr ? "raw" : number == 0 ? source->name : source->name + ":" + source->subprograms[number].name;
      if (at != nullptr) {
        names[address(static_cast<const std::byte*>(at))] = "bpf:" + name;
      }
    }
  }
  std::ofstream out(fmt::format("/tmp/perf-{}.map", ::getpid()), std::ios::app);
  for (auto name = names.begin(); name != names.end(); ++name) {
    const auto next = std::next(name);
    const std::uintptr_t end = next == names.end() ? address(start) + bytes : next->first;
    out << fmt::format("{:x} {:x} {}\n", name->first, end - name->first, name->second);
  }
}

}  // namespace

Result<JitCode> emit_code(const JitInput& input, const JitOptions& options) {
#if !defined(__x86_64__)
  return Error{Errc::kUnavailable, "the JIT emits x86-64 code, and this is another processor"};
#endif
  ErrorKeeper errors;
  asmjit::StringLogger logger;
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment::host());
  holder.setErrorHandler(&errors);
  if (options.listing != nullptr) {
    holder.setLogger(&logger);
  }
  std::vector<MapView> views;
  for (std::size_t map = 0; map < input.maps.size(); ++map) {
    views.push_back(input.maps.view(map));
  }
  JitEmitter emitter(input, options, views, holder);
  KILN_TRY(emitter.emit());
  if (errors.first != asmjit::kErrorOk) {
    return Error{Errc::kInternal, "asmjit: " + errors.text};
  }
  if (asmjit::Error error = holder.flatten()) {
    return asmjit_error(error);
  }
  if (asmjit::Error error = holder.resolveUnresolvedLinks()) {
    return asmjit_error(error);
  }
  auto pages = CodePages::map(holder.codeSize());
  if (!pages) {
    return pages.error();
  }
  if (asmjit::Error error = holder.relocateToBase(reinterpret_cast<std::uint64_t>(pages->data()))) {
    return asmjit_error(error);
  }
  holder.copyFlattenedData(pages->data(), holder.codeSize());
  KILN_TRY(pages->seal());
  if (options.listing != nullptr) {
    options.listing->assign(logger.data(), logger.dataSize());
  }
  JitCode code;
  const auto at = [&](const asmjit::Label& label) { return pages->data() + holder.labelOffset(label); };
  code.enter = reinterpret_cast<decltype(code.enter)>(at(emitter.enter_label()));
  code.enter_empty = reinterpret_cast<decltype(code.enter_empty)>(at(emitter.enter_empty_label()));
  code.invoke = reinterpret_cast<decltype(code.invoke)>(at(emitter.invoke_label()));
  for (std::size_t program = 0; program < input.programs.size(); ++program) {
    const bool runs = !input.programs[program].insns.empty();
    code.bodies.push_back(runs ? at(emitter.bodies()[program]) : nullptr);
    auto& functions = code.functions.emplace_back();
    for (const asmjit::Label& label : emitter.functions()[program]) {
      functions.push_back(input.programs[program].insns.empty() ? nullptr : at(label));
    }
  }
  if (options.perf_map) {
    write_perf_map(input, code, pages->data(), holder.codeSize());
  }
  code.pages = std::move(*pages);
  code.views = std::move(views);
  return code;
}

}  // namespace kiln
