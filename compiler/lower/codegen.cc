// SPDX-License-Identifier: Apache-2.0
#include "codegen.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace kiln::lowering {
namespace {

// A chain of calls has at most eight functions (MAX_CALL_FRAMES), and the program itself saves nothing.
// Each function's saved registers have a fixed place below R11 for the level it is called at: no
// function is active twice, so functions active together differ in level.
constexpr std::uint32_t kMaxLevel = 7;
constexpr std::uint32_t kLevelBytes = 40;  // R15, R6..R9
constexpr std::uint32_t kStageBytes = 64;  // gen_maps.cc: a key being copied, from kCtxSave
static_assert(address::kCtxEnd - kMaxLevel * kLevelBytes >= address::kCtxSave + kStageBytes);

constexpr RegMask kCalleeSaved = bit(6) | bit(7) | bit(8) | bit(9);
constexpr std::uint32_t kShortWords = 6;  // a way out no longer than this is copied to where it is jumped to
constexpr std::int32_t kTrapDeadEnd = 1;  // TRAP's cause: an instruction that facts say is not reached

constexpr std::uint32_t kNoSlot = std::numeric_limits<std::uint32_t>::max();

}  // namespace

Codegen::Codegen(const View& view, const Steps& steps, Emitter& emitter, const ImageUse& image)
    : view_(view), steps_(steps), e_(emitter), gen_{.e = emitter, .view = view, .image = image},
      shapes_(view.functions().size()), labels_(view.slots(), kNoLabel) {}

Result<void> Codegen::run(Label entry) {
  KILN_TRY(shape_functions());
  find_saves();
  e_.start_prologue(view_.index());
  e_.bind(entry);
  prologue();
  for (std::uint32_t i = 0; i < shapes_.size(); ++i) {
    if (shapes_[i].reached) {
      function(i);
    }
  }
  e_.flush_cold();
  return {};
}

/// Levels: how many calls lie between the program and a function, on the longest way.
Result<void> Codegen::shape_functions() {
  shapes_[0].reached = true;
  for (bool changed = true; changed;) {
    changed = false;
    for (std::uint32_t slot = 0; slot < view_.slots(); ++slot) {
      if (steps_.at[slot].kind != Step::Kind::kCall) {
        continue;
      }
      const std::uint32_t level = shapes_[view_.function_of(slot)].level + 1;
      Shape& callee = shapes_[view_.function_of(view_.target(slot))];
      callee.reached = true;
      if (level > kMaxLevel) {
        return view_.refuse(slot, fmt::format("calls are nested more than {} deep", kMaxLevel + 1));
      }
      if (callee.level < level) {
        callee.level = level;
        changed = true;
      }
    }
  }
  for (Shape& shape : shapes_) {
    shape.label = e_.make_label();
  }
  return {};
}

void Codegen::find_saves() {
  for (std::uint32_t slot = 0; slot < view_.slots(); ++slot) {
    const Step& step = steps_.at[slot];
    Shape& shape = shapes_[view_.function_of(slot)];
    if (!step.reachable || is_empty(slot) || view_.function_of(slot) == 0) {
      continue;
    }
    shape.saves |= step.defs & kCalleeSaved;
    shape.saves |= step.kind == Step::Kind::kCall ? bit(kLinkRegister) : RegMask{0};
    gen_.has_save_pointer |= shape.saves != 0;
  }
}

void Codegen::prologue() {
  const RegMask live = steps_.at[0].live;
  for (unsigned reg = 0; reg < kRegisters; ++reg) {
    if ((live & bit(reg)) == 0) {
      continue;
    }
    // Registers other than these two are read uninitialised only by what was not verified: zero, as on interp.
    const std::uint64_t value = reg == 1 ? std::uint64_t{address::kContext}
                                : reg == kFramePointer ? std::uint64_t{address::kStack} + address::kStackBytes
                                                       : 0;
    e_.constant(reg, value);
  }
  if (gen_.has_save_pointer) {
    e_.constant(kSaveRegister, std::uint64_t{address::kContext} + address::kCtxEnd);
  }
}

std::int32_t Codegen::save_offset(std::uint32_t function, unsigned index) const {
  return -static_cast<std::int32_t>(kLevelBytes * shapes_[function].level) + 8 * static_cast<std::int32_t>(index);
}

void Codegen::function(std::uint32_t index) {
  const Function& function = view_.functions()[index];
  e_.start_prologue(view_.index());
  e_.bind(shapes_[index].label);
  unsigned place = 0;
  for (unsigned reg = 6; reg <= kLinkRegister; ++reg) {
    if ((shapes_[index].saves & bit(reg)) != 0) {
      e_.emit(store(8, kSaveRegister, save_offset(index, place++), reg));
    }
  }
  for (std::uint32_t slot = function.start; slot < function.end; ++slot) {
    if (!steps_.at[slot].reachable) {
      continue;
    }
    e_.bind(label_of(slot));
    emit_step(slot);
    const Step& step = steps_.at[slot];
    const bool ends = step.kind == Step::Kind::kExit || step.kind == Step::Kind::kJump || step.kind == Step::Kind::kTrap;
    if (!ends && following(slot) != view_.next(slot)) {
      e_.emit(core(CoreOp::TRAP, 0, 0, 0, kTrapDeadEnd));
    }
  }
}

/// A slot that comes to no words, and after which the next one follows.
bool Codegen::is_empty(std::uint32_t slot) const {
  const Step& step = steps_.at[slot];
  return step.kind == Step::Kind::kNothing || step.dropped;
}

/// The next reachable slot of the same function, or kNoSlot.
std::uint32_t Codegen::following(std::uint32_t slot) const {
  const std::uint32_t end = view_.functions()[view_.function_of(slot)].end;
  for (std::uint32_t at = slot + 1; at < end; ++at) {
    if (steps_.at[at].reachable) {
      return at;
    }
  }
  return kNoSlot;
}

/// Does running on after `slot` lead to `target` without a word in between?
bool Codegen::falls_to(std::uint32_t slot, std::uint32_t target) const {
  for (std::uint32_t at = following(slot); at != kNoSlot; at = following(at)) {
    if (at == target) {
      return true;
    }
    if (!is_empty(at)) {
      return false;
    }
  }
  return false;
}

/// Where a jump to `target` gets to, past jumps and what has no words.
std::uint32_t Codegen::resolve(std::uint32_t target) const {
  for (std::uint32_t hops = 0; hops < view_.slots(); ++hops) {
    if (is_empty(target)) {
      target = view_.next(target);
    } else if (steps_.at[target].kind == Step::Kind::kJump) {
      target = view_.target(target);
    } else {
      break;
    }
  }
  return target;
}

/// Plain instructions to an exit, few enough to copy.
bool Codegen::is_short_way_out(std::uint32_t slot) const {
  std::uint32_t words = 0;
  for (; words < kShortWords; slot = resolve(view_.next(slot))) {
    const Step& step = steps_.at[slot];
    if (step.kind == Step::Kind::kExit) {
      const RegMask saves = shapes_[view_.function_of(slot)].saves;
      return words + static_cast<std::uint32_t>(__builtin_popcount(saves)) < kShortWords;
    }
    if (step.kind == Step::Kind::kConstant) {
      words += step.number >> 32 == 0 || fits_imm(step.number) ? 1 : 2;
    } else if (step.kind == Step::Kind::kPlain) {
      words += 1;
    } else {
      return false;
    }
  }
  return false;
}

void Codegen::begin(std::uint32_t slot) { e_.start(view_.index(), slot, steps_.at[slot].live); }

void Codegen::jump_to(std::uint32_t from, std::uint32_t target) {
  target = resolve(target);
  if (falls_to(from, target)) {
    return;
  }
  if (is_short_way_out(target)) {
    for (;; target = resolve(view_.next(target))) {
      emit_step(target);
      if (steps_.at[target].kind == Step::Kind::kExit) {
        return;
      }
    }
  }
  begin(from);
  e_.jump(label_of(target));
}

void Codegen::leave(std::uint32_t function) {
  if (function == 0) {
    e_.emit(core(CoreOp::EXIT, 0, 0, 0, 0));
    return;
  }
  unsigned place = 0;
  for (unsigned reg = 6; reg <= kLinkRegister; ++reg) {
    if ((shapes_[function].saves & bit(reg)) != 0) {
      e_.emit(load(8, reg, kSaveRegister, save_offset(function, place++)));
    }
  }
  e_.emit(core(CoreOp::JR, 0, kLinkRegister, 0, 0));
}

void Codegen::call(std::uint32_t slot) {
  const std::uint32_t caller = view_.function_of(slot);
  const std::uint32_t callee = view_.target(slot);
  const auto frame = static_cast<std::int32_t>(view_.functions()[caller].frame_bytes);
  const bool lower_frame = frame != 0 && (steps_.at[callee].live & bit(kFramePointer)) != 0;
  if (lower_frame) {
    e_.emit(reg_imm(Op::ADD64_IMM, kFramePointer, -frame));
  }
  e_.jump_and_link(kLinkRegister, shapes_[view_.function_of(callee)].label);
  // Only the program itself may leave R10 lowered: others' callers raise it by what they lowered it.
  const bool needed_again = caller != 0 || (steps_.at[view_.next(slot)].live & bit(kFramePointer)) != 0;
  if (lower_frame && needed_again) {
    e_.emit(reg_imm(Op::ADD64_IMM, kFramePointer, frame));
  }
}

void Codegen::packet_load(std::uint32_t slot) {
  const std::uint32_t function = view_.function_of(slot);
  const Label fail = e_.make_label();
  gen_packet_load(gen_, steps_.at[slot].insn, fail);
  e_.cold([this, fail, function] {
    e_.bind(fail);
    leave(function);
  });
}

void Codegen::emit_step(std::uint32_t slot) {
  const Step& step = steps_.at[slot];
  if (is_empty(slot)) {
    return;
  }
  if (step.kind == Step::Kind::kJump) {
    jump_to(slot, view_.target(slot));
    return;
  }
  begin(slot);
  switch (step.kind) {
    case Step::Kind::kConstant:
      e_.constant(step.insn.dst, step.number);
      break;
    case Step::Kind::kPlain:
      e_.emit(step.insn);
      break;
    case Step::Kind::kBranch:
      e_.branch(step.insn, label_of(resolve(view_.target(slot))));
      break;
    case Step::Kind::kExit:
      leave(view_.function_of(slot));
      break;
    case Step::Kind::kCall:
      call(slot);
      break;
    case Step::Kind::kHelper:
      gen_helper(gen_, steps_.plan(slot));
      break;
    case Step::Kind::kAtomic:
      gen_atomic(gen_, step);
      break;
    case Step::Kind::kPacket:
      packet_load(slot);
      break;
    case Step::Kind::kTrap:
      e_.emit(core(CoreOp::TRAP, 0, 0, 0, kTrapDeadEnd));
      break;
    case Step::Kind::kNothing:
    case Step::Kind::kJump:
      break;
  }
}

Label Codegen::label_of(std::uint32_t slot) {
  if (labels_[slot] == kNoLabel) {
    labels_[slot] = e_.make_label();
  }
  return labels_[slot];
}

}  // namespace kiln::lowering
