// SPDX-License-Identifier: Apache-2.0
//
// What level 2 of the log adds about the verifier's own bookkeeping: subprograms, live registers, and every
// step of precision marking, in the kernel's words.
#include <kiln/disasm.h>

#include "checker.h"

namespace kiln::verifier {
namespace {

/// "r0,r6"
std::string regs_text(u16 regs) {
  std::string text;
  for (unsigned r = 0; r < kRegisters; ++r) {
    if ((regs >> r & 1) != 0) {
      text += fmt::format("{}r{}", text.empty() ? "" : ",", r);
    }
  }
  return text;
}

/// "-8,-16"
std::string slots_text(u64 slots) {
  std::string text;
  for (u32 k = 0; k < kStackSlots; ++k) {
    if ((slots >> k & 1) != 0) {
      text += fmt::format("{}-{}", text.empty() ? "" : ",", (k + 1) * kSlotBytes);
    }
  }
  return text;
}

}  // namespace

std::string Checker::insn_text(u32 at) const {
  const Insn& i = program_.insns[at];
  return fmt::format("({:02x}) {}", i.opcode, disassemble(i, i.is_wide() ? &program_.insns[at + 1] : nullptr));
}

/// Before any path is walked.
void Checker::log_shape() {
  if (!log_.every_path()) {
    return;
  }
  for (std::size_t i = 0; i < structure_.subprograms.size(); ++i) {
    log_.print("func#{} @{}\n", i, structure_.subprograms[i].start);
  }
  log_.print("Live regs before insn:\n");
  for (u32 at = 0; at < program_.insns.size(); ++at) {
    std::string live;
    for (unsigned r = 0; r < kFramePointer; ++r) {
      live += (structure_.slots[at].live >> r & 1) != 0 ? static_cast<char>('0' + r) : '.';
    }
    log_.print("    {:3}: {} {}\n", at, live, insn_text(at));
    at += program_.insns[at].is_wide() ? 1 : 0;
  }
}

/// A stretch of the path up to a checkpoint is about to be walked backwards.
/// \param subsequent  first instruction after the stretch; -1: none
void Checker::log_stretch(const State& s, u32 frame, u32 last, s64 subsequent) {
  if (log_.every_path()) {
    const u32 first = s.parent != nullptr ? s.parent->insn : structure_.subprograms[entry_].start;
    log_.print("mark_precise: frame{}: last_idx {} first_idx {} subseq_idx {} \n", frame, last, first, subsequent);
  }
}

void Checker::log_step_back(const PrecisionMask& mask, u32 at) {
  if (log_.every_path()) {
    log_.print("mark_precise: frame{}: regs={} stack={} before {}: {}\n", mask.frame, regs_text(mask.regs[mask.frame]),
               slots_text(mask.slots[mask.frame]), at, insn_text(at));
  }
}

/// What is left to be found in and above a checkpoint, after marking it.
void Checker::log_checkpoint(const PrecisionMask& mask, const State& s) {
  if (!log_.every_path()) {
    return;
  }
  for (u32 f = mask.frame + 1; f-- > 0;) {
    log_.print("mark_precise: frame{}: parent state regs={} stack={}: {}\n", f, regs_text(mask.regs[f]),
               slots_text(mask.slots[f]), f < s.frames.size() ? frame_text(s, f, object_, ~0u, ~u64{0}) : "");
  }
}

/// A path ends at a state whose marks reach back along it.
void Checker::log_propagating(const PrecisionMask& mask) {
  if (!log_.every_path()) {
    return;
  }
  for (u32 f = kMaxFrames; f-- > 0;) {
    std::string names = regs_text(mask.regs[f]);
    for (u32 k = 0; k < kStackSlots; ++k) {
      if ((mask.slots[f] >> k & 1) != 0) {
        names += fmt::format("{}fp-{}", names.empty() ? "" : ",", (k + 1) * kSlotBytes);
      }
    }
    if (!names.empty()) {
      log_.print("frame {}: propagating {}\n", f, names);
    }
  }
}

}  // namespace kiln::verifier
