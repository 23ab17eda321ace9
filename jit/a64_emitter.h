// SPDX-License-Identifier: Apache-2.0
//
// All verified programs of an object to AArch64, by way of the intermediate form. Registers: a64_registers.h.
//
// What the form can't express (callbacks, LD_ABS, code without Facts) is refused: there is no one-to-one translation here.
#pragma once

#include <asmjit/core.h>
#include <asmjit/arm/a64assembler.h>

#include "program_emitter.h"

namespace kiln {

class A64Emitter final : public ProgramEmitter {
 public:
  A64Emitter(const JitInput& input, const JitOptions& options, const std::vector<MapView>& views, asmjit::CodeHolder& holder);

  Result<void> emit() override;

 private:
  void enter_from_host();
  void emit_entry_to(const asmjit::Label& enter, const asmjit::Label& body);
  void emit_invoke();
  void emit_leave();
  Result<void> emit_program(std::uint32_t program);

  asmjit::a64::Assembler as_;
  asmjit::Label leave_, trap_;
};

}  // namespace kiln
