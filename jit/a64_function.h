// SPDX-License-Identifier: Apache-2.0
//
// From the optimised intermediate form of one function to AArch64. Only the JIT's own .cc files include this header.
//
// Registers are those of a64_registers.h: a function begins with the machine in x28, its R10 in x27, R1 to R5 in x0 to x4.
// A body may change every register but x30; a function keeps x19 to x28.
#pragma once

#include <functional>
#include <vector>

#include <asmjit/core.h>
#include <asmjit/arm/a64assembler.h>
#include <kiln/ir.h>

#include "a64_registers.h"
#include "placed_function.h"

namespace kiln {

/// What an emitted function refers to.
struct A64Targets {
  const std::vector<asmjit::Label>& functions;  ///< of the same program
  asmjit::Label body_table;
};

class A64Function : private PlacedFunction {
 public:
  A64Function(asmjit::a64::Assembler& as, const A64Targets& targets, ir::Function& f, bool is_body,
              std::function<void(std::uint32_t slot)> comment);

  /// Emits the function; its label is bound already. The function is changed: edges are split.
  void emit();

 private:
  using Gp = asmjit::a64::Gp;
  using Mem = asmjit::a64::Mem;

  // Entry, exit, blocks (a64_function.cc).
  void enter();
  void leave();
  void save_or_restore(bool save);
  void emit_block(std::size_t at);
  void emit_end(ir::BlockId block, ir::BlockId next);
  void branch(const ir::Terminator& end, ir::BlockId next);
  void compare(const ir::Terminator& end);
  void jump_to(ir::BlockId to, ir::BlockId next);
  asmjit::Label target(ir::BlockId block) { return labels_[leads_to_[block]]; }

  // Values (a64_function.cc).
  void move(const Place& to, const Place& from) override;
  Gp wide(unsigned reg, unsigned bits) const;
  Gp use(Id id, unsigned scratch, unsigned bits = 64);
  Gp result(Id id, unsigned bits = 64);
  void finish(Id id, const Gp& from);
  void load_constant(unsigned reg, std::uint64_t value);
  void add_constant(const Gp& to, const Gp& from, std::int64_t value);
  Mem slot(std::uint64_t number) const;
  Mem address(const ir::Node& n);
  Gp plain_address(const ir::Node& n);

  // Nodes (a64_node.cc).
  void node(Id id);
  void add_or_sub(Id id);
  void logical(Id id);
  void multiply(Id id);
  void divide(Id id);
  void shift(Id id);
  void extend(Id id);
  void swap(Id id);
  void load(Id id);
  void store(Id id);
  void atomic(Id id);
  void cmpxchg(Id id);
  void call(Id id);
  void call_local(Id id);
  void tail_call(Id id);

  asmjit::a64::Assembler& as_;
  const A64Targets& targets_;
  bool is_body_;
  std::function<void(std::uint32_t)> comment_;
  std::vector<asmjit::Label> labels_;  ///< by block
  std::vector<unsigned> saved_;        ///< registers, above the spill slots
  std::uint32_t frame_bytes_ = 0;      ///< of spill slots and saved registers
  asmjit::Label table_address_;        ///< a word with the address of the body table, behind the function
};

}  // namespace kiln
