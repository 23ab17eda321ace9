// SPDX-License-Identifier: Apache-2.0
//
// Native code of one program from its steps: prologue, functions, calls, jumps; sequences are gen.h's.
#pragma once

#include <cstdint>
#include <vector>

#include "emitter.h"
#include "gen.h"
#include "step.h"

namespace kiln::lowering {

class Codegen {
 public:
  /// REQUIRES: all that is given outlives the object.
  Codegen(const View& view, const Steps& steps, Emitter& emitter, const ImageUse& image);

  /// Emits the program, its entry at `entry`. \errors kUnsupported: recursion, or calls nested too deeply.
  Result<void> run(Label entry);

 private:
  /// What a function needs beyond its steps.
  struct Shape {
    bool reached = false;
    std::uint32_t level = 0;  ///< calls between the program and it, at most
    RegMask saves = 0;        ///< of R6..R9 and R15: to be restored before it returns
    Label label = kNoLabel;
  };

  Result<void> shape_functions();
  void find_saves();
  void prologue();
  void function(std::uint32_t index);
  void emit_step(std::uint32_t slot);
  void begin(std::uint32_t slot);
  void jump_to(std::uint32_t from, std::uint32_t target);
  void leave(std::uint32_t function);
  void call(std::uint32_t slot);
  void packet_load(std::uint32_t slot);

  bool is_empty(std::uint32_t slot) const;
  std::uint32_t following(std::uint32_t slot) const;
  bool falls_to(std::uint32_t slot, std::uint32_t target) const;
  std::uint32_t resolve(std::uint32_t target) const;
  bool is_short_way_out(std::uint32_t slot) const;
  std::int32_t save_offset(std::uint32_t function, unsigned index) const;
  Label label_of(std::uint32_t slot);

  const View& view_;
  const Steps& steps_;
  Emitter& e_;
  Gen gen_;
  std::vector<Shape> shapes_;
  std::vector<Label> labels_;  ///< by slot
};

}  // namespace kiln::lowering
