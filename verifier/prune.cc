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
constexpr u32 kLoopMissFactor = 64;  ///< where the end of a loop is looked for

/// What the scalars of one id of the covering state are in the covered one.
struct LinkedGroup {
  u32 old_id, new_id;
  u32 members;
  bool alike;    ///< linked there in the same way
  bool doubtful; ///< one of them is not held
};

/// Ids of scalars of `old` that do not say the same of `now`: one of them is not held, so what is compared later
/// narrows all; or `now` has no such link, so what narrows one says nothing of the others.
std::vector<u32> doubtful_ids(const State& old, const State& now) {
  std::vector<LinkedGroup> groups;
  static const Reg kUnlinked = Reg::unknown();
  const auto note = [&groups](const Reg& was, const Reg& is) {
    if (!was.is_scalar() || was.base_id() == 0) {
      return;
    }
    const bool held = was.bounds.holds(is.bounds);
    const bool shifted = was.base_id() != was.id;
    const bool same_step = (was.id & kIdWithOffset) == (is.id & kIdWithOffset) && (!shifted || was.off == is.off);
    const u32 new_id = is.is_scalar() && same_step ? is.base_id() : 0;
    const auto known = std::find_if(groups.begin(), groups.end(), [&](const LinkedGroup& g) { return g.old_id == was.base_id(); });
    if (known == groups.end()) {
      groups.push_back({was.base_id(), new_id, 1, new_id != 0, !held});
      return;
    }
    ++known->members;
    known->alike &= new_id == known->new_id;
    known->doubtful |= !held;
  };
  for (std::size_t f = 0; f < old.frames.size(); ++f) {
    const Frame& was = old.frames[f];
    const Frame& is = now.frames[f];
    for (unsigned r = 0; r < kFramePointer; ++r) {
      note(was.regs[r], is.regs[r]);
    }
    for (std::size_t k = 0; k < was.stack.size(); ++k) {
      const bool spill = k < is.stack.size() && is.stack[k].is_scalar_spill();
      if (was.stack[k].is_scalar_spill()) {
        note(was.stack[k].value, spill ? is.stack[k].value : kUnlinked);
      }
    }
  }
  std::vector<u32> ids;
  for (const LinkedGroup& g : groups) {
    if (g.doubtful || (g.members > 1 && !g.alike)) {
      ids.push_back(g.old_id);
    }
  }
  return ids;
}

bool same_callsites(const State& a, const State& b) {
  const auto same = [](const Frame& x, const Frame& y) { return x.callsite == y.callsite; };
  return a.depth() == b.depth() && std::equal(a.frames.begin(), a.frames.end(), b.frames.begin(), same);
}

bool is_linked_to(const Reg& reg, const std::vector<u32>& ids) {
  return reg.base_id() != 0 && std::find(ids.begin(), ids.end(), reg.base_id()) != ids.end();
}

}  // namespace

/// Checkpoints that a path is compared with lie in one list: those of its slot and call site, and a few
/// others. A subprogram called from two places is not taken for a loop.
std::vector<std::unique_ptr<State>>& Checker::seen_here() {
  const u32 key = insn_ ^ state().frame().callsite;
  return seen_[key % seen_.size()];
}

/// Where a frame of `s` that waits for a call goes on; a callback's caller calls again.
u32 Checker::resumption(const State& s, u32 frame) const {
  const u32 callsite = s.frames[frame + 1].callsite;
  return structure_.slots[callsite].calls_callback ? callsite : callsite + 1;
}

/// Slots of a frame of `s` that something later may read.
u64 Checker::live_slots(const State& s, u32 frame) {
  u64 live = stack_liveness_.live_before(s.frames.back().instance, s.insn, frame);
  for (u32 f = frame; f + 1 < s.frames.size(); ++f) {
    live |= stack_liveness_.live_before(s.frames[f].instance, resumption(s, f), frame);
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
  const std::vector<u32> doubtful = doubtful_ids(old, state());
  for (u32 f = 0; f < old.frames.size(); ++f) {
    const Frame& was = old.frames[f];
    const Frame& is = state().frames[f];
    const bool top = f + 1 == old.frames.size();
    u16 regs = 0;
    for (unsigned r = 0; r < kFramePointer; ++r) {
      const bool differs = was.regs[r].is_scalar() &&
                           (!was.regs[r].bounds.holds(is.regs[r].bounds) || is_linked_to(was.regs[r], doubtful));
      regs = static_cast<u16>(regs | (differs ? 1u << r : 0u));
    }
    facts_.doubt_regs(top ? insn_ : resumption(old, f), regs, false);
    const u64 live = old.cleaned ? live_slots(old, f) : ~u64{0};
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
      const bool scalar_differs = before.is_scalar_spill() &&
                                  (!before.value.bounds.holds(value) || is_linked_to(before.value, doubtful));
      const bool pointer_now = !before.is_spill() && now.is_spill() && now.value.is_pointer();
      slots |= scalar_differs || pointer_now ? u64{1} << k : 0;
      pointers |= pointer_now;
    }
    facts_.doubt_slots(was.subprogram, slots, pointers);
  }
}

void Checker::add_checkpoint() {
  auto kept = spare_.fresh();
  State& s = state();
  kept->frames = s.frames;
  kept->insn = insn_;
  kept->last_insn = s.last_insn;
  kept->parent = s.parent;
  kept->held = s.held;
  kept->dfs_depth = s.dfs_depth;
  kept->may_goto_depth = s.may_goto_depth;
  kept->callback_unroll_depth = s.callback_unroll_depth;
  kept->sleepable = s.sleepable;
  kept->trace = std::move(s.trace);
  kept->links = std::move(s.links);
  s.parent = kept.get();
  memory_.add(*kept);
  s.trace.clear();
  s.links.clear();
  s.jumps_in_trace = 0;
  s.dfs_depth = kept->dfs_depth + 1;
  loops_.enter(*kept);
  seen_here().push_back(std::move(kept));
  ++total_states_;
  ++live_states_;
  peak_states_ = std::max(peak_states_, live_states_ + retired_.size());
  jumps_at_checkpoint_ = jumps_;
  processed_at_checkpoint_ = processed_;
}

/// `old`, on the current path, is where an iterator, may_goto or a callback begins another turn. Does
/// this turn teach nothing new?
bool Checker::loop_may_end(const State& old) const {
  const SlotInfo& slot = structure_.slots[insn_];
  const bool may_goto = decoded().form == Form::kMayGoto;
  if (!slot.iterates && !slot.calls_callback && !(may_goto && old.may_goto_depth != state().may_goto_depth)) {
    return false;
  }
  if (!covers(old, state(), structure_, Match::kWithin)) {
    return false;
  }
  return !slot.iterates || is_active_iterator(state(), state().reg(1));
}

bool Checker::is_infinite_loop(const State& old) const {
  return may_be_same(old, state()) && covers(old, state(), structure_, Match::kExact) &&
         !iterator_depths_differ(old, state()) && old.may_goto_depth == state().may_goto_depth &&
         old.callback_unroll_depth == state().callback_unroll_depth;
}

/// \param loop  not everything after `old` has been seen yet.
Checker::Visit Checker::end_path(State& old, bool loop) {
  ++old.hits;
  propagate_precision(old, state());
  note_prune(old);
  if (loop) {
    LoopVisit* visit = loops_.find(old);
    KILN_CHECK(visit != nullptr);
    visit->backedges.push_back({spare_.copy(state()), &old});
    ++live_states_;
    peak_states_ = std::max(peak_states_, live_states_ + retired_.size());
  }
  return Visit::kPruned;
}

/// The newest state on the path to `now` that stood at `insn` with the same callers, if there is one.
State* Checker::earlier_turn(const State& now, u32 insn) {
  auto& list = seen_[(insn ^ now.frame().callsite) % seen_.size()];
  for (std::size_t k = list.size(); k-- > 0;) {
    State& old = *list[k];
    if (old.insn != insn || old.branches == 0 || old.depth() != now.depth() || old.dfs_depth >= now.dfs_depth) {
      continue;
    }
    if (same_callsites(old, now)) {
      return &old;
    }
  }
  return nullptr;
}

/// Scalars that differ from turn to turn and have decided nothing so far may be anything, so that the
/// next turn is like every later one.
void Checker::widen(const State& before, State& now) {
  IdMap ids;
  const auto widen_reg = [&ids](const Reg& was, Reg& is) {
    const bool scalars = was.is_scalar() && is.is_scalar() && !was.precise && !is.precise;
    if (scalars && !(was.same_but_id(is) && ids.same(was.id, is.id))) {
      is = Reg::unknown();
    }
  };
  for (std::size_t f = 0; f < before.frames.size(); ++f) {
    const Frame& was = before.frames[f];
    Frame& is = now.frames[f];
    for (unsigned r = 0; r < kRegisters; ++r) {
      widen_reg(was.regs[r], is.regs[r]);
    }
    for (std::size_t k = 0; k < std::min(was.stack.size(), is.stack.size()); ++k) {
      if (was.stack[k].is_full_spill() && is.stack[k].is_full_spill()) {
        widen_reg(was.stack[k].value, is.stack[k].value);
      }
    }
  }
}

/// Cleans the checkpoints that stand here and are explored to their end: all at once, since a loop that is entered
/// again later may make them incomplete for a while.
void Checker::clean_seen(const std::vector<std::unique_ptr<State>>& list) {
  for (const auto& old : list) {
    const bool done = !old->cleaned && old->branches == 0 && old->insn == insn_;
    if (done && same_callsites(*old, state()) && !loops_.is_incomplete(*old)) {
      clean(*old);
    }
  }
}

Checker::Visit Checker::visit() {
  auto& list = seen_here();
  clean_seen(list);
  const SlotInfo& slot = structure_.slots[insn_];
  const bool forced = slot.checkpoint || state().jumps_in_trace > kLongTrace;
  bool keep = forced || (jumps_ - jumps_at_checkpoint_ >= kCheckpointJumps &&
                         processed_ - processed_at_checkpoint_ >= kCheckpointInsns);
  u64 compared = 0;
  for (std::size_t k = list.size(); k-- > 0;) {  // the newest first: it is the likeliest to match
    State& old = *list[k];
    ++compared;
    if (old.insn != insn_) {
      continue;
    }
    const bool incomplete = loops_.is_incomplete(old);
    if (old.branches > 0) {
      // Another entry of an asynchronous callback is no turn of a loop.
      const bool other_entry = old.frame().in_async_callback && old.frame().async_entries != state().frame().async_entries;
      if (!other_entry && loop_may_end(old)) {
        return end_path(old, true);
      }
      if (!other_entry && !slot.iterates && !slot.calls_callback && is_infinite_loop(old)) {
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
      if (covers(old, state(), structure_, incomplete ? Match::kWithin : Match::kSafe)) {
        return end_path(old, incomplete);
      }
    }
    old.misses += keep ? 1 : 0;
    const u32 factor = slot.checkpoint && old.branches > 0 ? kLoopMissFactor : kMissFactor;
    if (old.misses > old.hits * factor + factor) {
      if (old.branches > 0 || incomplete) {
        old.retired = true;
        retired_.push_back(std::move(list[k]));
      } else {
        memory_.remove(old);
        spare_.give(std::move(list[k]));
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
