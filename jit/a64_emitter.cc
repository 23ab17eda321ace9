// SPDX-License-Identifier: Apache-2.0
//
// Entry, programs, tables.
#include "a64_emitter.h"

#include <cstddef>

#include <fmt/format.h>

#include "a64_function.h"
#include "a64_registers.h"

namespace kiln {

namespace a64 = asmjit::a64;
using asmjit::imm;

namespace {

// The entry's frame: x19 to x28, x29, x30, then the machine and the host_stack of the entry around this one.
constexpr int kSavedPairs = 6, kMachineAt = 96, kHostStackAt = 104, kEntryFrame = 112;

a64::Mem machine_member(std::size_t offset) { return a64::ptr(a64::x(kA64Machine), static_cast<std::int32_t>(offset)); }

}  // namespace

#define KILN_A64_MACHINE(member) machine_member(offsetof(MachineState, member))

A64Emitter::A64Emitter(const JitInput& input, const JitOptions& options, const std::vector<MapView>& views, asmjit::CodeHolder& holder)
    : ProgramEmitter(input, options, views), as_(&holder) {}

Result<void> A64Emitter::emit() {
  make_labels(as_);
  leave_ = as_.newLabel();
  trap_ = as_.newLabel();
  const asmjit::Label empty = as_.newLabel();
  emit_entry_to(enter_empty_, empty);
  as_.bind(empty);
  as_.mov(a64::x0, imm(1));
  as_.ret(a64::x30);
  emit_entry_to(enter_, bodies_[input_.entry]);
  emit_invoke();
  emit_leave();
  as_.bind(trap_);
  as_.brk(imm(1));
  for (std::uint32_t program = 0; program < input_.programs.size(); ++program) {
    KILN_TRY(emit_program(program));
  }
  emit_body_table(as_, trap_);
  return {};
}

/// From C++ into emitted code; leave_ is the way back.
void A64Emitter::enter_from_host() {
  as_.sub(a64::sp, a64::sp, imm(kEntryFrame));
  for (int pair = 0; pair < kSavedPairs; ++pair) {
    as_.stp(a64::x(static_cast<unsigned>(19 + 2 * pair)), a64::x(static_cast<unsigned>(20 + 2 * pair)), a64::ptr(a64::sp, 16 * pair));
  }
  as_.mov(a64::x(kA64Machine), a64::x0);
  as_.ldr(a64::x16, KILN_A64_MACHINE(host_stack));
  as_.stp(a64::x(kA64Machine), a64::x16, a64::ptr(a64::sp, kMachineAt));  // a body keeps no register
  as_.mov(a64::x16, a64::sp);
  as_.str(a64::x16, KILN_A64_MACHINE(host_stack));
}

void A64Emitter::emit_entry_to(const asmjit::Label& enter, const asmjit::Label& body) {
  as_.bind(enter);
  enter_from_host();
  as_.ldr(a64::x(kA64Frame), KILN_A64_MACHINE(stack_top));
  as_.ldr(a64::x0, KILN_A64_MACHINE(r1));
  as_.ldr(a64::x1, KILN_A64_MACHINE(r2));
  as_.bl(body);
  as_.b(leave_);
}

/// JitCode::invoke.
void A64Emitter::emit_invoke() {
  as_.bind(invoke_);
  enter_from_host();
  as_.ldr(a64::x(kA64Frame), KILN_A64_MACHINE(callee_stack));
  as_.mov(a64::x16, a64::x1);
  as_.mov(a64::x17, a64::x2);
  for (unsigned argument = 0; argument < FunctionArguments().size(); ++argument) {
    as_.ldr(a64::x(kA64Registers.arguments[argument]), a64::ptr(a64::x17, static_cast<std::int32_t>(8 * argument)));
  }
  as_.blr(a64::x16);
  as_.b(leave_);
}

void A64Emitter::emit_leave() {
  as_.bind(leave_);
  as_.ldp(a64::x(kA64Machine), a64::x16, a64::ptr(a64::sp, kMachineAt));
  as_.str(a64::x16, KILN_A64_MACHINE(host_stack));
  for (int pair = 0; pair < kSavedPairs; ++pair) {
    as_.ldp(a64::x(static_cast<unsigned>(19 + 2 * pair)), a64::x(static_cast<unsigned>(20 + 2 * pair)), a64::ptr(a64::sp, 16 * pair));
  }
  as_.add(a64::sp, a64::sp, imm(kEntryFrame));
  as_.ret(a64::x30);
}

Result<void> A64Emitter::emit_program(std::uint32_t program) {
  const Code& code = input_.programs[program];
  if (code.insns.empty()) {
    return {};
  }
  const std::string name = code.program != nullptr ? code.program->name : "bare instructions";
  if (!code.verified || program >= input_.facts.size()) {
    return Error{Errc::kUnsupported, fmt::format("{}: not verified; the JIT makes AArch64 code of verified programs only", name)};
  }
  const CompileMemory memory;  // of the functions, and of everything about them
  const bool has_crc32 = options_.processor == Processor::kAArch64 || asmjit::CpuInfo::host().features().arm().hasCRC32();
  auto functions = compile_program(code, input_.facts[program], map_targets(), options_.passes, has_crc32);
  if (!functions) {
    return Error{Errc::kUnsupported, fmt::format("{}: no AArch64 code: {}", name, functions.error().message)};
  }
  const FunctionTargets targets{.functions = functions_[program], .code = code, .program = program, .body_table = body_table_};
  for (std::uint32_t number = 0; number < functions->size(); ++number) {
    as_.align(asmjit::AlignMode::kCode, 16);
    as_.bind(number == 0 ? bodies_[program] : functions_[program][number]);
    if (!(*functions)[number]) {
      as_.brk(imm(1));  // inlined wherever it was called
      continue;
    }
    A64Function(as_, targets, *(*functions)[number], number == 0, slot_comments(as_, code)).emit();
  }
  as_.bind(functions_[program][0]);
  as_.brk(imm(1));
  return {};
}

}  // namespace kiln
