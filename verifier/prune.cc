// SPDX-License-Identifier: Apache-2.0
//
// States seen before: which to keep, and when a path need not be walked again.
//
// Rules: states are kept and compared at jump targets, conditional jumps and after calls. A path ends
// where a state from which everything has been explored covers it (subsume.h). A path that comes back
// to a state it is still exploring from, unchanged, is an infinite loop. When to keep a state, and
// when to stop comparing with one that rarely matches, follow the kernel's measures, so that about as
// many instructions are processed.
#include <algorithm>

#include "checker.h"
#include "subsume.h"

namespace kiln::verifier {
namespace {

constexpr u32 kLongTrace = 40;          ///< jumps and spills since the last checkpoint
constexpr u64 kCheckpointJumps = 2, kCheckpointInsns = 8;
constexpr u64 kLoopJumps = 20, kLoopInsns = 100;
constexpr u32 kMissFactor = 3;

}  // namespace

/// Checkpoints that a path is compared with lie in one list: those of its slot and call site, and a few
/// others. A subprogram called from two places is not taken for a loop.
std::vector<std::unique_ptr<State>>& Checker::seen_here() {
  const u32 key = insn_ ^ state().frame().callsite;
  return seen_[key % seen_.size()];
}

/// Slots of a frame of `s` that something later may read.
u64 Checker::live_slots(const State& s, u32 frame) {
  u64 live = stack_liveness_.live_before(s.frames.back().instance, s.insn, frame);
  for (u32 f = frame; f + 1 < s.frames.size(); ++f) {
    live |= stack_liveness_.live_before(s.frames[f].instance, s.frames[f + 1].callsite + 1, frame);
  }
  return live;
}

/// Forgets what nothing reads any more. REQUIRES: everything from `s` has been explored.
void Checker::clean(State& s) {
  s.cleaned = true;
  for (u32 f = 0; f < s.frames.size(); ++f) {
    Frame& frame = s.frames[f];
    const u16 live = structure_.slots[position(s, f)].live;
    for (unsigned r = 0; r < kFramePointer; ++r) {
      if ((live >> r & 1) == 0) {
        frame.regs[r] = Reg{};
      }
    }
    const u64 slots = live_slots(s, f);
    for (u32 k = 0; k < frame.stack.size(); ++k) {
      if ((slots >> k & 1) == 0) {
        frame.stack[k] = StackSlot{};
      }
    }
  }
}

/// Facts recorded after `old` do not cover scalars of the current state that were not compared.
void Checker::note_prune(const State& old) {
  for (u32 f = 0; f < old.frames.size(); ++f) {
    const Frame& was = old.frames[f];
    const Frame& is = state().frames[f];
    const bool top = f + 1 == old.frames.size();
    u16 regs = 0;
    for (unsigned r = 0; r < kFramePointer; ++r) {
      const bool differs = was.regs[r].is_scalar() && !was.regs[r].bounds.holds(is.regs[r].bounds);
      regs = static_cast<u16>(regs | (differs ? 1u << r : 0u));
    }
    facts_.doubt_regs(top ? insn_ : old.frames[f + 1].callsite + 1, regs, false);
    const u64 live = live_slots(old, f);
    u64 slots = 0;
    bool pointers = false;
    static const StackSlot kEmpty;
    for (u32 k = 0; k < kStackSlots; ++k) {
      if ((live >> k & 1) == 0) {
        continue;
      }
      const StackSlot& before = k < was.stack.size() ? was.stack[k] : kEmpty;
      const StackSlot& now = k < is.stack.size() ? is.stack[k] : kEmpty;
      const Bounds value = now.is_scalar_spill() ? now.value.bounds : Bounds::unknown();
      const bool scalar_differs = before.is_scalar_spill() && !before.value.bounds.holds(value);
      const bool pointer_now = !before.is_spill() && now.is_spill() && now.value.is_pointer();
      slots |= scalar_differs || pointer_now ? u64{1} << k : 0;
      pointers |= pointer_now;
    }
    facts_.doubt_slots(was.subprogram, slots, pointers);
  }
}

void Checker::add_checkpoint() {
  auto kept = std::make_unique<State>();
  State& s = state();
  kept->frames = s.frames;
  kept->insn = insn_;
  kept->last_insn = s.last_insn;
  kept->parent = s.parent;
  kept->trace = std::move(s.trace);
  kept->links = std::move(s.links);
  s.parent = kept.get();
  memory_.add(*kept);
  s.trace.clear();
  s.links.clear();
  s.jumps_in_trace = 0;
  seen_here().push_back(std::move(kept));
  ++total_states_;
  ++live_states_;
  peak_states_ = std::max(peak_states_, live_states_ + retired_.size());
  jumps_at_checkpoint_ = jumps_;
  processed_at_checkpoint_ = processed_;
}

Checker::Visit Checker::visit() {
  auto& list = seen_here();
  const bool forced = state().jumps_in_trace > kLongTrace;
  bool keep = forced || (jumps_ - jumps_at_checkpoint_ >= kCheckpointJumps &&
                         processed_ - processed_at_checkpoint_ >= kCheckpointInsns);
  u64 compared = 0;
  for (std::size_t k = list.size(); k-- > 0;) {  // the newest first: it is the likeliest to match
    State& old = *list[k];
    ++compared;
    if (old.insn != insn_) {
      continue;
    }
    if (old.branches > 0) {
      if (may_be_same(old, state()) && covers(old, state(), structure_, Match::kExact)) {
        reject("infinite loop detected at insn {}", insn_);
        explain("cur state:{}", frame_text(state(), state().depth(), object_, ~0u, ~u64{0}));
        explain("old state:{}", frame_text(old, old.depth(), object_, ~0u, ~u64{0}));
        return Visit::kReject;
      }
      // A loop being unrolled: do not keep a state for every turn.
      if (!forced && jumps_ - jumps_at_checkpoint_ < kLoopJumps &&
          processed_ - processed_at_checkpoint_ < kLoopInsns) {
        keep = false;
      }
    } else {
      if (!old.cleaned) {
        clean(old);
      }
      if (covers(old, state(), structure_, Match::kSafe)) {
        ++old.hits;
        propagate_precision(old);
        note_prune(old);
        return Visit::kPruned;
      }
    }
    old.misses += keep ? 1 : 0;
    if (old.misses > old.hits * kMissFactor + kMissFactor) {
      if (old.branches > 0) {
        retired_.push_back(std::move(list[k]));
      } else {
        memory_.remove(old);
      }
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(k));
      --live_states_;
    }
  }
  max_states_at_slot_ = std::max(max_states_at_slot_, compared);
  if (keep) {
    add_checkpoint();
  }
  return Visit::kNew;
}

}  // namespace kiln::verifier
