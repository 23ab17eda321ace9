// SPDX-License-Identifier: Apache-2.0
#include "program_emitter.h"

#include <fmt/format.h>
#include <kiln/disasm.h>

namespace kiln {

void ProgramEmitter::make_labels(asmjit::BaseEmitter& as) {
  for (asmjit::Label* label : {&enter_, &enter_empty_, &invoke_, &body_table_}) {
    *label = as.newLabel();
  }
  for (const Code& code : input_.programs) {
    functions_.emplace_back(code.functions.size());
    for (asmjit::Label& label : functions_.back()) {
      label = as.newLabel();
    }
    bodies_.push_back(as.newLabel());
  }
}

void ProgramEmitter::emit_body_table(asmjit::BaseEmitter& as, const asmjit::Label& trap) {
  as.align(asmjit::AlignMode::kData, 8);
  as.bind(body_table_);
  for (std::size_t program = 0; program < input_.programs.size(); ++program) {
    const bool runs = !input_.programs[program].insns.empty();
    as.embedLabel(runs ? bodies_[program] : trap);
  }
}

void ProgramEmitter::comment_slot(asmjit::BaseEmitter& as, const Code& code, std::uint32_t slot) {
  if (options_.listing == nullptr) {
    return;
  }
  const Program* program = code.program;
  std::string text(isa_table()[static_cast<std::size_t>(code.insns[slot].op)].name);
  if (program != nullptr) {
    const Insn& raw = program->insns[slot];
    text = disassemble(raw, raw.is_wide() ? &program->insns[slot + 1] : nullptr);
    if (const SourceLine* line = program->line_of(slot); line != nullptr && line != listed_) {
      listed_ = line;
      as.comment(fmt::format("; {}:{}: {}", line->file, line->line, line->text).c_str());
    }
  }
  as.comment(fmt::format("; {}: {}", slot, text).c_str());
}

SlotComment ProgramEmitter::slot_comments(asmjit::BaseEmitter& as, const Code& code) {
  if (options_.listing == nullptr) {
    return {};
  }
  return [this, &as, &code, last = ir::kNone](std::uint32_t slot) mutable {
    if (slot != last) {
      comment_slot(as, code, slot);
      last = slot;
    }
  };
}

}  // namespace kiln
