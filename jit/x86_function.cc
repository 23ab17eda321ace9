// SPDX-License-Identifier: Apache-2.0
//
// Frame, jumps, calls, moves.
#include "x86_function.h"

#include <cstddef>

#include "fold_memory.h"

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;
using ir::kNone;
using IrOp = ir::Op;

void X86Function::fold_operands() {
  if (options_.fold_loads) {
    fold_addresses(f_);
    folded_ = fold_memory(f_, options_.has_movbe);
  }
}

void X86Function::open_frame() {
  for (const unsigned reg : saved_) {
    as_.push(x86::gpq(reg));
  }
  // The return address and the pushes; calls want rsp at a multiple of 16.
  frame_size_ = 8 * places_.slots;
  if ((8 + 8 * saved_.size() + frame_size_) % 16 != 0) {
    frame_size_ += 8;
  }
  if (frame_size_ != 0) {
    as_.sub(x86::rsp, imm(frame_size_));
  }
}

void X86Function::close_frame() {
  if (frame_size_ != 0) {
    as_.add(x86::rsp, imm(frame_size_));
  }
  for (auto reg = saved_.rbegin(); reg != saved_.rend(); ++reg) {
    as_.pop(x86::gpq(*reg));
  }
}

// ---- jumps and calls ---------------------------------------------------------------------------

void X86Function::align_loop() { as_.align(asmjit::AlignMode::kCode, 32); }
void X86Function::jump(const asmjit::Label& to) { as_.jmp(to); }
void X86Function::ret() { as_.ret(); }
void X86Function::trap() { as_.ud2(); }
void X86Function::call_label(const asmjit::Label& function) { as_.call(function); }
void X86Function::call_host(HelperFunction helper) { as_.call(imm(reinterpret_cast<std::uint64_t>(helper))); }
void X86Function::tell_callee_stack(unsigned frame) {
  const Gp machine = x86::gpq(registers_.helper_machine);
  as_.mov(x86::Mem(machine, static_cast<std::int32_t>(offsetof(MachineState, callee_stack)), 8), x86::gpq(frame));
  as_.mov(x86::Mem(machine, static_cast<std::int32_t>(offsetof(MachineState, program)), 4), imm(targets_.program));
}
void X86Function::jump_to_body() { as_.jmp(x86::r11); }
void X86Function::call_body() { as_.call(x86::r11); }

void X86Function::jump_if_zero(unsigned reg, const asmjit::Label& to) {
  as_.test(x86::gpq(reg), x86::gpq(reg));
  as_.jz(to);
}

void X86Function::find_body() {
  as_.mov(x86::rdi, x86::Mem(x86::r12, static_cast<std::int32_t>(offsetof(MachineState, r1)), 8));
  as_.lea(x86::r10, x86::ptr(targets_.body_table));
  as_.mov(x86::r11, x86::qword_ptr(x86::r10, x86::rax, 3, -8));
}

void X86Function::branch(const ir::Terminator& end, ir::Cond cond, const asmjit::Label& to) {
  const unsigned bits = end.bits;
  std::int64_t constant = 0;
  const bool by_imm = is_imm32(end.b, bits, constant);
  const bool tests = cond == ir::Cond::kSet || cond == ir::Cond::kNotSet;
  const Place a = place(end.a);
  const bool with_zero = by_imm && constant == 0 && !tests;
  if (with_zero && last_ == end.a && flags_ == end.a && f_.nodes[end.a].bits <= bits && (cond == ir::Cond::kEq || cond == ir::Cond::kNe)) {
    // The operation has compared already.
  } else if (with_zero && a.kind == Place::kRegister && !folded_[end.a]) {
    as_.test(wide(static_cast<unsigned>(a.value), bits), wide(static_cast<unsigned>(a.value), bits));
  } else {
    const asmjit::Operand left = a.kind == Place::kConstant ? use(end.a, x86::r11, bits) : operand(end.a, bits, x86::r11);
    asmjit::Operand right = by_imm ? asmjit::Operand(imm(constant)) : operand(end.b, bits, x86::r10);
    if (left.isMem() && right.isMem()) {
      right = use(end.b, x86::r10, bits);
    }
    // test has no form with memory on the right
    if (tests && right.isMem()) {
      as_.emit(asmjit::x86::Inst::kIdTest, right, left);
    } else {
      as_.emit(tests ? asmjit::x86::Inst::kIdTest : asmjit::x86::Inst::kIdCmp, left, right);
    }
  }
  static constexpr x86::CondCode kCodes[] = {
      x86::CondCode::kEqual,      x86::CondCode::kNotEqual,   x86::CondCode::kUnsignedGT, x86::CondCode::kUnsignedGE,
      x86::CondCode::kUnsignedLT, x86::CondCode::kUnsignedLE, x86::CondCode::kSignedGT,   x86::CondCode::kSignedGE,
      x86::CondCode::kSignedLT,   x86::CondCode::kSignedLE,   x86::CondCode::kNotEqual,   x86::CondCode::kEqual};
  as_.j(kCodes[static_cast<std::size_t>(cond)], to);
}

void X86Function::move(const Place& to, const Place& from) {
  if (to == from || from.kind == Place::kNowhere || to.kind == Place::kNowhere) {
    return;
  }
  if (to.kind == Place::kRegister) {
    const Gp reg = x86::gpq(static_cast<std::uint32_t>(to.value));
    switch (from.kind) {
      case Place::kRegister:
        as_.mov(reg, x86::gpq(static_cast<std::uint32_t>(from.value)));
        return;
      case Place::kConstant:
        load_constant(reg, from.value);
        return;
      default:
        as_.mov(reg, slot(from.value, 8));
        return;
    }
  }
  const Mem memory = slot(to.value, 8);
  const auto small = static_cast<std::int64_t>(from.value);
  if (from.kind == Place::kRegister) {
    as_.mov(memory, x86::gpq(static_cast<std::uint32_t>(from.value)));
  } else if (from.kind == Place::kConstant && small == static_cast<std::int32_t>(small) && !options_.blinder.hides(small)) {
    as_.mov(memory, imm(small));
  } else {
    move({Place::kRegister, kScratch2}, from);
    as_.mov(memory, x86::r10);
  }
}

}  // namespace kiln
