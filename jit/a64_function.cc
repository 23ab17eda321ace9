// SPDX-License-Identifier: Apache-2.0
//
// Frame, jumps, calls, moves.
#include "a64_function.h"

#include <cstddef>

#include "a64_immediates.h"

namespace kiln {

namespace a64 = asmjit::a64;
using asmjit::imm;
using Cond = asmjit::arm::CondCode;

void A64Function::open_frame() {
  frame_bytes_ = (8 * (places_.slots + static_cast<std::uint32_t>(saved_.size())) + 15) / 16 * 16;
  add_constant(a64::sp, a64::sp, -static_cast<std::int64_t>(frame_bytes_));
  save_or_restore(true);
}

void A64Function::close_frame() {
  save_or_restore(false);
  add_constant(a64::sp, a64::sp, frame_bytes_);
}

void A64Function::save_or_restore(bool save) {
  for (std::size_t i = 0; i < saved_.size(); ++i) {
    const Gp reg = a64::x(saved_[i]);
    save ? as_.str(reg, slot(places_.slots + i)) : as_.ldr(reg, slot(places_.slots + i));
  }
}

void A64Function::finish_function() {
  as_.align(asmjit::AlignMode::kData, 8);
  as_.bind(table_address_);
  as_.embedLabel(targets_.body_table);
}

// ---- jumps and calls ---------------------------------------------------------------------------

void A64Function::jump(const asmjit::Label& to) { as_.b(to); }
void A64Function::ret() { as_.ret(a64::x30); }
void A64Function::trap() { as_.brk(imm(1)); }
void A64Function::jump_if_zero(unsigned reg, const asmjit::Label& to) { as_.cbz(a64::x(reg), to); }
void A64Function::call_label(const asmjit::Label& function) { as_.bl(function); }
void A64Function::order_accesses() { as_.dmb(imm(0xb)); }  // ish
void A64Function::tell_callee_stack(unsigned frame) {
  const Gp machine = a64::x(registers_.helper_machine);
  as_.str(a64::x(frame), a64::ptr(machine, static_cast<std::int32_t>(offsetof(MachineState, callee_stack))));
  as_.mov(a64::w(frame), imm(targets_.program));
  as_.str(a64::w(frame), a64::ptr(machine, static_cast<std::int32_t>(offsetof(MachineState, program))));
}
void A64Function::jump_to_body() { as_.br(a64::x16); }
void A64Function::call_body() { as_.blr(a64::x16); }

void A64Function::call_host(HelperFunction helper) {
  load_constant(16, reinterpret_cast<std::uintptr_t>(helper));
  as_.blr(a64::x16);
}

void A64Function::find_body() {
  as_.ldr(a64::x16, a64::ptr(table_address_));
  as_.add(a64::x16, a64::x16, a64::x0, asmjit::arm::lsl(3));
  as_.ldr(a64::x16, a64::ptr(a64::x16, -8));
  as_.ldr(a64::x0, a64::ptr(a64::x(kA64Machine), static_cast<std::int32_t>(offsetof(MachineState, r1))));
}

void A64Function::branch(const ir::Terminator& end, ir::Cond cond, const asmjit::Label& to) {
  const bool with_zero = f_.is_constant(end.b) && f_.value(end.b) == 0;
  if (with_zero && (cond == ir::Cond::kEq || cond == ir::Cond::kNe)) {
    const Gp value = use(end.a, kMoveScratch, end.bits);
    cond == ir::Cond::kEq ? as_.cbz(value, to) : as_.cbnz(value, to);
    return;
  }
  compare(end);
  static constexpr Cond kCodes[] = {Cond::kEQ, Cond::kNE, Cond::kHI, Cond::kHS, Cond::kLO, Cond::kLS,
                                    Cond::kGT, Cond::kGE, Cond::kLT, Cond::kLE, Cond::kNE, Cond::kEQ};
  as_.b(kCodes[static_cast<std::size_t>(cond)], to);
}

/// Sets the flags.
void A64Function::compare(const ir::Terminator& end) {
  const Gp a = use(end.a, kMoveScratch, end.bits);
  if (f_.is_constant(end.b)) {
    const std::uint64_t mask = end.bits == 32 ? 0xffff'ffff : ~std::uint64_t{0};
    const std::uint64_t value = f_.value(end.b) & mask;
    if (end.cond == ir::Cond::kSet || end.cond == ir::Cond::kNotSet) {
      if (is_logical_immediate(value, end.bits)) {
        as_.tst(a, imm(value));
        return;
      }
    } else if (value <= kMost12) {
      as_.cmp(a, imm(value));
      return;
    } else if ((-value & mask) <= kMost12) {
      as_.cmn(a, imm(-value & mask));
      return;
    }
  }
  const Gp b = use(end.b, 16, end.bits);
  end.cond == ir::Cond::kSet || end.cond == ir::Cond::kNotSet ? as_.tst(a, b) : as_.cmp(a, b);
}

// ---- moves -------------------------------------------------------------------------------------

void A64Function::move(const Place& to, const Place& from) {
  if (to == from || from.kind == Place::kNowhere || to.kind == Place::kNowhere) {
    return;
  }
  const auto number = [](const Place& at) { return static_cast<unsigned>(at.value); };
  if (to.kind == Place::kRegister) {
    if (from.kind == Place::kRegister) {
      as_.mov(a64::x(number(to)), a64::x(number(from)));
    } else if (from.kind == Place::kConstant) {
      load_constant(number(to), from.value);
    } else {
      as_.ldr(a64::x(number(to)), slot(from.value));
    }
  } else if (from.kind == Place::kRegister) {
    as_.str(a64::x(number(from)), slot(to.value));
  } else if (from.kind == Place::kConstant && from.value == 0) {
    as_.str(a64::xzr, slot(to.value));
  } else {
    move({Place::kRegister, kMoveScratch}, from);
    as_.str(a64::x(kMoveScratch), slot(to.value));
  }
}

}  // namespace kiln
