// SPDX-License-Identifier: Apache-2.0
//
// Which stack slots can still be read, so that the others need not agree when two states are compared.
//
// Reads and writes are noted while paths are explored, per instruction of a call chain (an
// "instance": the function as entered through these call sites), for the slots of every frame of the
// chain. They are joined over paths: reads by union, writes by intersection. From them a backward
// data flow gives what is live. The answer covers only what has been explored, so it may be asked
// only for a state all of whose continuations are; that is when states are compared (prune.cc).
#pragma once

#include <array>
#include <vector>

#include "state.h"
#include "structure.h"

namespace kiln::verifier {

class StackLiveness {
 public:
  StackLiveness(const Program& program, const Structure& structure)
      : program_(program), structure_(structure) {}  // `structure` may still be empty

  /// The instance of a subprogram entered at depth 0.
  u32 root(u32 subprogram);
  /// The instance that `callsite` of `parent` enters.
  u32 child(u32 parent, u32 callsite, u32 subprogram);

  /// Some slots of a frame may be read by `insn`. Bit k: slot k.
  void read(u32 instance, u32 insn, u32 frame, u64 slots);
  /// `insn`, a store, overwrites these slots of `frame` whole, on this path; 0: none.
  void write(u32 instance, u32 insn, u32 frame, u64 slots);

  /// Slots of `frame` that are live before `insn`, as far as this instance and what it calls go.
  u64 live_before(u32 instance, u32 insn, u32 frame);

 private:
  struct Effects {
    u64 reads = 0, writes = 0, live = 0;
  };
  /// What is known of one frame, by instruction; `dirty`: `live` may not follow from the rest any more.
  struct FrameEffects {
    std::vector<Effects> at;
    std::vector<u64> dirty;  ///< a bit an instruction

    bool empty() const { return at.empty(); }
    void touch(u32 k) { dirty[k / 64] |= u64{1} << (k % 64); }
  };
  struct Instance {
    u32 parent = 0;
    u32 callsite = kNoCallsite;
    u32 depth = 0;
    u32 subprogram = 0, start = 0;
    bool stale = false;
    std::vector<u32> children;
    std::vector<bool> stored;  ///< by instruction: write() was called
    std::array<FrameEffects, kMaxFrames> frames;
  };

  u32 create(u32 parent, u32 callsite, u32 depth, u32 subprogram);
  Effects& effects(Instance& instance, u32 insn, u32 frame);
  void make_stale(u32 instance);
  void refresh(u32 instance);
  void add_calls(Instance& instance, u32 frame);
  bool update(Instance& instance, u32 frame);
  void find_neighbours();

  const Program& program_;
  const Structure& structure_;
  std::vector<Instance> instances_;
  std::vector<Successors> next_;  ///< of each instruction of the program; empty: not asked for yet
  std::vector<u32> before_, before_at_;  ///< those that lead to instruction i: before_[before_at_[i]] up to the next's
};

}  // namespace kiln::verifier
