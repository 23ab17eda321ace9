// SPDX-License-Identifier: Apache-2.0
//
// From the optimised intermediate form of one function to AArch64: which instructions. Only the JIT's own .cc files include this header.
//
// Registers are those of a64_registers.h: a function begins with the machine in x28, its R10 in x27, R1 to R5 in x0 to x4.
// A body may change every register but x30.
#pragma once

#include <asmjit/core.h>
#include <asmjit/arm/a64assembler.h>
#include <kiln/ir.h>

#include "a64_registers.h"
#include "placed_function.h"

namespace kiln {

class A64Function final : public PlacedFunction {
 public:
  A64Function(asmjit::a64::Assembler& as, const FunctionTargets& targets, ir::Function& f, bool is_body, SlotComment comment)
      : PlacedFunction(as, kA64Registers, targets, f, is_body, std::move(comment)), as_(as), table_address_(as.newLabel()) {}

 private:
  using Gp = asmjit::a64::Gp;
  using Mem = asmjit::a64::Mem;

  // Frame, jumps, calls (a64_function.cc).
  void open_frame() override;
  void close_frame() override;
  void save_or_restore(bool save);
  void move(const Place& to, const Place& from) override;
  void jump(const asmjit::Label& to) override;
  void branch(const ir::Terminator& end, ir::Cond cond, const asmjit::Label& to) override;
  void compare(const ir::Terminator& end);
  void jump_if_zero(unsigned reg, const asmjit::Label& to) override;
  void call_host(HelperFunction helper) override;
  void tell_callee_stack(unsigned frame) override;
  void order_accesses() override;
  void call_label(const asmjit::Label& function) override;
  void find_body() override;
  void jump_to_body() override;
  void call_body() override;
  void ret() override;
  void trap() override;
  void finish_function() override;

  // Values (a64_values.cc).
  Gp wide(unsigned reg, unsigned bits) const;
  Gp use(Id id, unsigned scratch, unsigned bits = 64);
  Gp result(Id id, unsigned bits = 64) const { return wide(result_register(id, kMoveScratch), bits); }
  void load_constant(unsigned reg, std::uint64_t value);
  void add_constant(const Gp& to, const Gp& from, std::int64_t value);
  Mem slot(std::uint64_t number) const;
  Mem address(const ir::Node& n);
  Gp plain_address(const ir::Node& n);

  // Arithmetic (a64_arithmetic.cc).
  void add(Id id) override { add_or_sub(id); }
  void subtract(Id id) override { add_or_sub(id); }
  void add_or_sub(Id id);
  void multiply(Id id) override;
  void logical(Id id) override;
  void divide(Id id) override;
  void shift(Id id) override;
  void negate(Id id) override;
  void swap(Id id) override;
  void extend(Id id) override;
  void crc32c(Id id) override;

  // Memory (a64_memory.cc).
  void load(Id id) override;
  void store(Id id) override;
  void atomic(Id id) override;
  void cmpxchg(Id id) override;

  asmjit::a64::Assembler& as_;
  std::uint32_t frame_bytes_ = 0;  ///< of spill slots and saved registers, which lie above them
  asmjit::Label table_address_;    ///< a word with the address of the body table, behind the function
};

}  // namespace kiln
