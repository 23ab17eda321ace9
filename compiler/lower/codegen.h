// SPDX-License-Identifier: Apache-2.0
//
// Native code of one program from its steps: prologue, functions, calls, jumps; sequences are gen.h's.
#pragma once

#include <cstdint>
#include <vector>

#include "calls.h"
#include "emitter.h"
#include "gen.h"
#include "step.h"

namespace kiln::lowering {

class Codegen {
 public:
  /// How the program is entered: by a frame or a tail call of a program, its exit ending the frame; or
  /// by a tail call from a subprogram, its exit returning to that subprogram's caller.
  enum class Role : std::uint8_t { kProgram, kFunction };

  /// REQUIRES: all that is given outlives the object.
  Codegen(const View& view, const Steps& steps, const CallShape& calls, Emitter& emitter, const ImageUse& image,
          Role role);

  /// Emits the program, its entry at `entry`.
  void run(Label entry);

 private:
  void find_saves();
  bool uses_save_area() const;
  void prologue();
  void function(std::uint32_t index);
  void emit_step(std::uint32_t slot);
  void begin(std::uint32_t slot);
  void jump_to(std::uint32_t from, std::uint32_t target);
  void leave(std::uint32_t function, unsigned result);
  void restore(std::uint32_t function);
  void call(std::uint32_t slot);
  void tail_call(std::uint32_t slot);
  void hand_over(std::uint32_t slot);
  void packet_load(std::uint32_t slot);

  bool is_empty(std::uint32_t slot) const;
  bool is_tail_call(std::uint32_t slot) const;
  std::uint32_t following(std::uint32_t slot) const;
  bool falls_to(std::uint32_t slot, std::uint32_t target) const;
  std::uint32_t resolve(std::uint32_t target) const;
  bool is_short_way_out(std::uint32_t slot) const;
  /// Calls between R11's place and a function, plus one: which save slots are its own.
  std::uint32_t level(std::uint32_t function) const;
  /// From R11, for the place-th register that a function saves.
  std::int32_t save_offset(std::uint32_t function, unsigned place) const;
  Label label_of(std::uint32_t slot);

  const View& view_;
  const Steps& steps_;
  const CallShape& calls_;
  Emitter& e_;
  Gen gen_;
  Role role_;
  std::vector<RegMask> saves_;           ///< by function: of R6..R9 and R15, to be restored before it returns
  std::vector<Label> function_labels_;
  std::vector<std::uint32_t> notes_;     ///< by function: its number in the image's table
  std::vector<Label> labels_;            ///< by slot
};

}  // namespace kiln::lowering
