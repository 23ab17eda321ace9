// SPDX-License-Identifier: Apache-2.0
//
// All programs of an object to machine code: what the emitters for different processors have in common. Brings in asmjit.
#pragma once

#include <vector>

#include <asmjit/core.h>

#include "ir_compile.h"
#include "jit_code.h"
#include "placed_function.h"

namespace kiln {

class ProgramEmitter {
 public:
  virtual ~ProgramEmitter() = default;

  /// Emits everything; asmjit's errors go to the holder's handler. \errors kUnsupported: a program that this processor's code can't be made of.
  virtual Result<void> emit() = 0;

  asmjit::Label enter_label() const { return enter_; }
  asmjit::Label enter_empty_label() const { return enter_empty_; }
  asmjit::Label invoke_label() const { return invoke_; }
  const std::vector<asmjit::Label>& bodies() const { return bodies_; }
  const std::vector<std::vector<asmjit::Label>>& functions() const { return functions_; }

 protected:
  ProgramEmitter(const JitInput& input, const JitOptions& options, const std::vector<MapView>& views)
      : input_(input), options_(options), views_(views) {}

  void make_labels(asmjit::BaseEmitter& as);
  /// body_table_. \param trap  in place of programs that can't run, which helper_tail_call never yields.
  void emit_body_table(asmjit::BaseEmitter& as, const asmjit::Label& trap);
  MapTargets map_targets() const { return {.maps = input_.maps, .views = views_, .cpu = input_.cpu}; }
  /// In a listing: the BPF instruction, and its source line if it is another than the last.
  void comment_slot(asmjit::BaseEmitter& as, const Code& code, std::uint32_t slot);
  /// The same for code in which instructions of one slot may be spread; empty without a listing.
  SlotComment slot_comments(asmjit::BaseEmitter& as, const Code& code);

  JitInput input_;
  JitOptions options_;
  const std::vector<MapView>& views_;  ///< of all maps, where they will stay
  std::vector<std::vector<asmjit::Label>> functions_;  ///< by program and function: callable as BPF calls
  std::vector<asmjit::Label> bodies_;                  ///< by program: saves nothing
  asmjit::Label enter_, enter_empty_, invoke_, body_table_;

 private:
  const SourceLine* listed_ = nullptr;  ///< the last one in the listing
};

}  // namespace kiln
