// SPDX-License-Identifier: Apache-2.0
//
// A function in the intermediate form whose values have places, on its way to machine code: everything that is the same on all
// processors. The order of blocks and what is jumped past, moves on edges and in front of calls, which node goes to which rule. A
// processor's class (X86Function, A64Function) selects instructions. Only the JIT's own .cc files include this header.
//
// Bodies and functions are entered with the machine, R10 and R1 to R5 where the RegisterFile says. A body may change every
// register; a function keeps those that calls preserve.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <asmjit/core.h>
#include <kiln/ir.h>

#include "allocate.h"
#include "helper_runtime.h"

namespace kiln {

/// What an emitted function refers to.
struct FunctionTargets {
  const std::vector<asmjit::Label>& functions;  ///< of the same program
  const Code& code;                             ///< ... itself
  std::uint32_t program;                        ///< its number
  asmjit::Label body_table;
};

/// Called before the code of each BPF slot; empty: nobody wants to know.
using SlotComment = std::function<void(std::uint32_t slot)>;

class PlacedFunction {
 public:
  virtual ~PlacedFunction() = default;

  /// Emits the function; its label is bound already. The function is changed: edges are split, loads moved.
  void emit();

 protected:
  using Id = ir::Id;

  /// Where a value is.
  struct Place {
    enum Kind : std::uint8_t { kNowhere, kRegister, kSlot, kConstant } kind = kNowhere;
    std::uint64_t value = 0;  ///< register, slot or constant
    bool operator==(const Place&) const = default;
  };
  struct Move {
    Place to, from;
  };
  static Place in_register(unsigned reg) { return {Place::kRegister, reg}; }

  PlacedFunction(asmjit::BaseEmitter& as, const RegisterFile& registers, const FunctionTargets& targets, ir::Function& f, bool is_body,
                 SlotComment comment);

  // ---- what a processor does in its own way -------------------------------------------------------

  /// Before registers are allocated: sets folded_ for what becomes part of other nodes' instructions.
  virtual void fold_operands() {}
  /// Saves saved_ and makes room for the spill slots; and the way back.
  virtual void open_frame() = 0;
  virtual void close_frame() = 0;
  virtual void align_loop() {}
  /// One move. Between two slots it may need a scratch register of its own.
  virtual void move(const Place& to, const Place& from) = 0;
  virtual void jump(const asmjit::Label& to) = 0;
  /// Compares and goes to `to` if `cond` holds.
  virtual void branch(const ir::Terminator& end, ir::Cond cond, const asmjit::Label& to) = 0;
  virtual void jump_if_zero(unsigned reg, const asmjit::Label& to) = 0;
  virtual void call_host(HelperFunction helper) = 0;
  /// Right before a helper that calls functions: MachineState's callee_stack, from a register, and program.
  virtual void tell_callee_stack(unsigned frame) = 0;
  /// What comes before is seen by other threads before what follows.
  virtual void order_accesses() {}
  virtual void call_label(const asmjit::Label& function) = 0;
  /// The address of the program whose number plus one is in the result register, somewhere that close_frame() leaves alone; R1 in place.
  virtual void find_body() = 0;
  virtual void jump_to_body() = 0;
  virtual void call_body() = 0;
  virtual void ret() = 0;
  virtual void trap() = 0;
  /// Behind the last block.
  virtual void finish_function() {}

  virtual void add(Id id) = 0;
  virtual void subtract(Id id) = 0;
  virtual void multiply(Id id) = 0;
  virtual void logical(Id id) = 0;
  virtual void divide(Id id) = 0;
  virtual void shift(Id id) = 0;
  virtual void negate(Id id) = 0;
  virtual void swap(Id id) = 0;
  virtual void extend(Id id) = 0;
  virtual void crc32c(Id id) = 0;
  virtual void load(Id id) = 0;
  virtual void store(Id id) = 0;
  virtual void atomic(Id id) = 0;
  virtual void cmpxchg(Id id) = 0;

  // ---- what is the same ---------------------------------------------------------------------------

  Place place(Id id) const;
  /// Where to compute a result: in its own register, or in `scratch`. finish() puts it where it belongs.
  unsigned result_register(Id id, unsigned scratch) const;
  void finish(Id id, const asmjit::BaseReg& from) { move(place(id), in_register(from.id())); }
  const asmjit::Label& label(ir::BlockId block) const { return labels_[leads_to_[block]]; }

  const RegisterFile& registers_;
  const FunctionTargets& targets_;
  ir::Function& f_;
  const bool is_body_;
  Id last_ = ir::kNone;          ///< the node of the block whose code was emitted last
  ir::List<bool> folded_;     ///< by node: no instruction of its own
  Allocation places_;
  ir::List<unsigned> saved_;  ///< registers that open_frame() saves, in ascending order

 private:
  // placed_function.cc
  void make_labels();
  void find_saved();
  void move_arguments_in();
  void emit_block(std::size_t at);
  void emit_end(ir::BlockId block, ir::BlockId next);
  void emit_branch(const ir::Terminator& end, ir::BlockId next);
  void jump_unless_next(ir::BlockId to, ir::BlockId next);
  void node(Id id);
  void call(Id id);
  HelperFunction host_function(const ir::Node& n) const;
  void call_local(Id id);
  void tail_call(Id id);

  // placed_edges.cc
  void split_critical_edges();
  void find_detours();
  ir::List<Move> edge_moves(ir::BlockId from) const;
  void move_all(ir::List<Move> moves);

  asmjit::BaseEmitter& base_;
  SlotComment comment_;
  Id machine_ = ir::kNone;             ///< the node that stands for the MachineState
  std::vector<asmjit::Label> labels_;  ///< by block that is jumped to
  ir::List<ir::BlockId> leads_to_;  ///< by block: itself, or the block that is reached through it
};

}  // namespace kiln
