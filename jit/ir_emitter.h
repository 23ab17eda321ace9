// SPDX-License-Identifier: Apache-2.0
//
// From the optimised intermediate form of one function to x86-64. Only the JIT's own .cc files include this header.
//
// Values are where allocate() put them; r10 and r11 are scratch. Bodies and functions are entered as
// jit_emitter.h says: r12 the machine, rbp R10, arguments in the registers of R1 to R5. A body may change every register;
// a function keeps rbx, rbp and r12 to r15.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <asmjit/x86.h>
#include <kiln/ir.h>
#include <kiln/ir_memory.h>

#include "blinding.h"
#include "jit_code.h"
#include "placed_function.h"
#include "x86_registers.h"

namespace kiln {

/// What an emitted function refers to.
struct IrTargets {
  std::uint32_t program = 0;
  const std::vector<asmjit::Label>& functions;  ///< of the same program
  const std::vector<asmjit::Label>& bodies;
  asmjit::Label body_table;
  Blinder& blinder;
  bool has_bmi2 = false;
  bool has_movbe = false;
  bool has_crc32 = false;
};

class IrEmitter : private PlacedFunction {
 public:
  IrEmitter(asmjit::x86::Assembler& as, const IrTargets& targets, ir::Function& f, bool is_body, bool fold_loads,
            std::function<void(std::uint32_t slot)> comment);

  /// Emits the function; its label is bound already. The function is changed: edges are split, loads moved.
  void emit();

 private:
  using Gp = asmjit::x86::Gp;
  using Mem = asmjit::x86::Mem;
  // Before and around (ir_emitter.cc).
  void fold_addresses();
  void fold_displacement(ir::Node& n, unsigned part, std::vector<std::uint32_t>& uses);
  void find_folded();
  void find_updates(ir::BlockId block, const std::vector<std::uint32_t>& uses);
  bool is_undisturbed(ir::BlockId block, Id load, std::size_t until) const;
  bool foldable_address(const ir::Node& n) const;
  bool fold(Id load, unsigned bits);
  void fold_operand(Id id);
  void enter();
  void leave();
  void emit_block(std::size_t at);
  void emit_end(ir::BlockId block, ir::BlockId next);
  void branch(const ir::Terminator& end, ir::BlockId next);
  void jump_to(ir::BlockId target, ir::BlockId next);
  asmjit::Label target(ir::BlockId block);
  void move(const Place& to, const Place& from) override;

  // Values (ir_emitter.cc).
  Gp wide(unsigned reg, unsigned bits) const;
  Gp use(Id id, const Gp& scratch, unsigned bits = 64);
  Gp result(Id id, unsigned bits = 64);
  void finish(Id id, const Gp& from);
  void load_constant(const Gp& to, std::uint64_t value);
  Mem slot(std::uint64_t number, unsigned bytes) const;
  Mem address(const ir::Node& n, unsigned bytes, bool may_use_r11);
  bool is_imm32(Id id, unsigned bits, std::int64_t& value) const;
  asmjit::Operand operand(Id id, unsigned bits, const Gp& scratch);

  // Nodes (ir_emit_node.cc).
  void node(Id id);
  void binary(Id id, std::uint32_t inst, bool commutative);
  void add(Id id);
  void sub(Id id);
  void multiply(Id id);
  void shift(Id id);
  void divide(Id id);
  void extend(Id id);
  void swap(Id id);
  void unary(Id id);
  void crc32c(Id id);
  void load(Id id);
  void store(Id id);
  void update(Id id);
  void atomic(Id id);
  void fetch_loop(Id id);
  void cmpxchg(Id id);
  void call(Id id);
  void call_local(Id id);
  void tail_call(Id id);

  asmjit::x86::Assembler& as_;
  const IrTargets& targets_;
  bool is_body_;
  bool fold_loads_;
  std::function<void(std::uint32_t)> comment_;
  std::vector<Id> open_;  ///< loads of the block that may still be folded
  std::vector<asmjit::Label> labels_;   ///< by block
  std::vector<unsigned> pushed_;
  std::uint32_t frame_size_ = 0;       ///< bytes that rsp is lowered by, pushes not counted
};

}  // namespace kiln
