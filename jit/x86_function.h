// SPDX-License-Identifier: Apache-2.0
//
// From the optimised intermediate form of one function to x86-64: which instructions. Only the JIT's own .cc files include this header.
//
// Values are where allocate() put them; r10 and r11 are scratch. Bodies and functions are entered as
// jit_emitter.h says: r12 the machine, rbp R10, arguments in the registers of R1 to R5.
#pragma once

#include <asmjit/x86.h>
#include <kiln/ir.h>

#include "blinding.h"
#include "placed_function.h"
#include "x86_registers.h"

namespace kiln {

/// What the code may use, and what it must hide.
struct X86Options {
  Blinder& blinder;
  bool fold_loads = true;  ///< loads become operands of other instructions
  bool has_bmi2 = false;
  bool has_movbe = false;
};

class X86Function final : public PlacedFunction {
 public:
  X86Function(asmjit::x86::Assembler& as, const FunctionTargets& targets, const X86Options& options, ir::Function& f, bool is_body,
              SlotComment comment)
      : PlacedFunction(as, kX86Registers, targets, f, is_body, std::move(comment)), as_(as), options_(options) {}

 private:
  using Gp = asmjit::x86::Gp;
  using Mem = asmjit::x86::Mem;

  // Frame, jumps, calls (x86_function.cc).
  void fold_operands() override;
  void open_frame() override;
  void close_frame() override;
  void align_loop() override;
  void move(const Place& to, const Place& from) override;
  void jump(const asmjit::Label& to) override;
  void branch(const ir::Terminator& end, ir::Cond cond, const asmjit::Label& to) override;
  void jump_if_zero(unsigned reg, const asmjit::Label& to) override;
  void call_host(HelperFunction helper) override;
  void tell_callee_stack(unsigned frame) override;
  void call_label(const asmjit::Label& function) override;
  void find_body() override;
  void jump_to_body() override;
  void call_body() override;
  void ret() override;
  void trap() override;

  // Values (x86_values.cc).
  Gp wide(unsigned reg, unsigned bits) const;
  Gp use(Id id, const Gp& scratch, unsigned bits = 64);
  Gp result(Id id, unsigned bits = 64) const { return wide(result_register(id, kScratch), bits); }
  void load_constant(const Gp& to, std::uint64_t value);
  Mem slot(std::uint64_t number, unsigned bytes) const;
  Mem address(const ir::Node& n, unsigned bytes, bool may_use_r11);
  bool is_imm32(Id id, unsigned bits, std::int64_t& value) const;
  asmjit::Operand operand(Id id, unsigned bits, const Gp& scratch);

  // Arithmetic (x86_arithmetic.cc).
  void add(Id id) override;
  void subtract(Id id) override;
  void multiply(Id id) override;
  void logical(Id id) override;
  void divide(Id id) override;
  void shift(Id id) override;
  void negate(Id id) override;
  void swap(Id id) override;
  void extend(Id id) override;
  void crc32c(Id id) override;
  void binary(Id id, std::uint32_t inst, bool commutative);

  // Memory (x86_memory.cc).
  void load(Id id) override;
  void store(Id id) override;
  void update(Id id);
  void atomic(Id id) override;
  void fetch_loop(Id id);
  void cmpxchg(Id id) override;

  asmjit::x86::Assembler& as_;
  X86Options options_;
  Id flags_ = ir::kNone;          ///< the node whose result the zero flag was last set by
  std::uint32_t frame_size_ = 0;  ///< bytes that rsp is lowered by, pushes not counted
};

}  // namespace kiln
