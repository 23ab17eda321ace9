// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include <fmt/format.h>

#include <kiln/disasm.h>

namespace kiln::lowering {

bool is_conditional(const InsnInfo& row) {
  return row.form == Form::kJmpImm || row.form == Form::kJmpReg || row.form == Form::kMayGoto;
}

Result<View> View::create(const Object& object, std::uint32_t program, const Facts& facts,
                          std::span<const CoreMap> maps, const LowerOptions& options) {
  View view;
  view.options_ = &options;
  view.object_ = &object;
  view.index_ = program;
  view.facts_ = &facts;
  view.maps_ = maps;
  KILN_TRY(view.decode());
  KILN_TRY(view.find_functions());
  view.measure_frames();
  return view;
}

const InsnFact* View::fact(std::uint32_t slot) const {
  return slot < facts_->insns.size() ? &facts_->insns[slot] : nullptr;
}

bool View::dead(std::uint32_t slot) const {
  const InsnFact* found = fact(slot);
  return found != nullptr && !found->reachable;
}

const RegFact* View::fact(std::uint32_t slot, unsigned reg) const {
  const InsnFact* found = fact(slot);
  return found == nullptr || reg >= kRegisters ? nullptr : &found->regs[reg];
}

std::uint32_t View::target(std::uint32_t slot) const {
  const Insn& at = insn(slot);
  const bool by_imm = op(slot) == Op::JA32 || op(slot) == Op::CALL_LOCAL || op(slot) == Op::LD_CODE_ADDR;
  return slot + 1 + static_cast<std::uint32_t>(by_imm ? at.imm : at.off);
}

std::uint64_t View::wide_value(std::uint32_t slot) const {
  return static_cast<std::uint32_t>(insn(slot).imm) |
         static_cast<std::uint64_t>(static_cast<std::uint32_t>(insn(slot + 1).imm)) << 32;
}

Error View::refuse(std::uint32_t slot, const std::string& reason) const {
  const Insn& at = insn(slot);
  const Insn* second = at.is_wide() && slot + 1 < slots() ? &insn(slot + 1) : nullptr;
  std::string where = fmt::format("{}: instruction {} ({})", program().name, slot, disassemble(at, second));
  if (const SourceLine* line = program().line_of(slot); line != nullptr) {
    where += fmt::format(", {}:{} \"{}\"", line->file, line->line, line->text);
  }
  return Error{Errc::kUnsupported, where + ": " + reason, slot};
}

Result<void> View::decode() {
  rows_.assign(slots(), nullptr);
  if (slots() == 0) {
    return Error{Errc::kInput, program().name + ": the program has no instructions"};
  }
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    rows_[slot] = find_insn(insn(slot));
    if (dead(slot)) {
      slot += insn(slot).is_wide() ? 1 : 0;
      continue;  // may hold anything, e.g. a call that CO-RE poisoned
    }
    if (rows_[slot] != nullptr && rows_[slot]->form == Form::kAddrSpaceCast) {
      return refuse(slot, "no engine but the kernel has arenas");
    }
    if (const char* wrong = malformed(insn(slot)); wrong != nullptr) {
      return Error{Errc::kInput,
                   fmt::format("{}: instruction {}: {} {:02x}", program().name, slot, wrong, insn(slot).opcode), slot};
    }
    if (insn(slot).is_wide()) {
      if (slot + 1 == slots() || insn(slot + 1).opcode != 0) {
        return Error{Errc::kInput, fmt::format("{}: instruction {}: incomplete LD_IMM64", program().name, slot), slot};
      }
      ++slot;  // the second half has no row
    }
  }
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    if (rows_[slot] == nullptr || dead(slot)) {
      continue;
    }
    const Form form = rows_[slot]->form;
    const bool jumps = is_conditional(*rows_[slot]) || form == Form::kJa || form == Form::kJa32 || form == Form::kMayGoto;
    const bool names_function = op(slot) == Op::CALL_LOCAL || op(slot) == Op::LD_CODE_ADDR;
    if ((jumps || names_function) && (target(slot) >= slots() || rows_[target(slot)] == nullptr)) {
      return Error{Errc::kInput, fmt::format("{}: instruction {}: jump out of range", program().name, slot), slot};
    }
    const bool ends = form == Form::kExit || form == Form::kJa || form == Form::kJa32;
    if (!ends && next(slot) >= slots()) {
      return Error{Errc::kInput, fmt::format("{}: instruction {}: control flow leaves the program", program().name, slot), slot};
    }
  }
  return {};
}

Result<void> View::find_functions() {
  std::set<std::uint32_t> starts = {0};
  for (const Subprogram& sub : program().subprograms) {
    starts.insert(sub.start);
  }
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    if (rows_[slot] != nullptr && !dead(slot) && (op(slot) == Op::CALL_LOCAL || op(slot) == Op::LD_CODE_ADDR)) {
      starts.insert(target(slot));
    }
  }
  for (auto at = starts.begin(); at != starts.end(); ++at) {
    const auto after = std::next(at);
    functions_.push_back(Function{.start = *at, .end = after == starts.end() ? slots() : *after});
  }
  owner_.assign(slots(), 0);
  for (std::uint32_t f = 0; f < functions_.size(); ++f) {
    std::fill(owner_.begin() + functions_[f].start, owner_.begin() + functions_[f].end, f);
  }
  for (std::uint32_t slot = 0; slot < slots(); ++slot) {
    if (rows_[slot] == nullptr || dead(slot) || rows_[slot]->form == Form::kExit) {
      continue;
    }
    const Form form = rows_[slot]->form;
    const bool jumps = is_conditional(*rows_[slot]) || form == Form::kJa || form == Form::kJa32 || form == Form::kMayGoto;
    const bool falls = form != Form::kJa && form != Form::kJa32;
    if ((jumps && owner_[target(slot)] != owner_[slot]) || (falls && owner_[next(slot)] != owner_[slot])) {
      return Error{Errc::kInput, fmt::format("{}: instruction {}: jump out of its function", program().name, slot), slot};
    }
  }
  return {};
}

namespace {

constexpr std::uint32_t kFrameAlign = 32;  // as interp and jit place frames, and Linux counts them

bool writes_dst(Form form) {
  return form == Form::kAluImm || form == Form::kAluReg || form == Form::kMovSx || form == Form::kNeg ||
         form == Form::kEnd || form == Form::kLoad || form == Form::kLd64;
}

/// Without facts: the deepest byte below R10 that instructions visibly address, directly or through
/// copies plus constants, read from top to bottom. The CPU engines place the frames of unverified
/// programs by the same rule.
std::uint32_t apparent_depth(const View& view, const Function& function) {
  std::array<std::optional<std::int64_t>, 16> from_r10;
  from_r10[kFramePointer] = 0;
  std::int64_t deepest = 0;
  const auto touch = [&](unsigned base, std::int64_t off) {
    deepest = from_r10[base] ? std::min(deepest, *from_r10[base] + off) : deepest;
  };
  for (std::uint32_t slot = function.start; slot < function.end; ++slot) {
    if (view.row(slot) == nullptr) {
      continue;
    }
    const Insn& insn = view.insn(slot);
    const Form form = view.row(slot)->form;
    if (form == Form::kStoreImm || form == Form::kStoreReg || form == Form::kAtomic || form == Form::kAtomicFetch) {
      touch(insn.dst, insn.off);
    } else if (form == Form::kLoad) {
      touch(insn.src, insn.off);
    }
    if (view.op(slot) == Op::MOV64_REG) {
      from_r10[insn.dst] = from_r10[insn.src];
    } else if (view.op(slot) == Op::ADD64_IMM && from_r10[insn.dst]) {
      *from_r10[insn.dst] += insn.imm;
      touch(insn.dst, 0);
    } else if (writes_dst(form)) {
      from_r10[insn.dst].reset();
    }
  }
  return static_cast<std::uint32_t>(std::min<std::int64_t>(-deepest, address::kStackBytes));
}

}  // namespace

void View::measure_frames() {
  for (std::size_t i = 0; i < functions_.size(); ++i) {
    const bool known = proven() && i < facts_->stack_depth.size();
    const std::uint32_t depth = known ? facts_->stack_depth[i] : apparent_depth(*this, functions_[i]);
    functions_[i].frame_bytes = (depth + kFrameAlign - 1) / kFrameAlign * kFrameAlign;
  }
}

}  // namespace kiln::lowering
