// SPDX-License-Identifier: Apache-2.0
//
// Walks every path: depth first, the untaken side of a branch kept for later, until nothing is left.
#include <algorithm>

#include <fmt/format.h>

#include <kiln/disasm.h>

#include "checker.h"

namespace kiln::verifier {
namespace {

constexpr std::size_t kMaxPending = 8192;  ///< BPF_COMPLEXITY_LIMIT_JMP_SEQ
constexpr std::size_t kLogColumn = 40;     ///< where "; R0=..." begins beside an instruction

std::size_t padding(std::size_t used) {
  const std::size_t end = used + 4 > kLogColumn ? used + 4 : kLogColumn;
  return (end + 7) / 8 * 8 - used - 1;
}

}  // namespace

bool Checker::count_instruction() {
  if (++processed_ > options_.insn_limit) {
    return reject("BPF program is too large. Processed {} insn", processed_);
  }
  return true;
}

void Checker::log_state(const State& s, bool all) {
  const u32 regs = all ? ~0u : touched_regs_;
  const u64 slots = all ? ~u64{0} : touched_slots_;
  log_.print("{}\n", frame_text(s, s.depth(), object_, regs, slots));
  touched_regs_ = 0;
  touched_slots_ = 0;
}

/// Before an instruction: what the one before it changed, behind that one's text if still the last.
void Checker::log_new_path() {
  if (!log_.on()) {
    return;
  }
  if (new_path_ && log_.every_path()) {
    log_.print("\nfrom {} to {}:", state().last_insn, insn_);
    log_state(state(), true);
    touched_regs_ = ~0u;
    touched_slots_ = ~u64{0};
  }
  new_path_ = false;
}

void Checker::log_instruction() {
  if (!log_.on()) {
    return;
  }
  log_new_path();
  if (touched_regs_ != 0 || touched_slots_ != 0) {
    if (insn_log_end_ != 0 && insn_log_end_ == log_.size()) {
      log_.cut(insn_log_end_ - 1);
      log_.print("{:>{}}", ";", padding(insn_log_end_ - insn_log_start_) + 1);
    } else {
      log_.print("{}:", insn_);
    }
    log_state(state(), false);
  }
  const SourceLine* line = program_.line_of(insn_);
  if (line != nullptr && line != last_line_) {
    log_.print("; {} @ {}:{}\n", line->text, line->file, line->line);
    last_line_ = line;
  }
  insn_log_start_ = log_.size();
  const Insn* second = insn().is_wide() ? &program_.insns[insn_ + 1] : nullptr;
  log_.print("{}: ({:02x}) {}\n", insn_, insn().opcode, disassemble(insn(), second));
  insn_log_end_ = log_.size();
}

void Checker::push_branch(std::unique_ptr<State> branch) {
  if (branch->parent != nullptr) {
    ++branch->parent->branches;
  }
  memory_.add(*branch);
  pending_.push_back({std::move(branch), log_.size()});
}

/// One path from `s` has ended: its checkpoints have one less to wait for.
void Checker::release(State* s) {
  bool sweep = false;  // some retired checkpoint may have become needless
  while (s != nullptr && --s->branches == 0) {
    if (s->enters_loop) {
      LoopVisit* visit = loops_.find(*s);
      if (visit != nullptr && visit->entry == s) {
        visit->entry = nullptr;
        sweep |= !visit->backedges.empty();
        close_loop(*visit);
      }
    }
    sweep |= s->retired && !loops_.is_incomplete(*s);
    s = s->parent;
  }
  if (sweep) {
    std::erase_if(retired_, [this](const auto& owned) {
      const bool done = owned->branches == 0 && !loops_.is_incomplete(*owned);
      if (done) {
        memory_.remove(*owned);
      }
      return done;
    });
  }
}

/// \return false when every path has been walked.
bool Checker::next_path() {
  release(current_.get());
  if (pending_.empty()) {
    current_.reset();
    return false;
  }
  memory_.remove(*pending_.back().state);
  spare_.give(std::move(current_));
  current_ = std::move(pending_.back().state);
  if (!log_.every_path()) {
    log_.cut(pending_.back().log_size);
  }
  pending_.pop_back();
  new_path_ = true;
  touched_regs_ = ~0u;
  touched_slots_ = ~u64{0};
  return true;
}

bool Checker::explore() {
  for (;;) {
    insn_ = state().insn;
    if (!count_instruction()) {
      return false;
    }
    visited_[insn_] = true;
    const SlotInfo& slot = structure_.slots[insn_];
    if (slot.prune_point) {
      const Visit seen = visit();
      if (seen == Visit::kReject) {
        return false;
      }
      if (seen == Visit::kPruned) {
        if (new_path_ && log_.every_path()) {
          log_.print("\nfrom {} to {}: safe\n", state().last_insn, insn_);
        } else {
          log_.print("{}: safe\n", insn_);
        }
        if (!next_path()) {
          return true;
        }
        continue;
      }
    }
    state().jumps_in_trace += slot.jump_point ? 1 : 0;
    log_instruction();
    facts_.record(insn_, state().frame(), slot.recorded);
    state().trace.push_back({.insn = insn_});
    next_ = insn_ + 1;
    switch (execute()) {
      case Step::kReject:
        return false;
      case Step::kNext:
        state().last_insn = insn_;
        state().insn = next_;
        break;
      case Step::kEnd:
        if (!next_path()) {
          return true;
        }
        break;
    }
    if (pending_.size() > kMaxPending) {
      return reject("The sequence of {} jumps is too complex.", kMaxPending + 1);
    }
  }
}

}  // namespace kiln::verifier
