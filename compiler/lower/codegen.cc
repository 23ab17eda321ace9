// SPDX-License-Identifier: Apache-2.0
#include "codegen.h"

#include <algorithm>
#include <limits>

namespace kiln::lowering {
namespace {

// The program itself saves nothing. Each function's saved registers have a fixed place below R11 for the
// level it is called at: no function is active twice, so functions active together differ in level.
// Only in programs that no verifier has seen may functions call themselves: there R11 moves down at
// each call instead. A tail call from a subprogram moves R11 down by the levels in use, for what the
// other program saves.
constexpr std::uint32_t kLevelBytes = 40;  // R15, R6..R9
constexpr std::uint32_t kStageBytes = 64;  // gen_maps.cc: a key being copied, from kCtxSave
static_assert(address::kCtxEnd - kMostSavedLevels * kLevelBytes >= address::kCtxSave + kStageBytes);
// A hand-over leaves R0..R9 and R11 where keys are staged, and what functions saved where it is.
constexpr std::int32_t kHandoverSave = address::kCtxHandover + 80;
static_assert(kHandoverSave + 8 <= static_cast<std::int32_t>(address::kCtxEnd - kMostSavedLevels * kLevelBytes));

constexpr RegMask kCalleeSaved = bit(6) | bit(7) | bit(8) | bit(9);
constexpr std::uint32_t kShortWords = 6;  // a way out no longer than this is copied to where it is jumped to
constexpr std::int32_t kTrapDeadEnd = 1;  // TRAP's cause: an instruction that facts say is not reached

constexpr std::uint32_t kNoSlot = std::numeric_limits<std::uint32_t>::max();

}  // namespace

Codegen::Codegen(const View& view, const Steps& steps, const CallShape& calls, Emitter& emitter, const ImageUse& image,
                 Role role)
    : view_(view), steps_(steps), calls_(calls), e_(emitter), gen_{.e = emitter, .view = view, .image = image},
      role_(role), saves_(view.functions().size(), 0), labels_(view.slots(), kNoLabel) {
  for (std::size_t i = 0; i < saves_.size(); ++i) {
    function_labels_.push_back(e_.make_label());
  }
}

void Codegen::run(Label entry) {
  find_saves();
  for (std::uint32_t i = 0; i < saves_.size(); ++i) {
    const bool reached = calls_.functions[i].reached;
    notes_.push_back(e_.note(CoreFunction{.program = view_.index(),
                                          .bottom = i == 0 && role_ == Role::kProgram,
                                          .saves = saves_[i],
                                          .save_offset = reached ? save_offset(i, 0) : 0,
                                          .frame_bytes = view_.functions()[i].frame_bytes}));
  }
  gen_.hand_over = [this](std::uint32_t slot) { hand_over(slot); };
  e_.start_prologue(view_.index());
  e_.bind(entry);
  prologue();
  for (std::uint32_t i = 0; i < saves_.size(); ++i) {
    if (calls_.functions[i].reached) {
      function(i);
    }
  }
  e_.flush_cold();
}

bool Codegen::is_tail_call(std::uint32_t slot) const {
  return steps_.at[slot].kind == Step::Kind::kHelper && steps_.plan(slot).helper == Helper::tail_call;
}

void Codegen::find_saves() {
  for (std::uint32_t slot = 0; slot < view_.slots(); ++slot) {
    const Step& step = steps_.at[slot];
    const std::uint32_t function = view_.function_of(slot);
    if (!step.reachable || is_empty(slot) || (function == 0 && role_ == Role::kProgram)) {
      continue;
    }
    const bool links = step.kind == Step::Kind::kCall || (is_tail_call(slot) && function != 0) || step.bpf_live != 0;
    saves_[function] = static_cast<RegMask>(saves_[function] | (step.defs & kCalleeSaved) |
                                            (links ? bit(kLinkRegister) : RegMask{0}));
  }
  gen_.has_context_end = uses_save_area() && !calls_.recursive && role_ == Role::kProgram;
}

bool Codegen::uses_save_area() const {
  return std::any_of(saves_.begin(), saves_.end(), [](RegMask saves) { return saves != 0; });
}

void Codegen::prologue() {
  const RegMask live = steps_.at[0].live;
  for (unsigned reg = 0; reg < kRegisters; ++reg) {
    if ((live & bit(reg)) == 0 || (reg == kFramePointer && role_ == Role::kFunction)) {
      continue;  // a tail call takes over the subprogram's frame
    }
    // Registers other than these two are read uninitialised only by what was not verified: zero, as on interp.
    const std::uint64_t value = reg == 1 ? std::uint64_t{address::kContext}
                                : reg == kFramePointer ? std::uint64_t{address::kStack} + address::kStackBytes
                                                       : 0;
    e_.constant(reg, value);
  }
  if (uses_save_area() && role_ == Role::kProgram) {
    e_.constant(kSaveRegister, std::uint64_t{address::kContext} + address::kCtxEnd);
  }
}

std::uint32_t Codegen::level(std::uint32_t function) const {
  return calls_.functions[function].level + (role_ == Role::kFunction ? 1 : 0);
}

std::int32_t Codegen::save_offset(std::uint32_t function, unsigned place) const {
  const std::uint32_t below = calls_.recursive ? 0 : kLevelBytes * level(function);
  return 8 * static_cast<std::int32_t>(place) - static_cast<std::int32_t>(below);
}

void Codegen::function(std::uint32_t index) {
  const Function& function = view_.functions()[index];
  e_.start_prologue(view_.index());
  e_.bind(function_labels_[index]);
  if (calls_.recursive && saves_[index] != 0) {
    e_.emit(reg_imm(Op::ADD64_IMM, kSaveRegister, -static_cast<std::int32_t>(kLevelBytes)));
  }
  unsigned place = 0;
  for (unsigned reg = 6; reg <= kLinkRegister; ++reg) {
    if ((saves_[index] & bit(reg)) != 0) {
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
    const bool ends = step.kind == Step::Kind::kExit || step.kind == Step::Kind::kJump ||
                      step.kind == Step::Kind::kTrap || step.kind == Step::Kind::kHandover;
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
      const RegMask saves = saves_[view_.function_of(slot)];
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

void Codegen::restore(std::uint32_t function) {
  unsigned place = 0;
  for (unsigned reg = 6; reg <= kLinkRegister; ++reg) {
    if ((saves_[function] & bit(reg)) != 0) {
      e_.emit(load(8, reg, kSaveRegister, save_offset(function, place++)));
    }
  }
  if (calls_.recursive && saves_[function] != 0) {
    e_.emit(reg_imm(Op::ADD64_IMM, kSaveRegister, kLevelBytes));
  }
}

void Codegen::leave(std::uint32_t function, unsigned result) {
  if (function == 0 && role_ == Role::kProgram) {
    e_.emit(core(CoreOp::EXIT, 0, result, 0, 0));
    return;
  }
  if (result != 0) {
    e_.emit(reg_reg(Op::MOV64_REG, 0, result));
  }
  restore(function);
  e_.emit(core(CoreOp::JR, 0, kLinkRegister, 0, 0));
}

void Codegen::call(std::uint32_t slot) {
  const std::uint32_t caller = view_.function_of(slot);
  const std::uint32_t callee = steps_.at[slot].callee;
  const auto frame = static_cast<std::int32_t>(view_.functions()[caller].frame_bytes);
  const bool lower_frame = frame != 0 && (steps_.at[callee].live & bit(kFramePointer)) != 0;
  if (lower_frame) {
    e_.emit(reg_imm(Op::ADD64_IMM, kFramePointer, -frame));
  }
  e_.jump_and_link(kLinkRegister, function_labels_[view_.function_of(callee)]);
  e_.note(CoreReturn{.function = notes_[caller], .slot = view_.next(slot)}, e_.here());
  // Only the program itself may leave R10 lowered: others' callers raise it by what they lowered it.
  const bool needed_again = caller != 0 || role_ == Role::kFunction || (steps_.at[view_.next(slot)].live & bit(kFramePointer)) != 0;
  if (lower_frame && needed_again) {
    e_.emit(reg_imm(Op::ADD64_IMM, kFramePointer, frame));
  }
}

/// What follows gen_tail_call_target(): R12 is the program's index.
void Codegen::tail_call(std::uint32_t slot) {
  const CallPlan& plan = steps_.plan(slot);
  const std::uint32_t function = view_.function_of(slot);
  const auto programs = static_cast<std::int32_t>(view_.object().programs.size());
  const Label out = e_.make_label();
  if (!gen_tail_call_target(gen_, plan, out)) {
    e_.bind(out);
    return;
  }
  if (function == 0 && role_ == Role::kProgram) {
    // The jump table's word comes back here if the program is not in the image: undo the count.
    e_.emit(core(CoreOp::JALR, kScratch2, kScratch0, 0, 0));
    gen_tail_call_undo(gen_, plan);
  } else if (function == 0) {
    e_.emit(reg_imm(Op::ADD64_IMM, kScratch0, programs));
    restore(function);
    e_.emit(core(CoreOp::JR, 0, kScratch0, 0, 0));
  } else {
    const auto below = static_cast<std::int32_t>(kLevelBytes * level(function));
    e_.emit(reg_imm(Op::ADD64_IMM, kScratch0, programs));
    e_.emit(reg_imm(Op::ADD64_IMM, kSaveRegister, -below));
    e_.emit(core(CoreOp::JALR, kLinkRegister, kScratch0, 0, 0));
    e_.note(CoreReturn{.function = notes_[function], .tail_call = true, .below = static_cast<std::uint32_t>(below)},
            e_.here());
    e_.emit(reg_imm(Op::ADD64_IMM, kSaveRegister, below));
    leave(function, 0);
  }
  e_.bind(out);
}

/// Leaves everything in the context, where the host finds it (handover.h).
void Codegen::hand_over(std::uint32_t slot) {
  const Step& step = steps_.at[slot];
  const std::uint32_t function = view_.function_of(slot);
  const bool called = function != 0 || role_ == Role::kFunction;
  // What no function on the way has saved of its caller's registers is where the caller left it.
  const auto registers = static_cast<RegMask>((step.bpf_live | (called ? kCalleeSaved : RegMask{0})) & ~bit(kFramePointer));
  const std::uint32_t point = e_.note(HandoverPoint{.program = view_.index(),
                                                    .insn = slot,
                                                    .function = notes_[function],
                                                    .registers = registers,
                                                    .reason = step.reason});
  e_.constant(kScratch0, address::kContext);
  for (unsigned reg = 0; reg < kFramePointer; ++reg) {
    if ((registers & bit(reg)) != 0) {
      e_.emit(store(8, kScratch0, static_cast<std::int32_t>(address::kCtxHandover + 8 * reg), reg));
    }
  }
  if (called) {
    e_.emit(store(8, kScratch0, kHandoverSave, kSaveRegister));
  }
  e_.emit(store_imm(4, kScratch0, static_cast<std::int32_t>(address::kCtxReserved), static_cast<std::int32_t>(point)));
  e_.emit(core(CoreOp::TRAP, 0, 0, 0, kTrapHandover));
}

void Codegen::packet_load(std::uint32_t slot) {
  const std::uint32_t function = view_.function_of(slot);
  const Label fail = e_.make_label();
  gen_packet_load(gen_, steps_.at[slot], fail);
  e_.cold([this, fail, function] {
    e_.bind(fail);
    leave(function, 0);
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
      leave(view_.function_of(slot), step.insn.src);
      break;
    case Step::Kind::kCall:
      call(slot);
      break;
    case Step::Kind::kHelper:
      if (is_tail_call(slot)) {
        tail_call(slot);
      } else {
        gen_helper(gen_, steps_.plan(slot));
      }
      break;
    case Step::Kind::kAtomic:
      gen_atomic(gen_, step);
      break;
    case Step::Kind::kPacket:
      packet_load(slot);
      break;
    case Step::Kind::kHandover:
      hand_over(slot);
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
