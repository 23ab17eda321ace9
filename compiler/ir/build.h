// SPDX-License-Identifier: Apache-2.0
//
// The builder behind build_ir(): where it is in the program, and what registers hold at the end of each block.
#pragma once

#include <array>
#include <utility>

#include <kiln/ir.h>
#include <kiln/ir_passes.h>

namespace kiln::ir {

class Builder {
 public:
  Builder(const Program& program, const Facts& facts, std::span<const std::uint32_t> frame_bytes, PassSet passes)
      : program_(program), facts_(facts), frame_bytes_(frame_bytes), passes_(passes) {}

  Result<Function> build(std::uint32_t function);

 private:
  static constexpr unsigned kVariables = 11;  // R0..R9, and how often may_goto may still go on; R10 is a constant of the scope
  static constexpr unsigned kRounds = 10;

  /// A function being built: the one asked for, or one that is inlined.
  struct Scope {
    std::uint32_t number = 0;
    std::uint32_t start = 0, end = 0;  ///< slots
    Id frame = kNone;                  ///< R10
    std::uint64_t key = 0, step = 0;   ///< layout: block at slot s lies at key + (s - start) * step
    unsigned depth = 0;
    BlockId continuation = kNone;      ///< inlined: where EXIT leads
    List<BlockId> blocks{};     ///< by slot - start; kNone where none starts
    List<std::pair<BlockId, Id>> returns{};
  };

  /// Slots that control may go to, the taken one first.
  struct NextSlots {
    std::array<std::uint32_t, 2> slots{};
    unsigned count = 0;
    const std::uint32_t* begin() const { return slots.data(); }
    const std::uint32_t* end() const { return slots.data() + count; }
    std::uint32_t operator[](std::size_t i) const { return slots[i]; }
  };

  // Blocks and edges (build.cc).
  BlockId new_block(std::uint64_t key);
  void find_blocks(Scope& scope);
  List<std::uint32_t> visit_order(const Scope& scope) const;
  NextSlots next_slots(std::uint32_t slot) const;
  std::uint32_t block_end(const Scope& scope, std::uint32_t slot) const;
  void connect(BlockId from, BlockId to);
  void seal(BlockId block);
  Result<void> build_scope(Scope& scope, BlockId from);
  Result<void> fill(Scope& scope, std::uint32_t slot);
  Result<void> end_block(Scope& scope, std::uint32_t slot);
  void begin_rounds();
  void leave(Scope& scope, Id value, std::uint32_t slot);
  void may_goto(const Scope& scope, const NextSlots& next, std::uint32_t slot);
  void load_packet(Scope& scope, std::uint32_t next, std::uint32_t slot);

  // Registers (build.cc).
  Id read(BlockId block, unsigned variable);
  Id read_slow(BlockId block, unsigned variable);
  void write(unsigned variable, Id value) { defs_[at_][variable] = value; }
  Id reg(const Scope& scope, unsigned number, std::uint32_t slot);
  const RegFact* fact(std::uint32_t slot, unsigned number) const;

  // Instructions (build_insn.cc).
  Result<void> insn(Scope& scope, std::uint32_t slot);
  Id emit(Node node);
  void alu(const Scope& scope, const InsnInfo& info, std::uint32_t slot);
  void unary(const Scope& scope, const InsnInfo& info, std::uint32_t slot);
  void load_store(const Scope& scope, const InsnInfo& info, std::uint32_t slot);
  void atomic(const Scope& scope, std::uint32_t slot);
  Result<void> wide(const Scope& scope, const InsnInfo& info, std::uint32_t slot);
  Result<void> call(Scope& scope, const InsnInfo& info, std::uint32_t slot);
  void call_kernel(const Scope& scope, std::uint32_t slot);
  Id callee_frame(const Scope& scope, std::uint32_t slot);
  Result<void> call_local(Scope& scope, std::uint32_t slot);
  bool inlinable(const Scope& scope, std::uint32_t callee) const;
  Result<void> inline_call(Scope& scope, std::uint32_t slot, std::uint32_t callee);
  Error refuse(std::uint32_t slot, std::string_view what) const;

  const Insn& at(std::uint32_t slot) const { return program_.insns[slot]; }
  const InsnInfo& info(std::uint32_t slot) const { return *infos_[slot]; }  ///< REQUIRES: reachable
  bool reachable(std::uint32_t slot) const { return facts_.insns[slot].reachable; }

  const Program& program_;
  const Facts& facts_;
  std::span<const std::uint32_t> frame_bytes_;
  PassSet passes_;
  Function f_;
  List<const InsnInfo*> infos_;                   ///< by slot; of reachable ones
  List<std::array<Id, kVariables>> defs_;  ///< by block
  List<std::uint32_t> expected_;           ///< by block: predecessors in the end
  List<bool> sealed_;
  List<List<std::pair<unsigned, Id>>> incomplete_;
  List<std::uint64_t> keys_;
  List<std::uint32_t> calls_;  ///< by function: how many calls of it there are
  std::uint32_t inlined_ = 0;         ///< slots so far
  bool may_go_round_ = false;         ///< the program has may_goto
  bool lends_memory_ = false;         ///< some call may return a pointer into memory that the program has other pointers to
  BlockId at_ = 0;                    ///< where nodes go now
};

}  // namespace kiln::ir
