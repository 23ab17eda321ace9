// SPDX-License-Identifier: Apache-2.0
//
// Collects Facts while paths are explored: joins what each visited state knows about the registers
// that an instruction reads, and about the memory it touches.
//
// Exploring leaves paths out: a state that matches an earlier one is not followed, and matching
// ignores the value of a scalar that decided nothing (precision.cc). What was recorded further on
// then does not cover that value. Each such register or slot is a doubt; doubts are carried forward
// by a data flow over the program (facts_doubt.cc), and a scalar in doubt is reported as unknown.
#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include <kiln/facts.h>

#include "state.h"
#include "structure.h"

namespace kiln::verifier {

class FactsBuilder {
 public:
  FactsBuilder(const Program& program, const Structure& structure)
      : program_(program), structure_(structure) {}

  void begin();
  /// The registers in `regs` as they are before `insn`. They must be live there: others are not
  /// compared when paths are left out, so nothing can be said of them.
  void record(u32 insn, const Frame& frame, u16 regs);
  /// A load, store or atomic whose first byte lies at `low` to `high` from the base.
  void record_memory(u32 insn, RegType region, s64 low, s64 high);
  void record_branch(u32 insn, bool taken);
  /// The conditional jump `insn` narrows these registers together, as they are before `at`.
  void record_linked_regs(u32 insn, u32 at, u16 regs);
  void record_linked_slots(u32 insn, u32 subprogram, u64 slots);

  /// These registers may hold other values before `insn` than those seen; `pointers`: even pointers.
  void doubt_regs(u32 insn, u16 regs, bool pointers);
  void doubt_slots(u32 subprogram, u64 slots, bool pointers);

  Facts finish(std::vector<u32> stack_depth);

 private:
  // facts_doubt.cc
  void spread_doubts();
  bool transfer(u32 insn, u16 before, u16& after);
  bool transfer_store(u32 insn, bool value_doubtful);
  bool transfer_jump(u32 insn, u16 before, u16& after);
  bool doubt_callbacks();
  u16 after_call(u32 insn, u16 before, bool& changed);
  bool loads_doubt(u32 insn) const;
  u64 touched_slots(u32 insn) const;
  void erase_doubtful();

  /// What one conditional jump narrows together, on whatever path.
  struct Linked {
    std::vector<std::pair<u32, u16>> regs;   ///< before which slot
    std::vector<std::pair<u32, u64>> slots;  ///< of which subprogram
  };

  const Program& program_;
  const Structure& structure_;
  Facts facts_;
  std::unordered_map<u32, Linked> linked_;  ///< by jump
  std::vector<u16> doubt_;        ///< by slot: registers in doubt before it
  std::vector<u64> stack_doubt_;  ///< by subprogram: slots in doubt anywhere in it
  bool any_doubt_ = false;
  bool any_pointer_doubt_ = false;
};

}  // namespace kiln::verifier
