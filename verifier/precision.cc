// SPDX-License-Identifier: Apache-2.0
//
// Which scalars must agree when two states are compared.
//
// Most numbers in a program decide nothing: whatever they are, every check comes out the same. Only
// when a range was used, in an address, a size, or a branch taken as decided, must every state that
// is matched with an earlier one have the value in that range. Such a use walks the path backwards,
// through what the value was computed from, and marks it precise in each checkpoint on the way.
// Marks are complete before a checkpoint is matched, since only states with all paths explored are.
#include "checker.h"

namespace kiln::verifier {
namespace {

constexpr u16 bit(unsigned reg) { return static_cast<u16>(1u << reg); }
constexpr u16 kArguments = 0x3e, kCallerSaved = 0x3f;

bool has_place(const PrecisionMask& mask, const Place& p) {
  return p.is_slot ? (mask.slots[p.frame] >> p.index & 1) != 0 : (mask.regs[p.frame] >> p.index & 1) != 0;
}

void add_place(PrecisionMask& mask, const Place& p) {
  if (p.is_slot) {
    mask.slots[p.frame] |= u64{1} << p.index;
  } else {
    mask.regs[p.frame] = static_cast<u16>(mask.regs[p.frame] | bit(p.index));
  }
}

/// Linked scalars were narrowed together: if one matters, all do.
void spread_links(const State& state, const TraceEntry& entry, PrecisionMask& mask) {
  const Place* end = state.links.data() + entry.links_end;
  const Place* begin = end - entry.linked_count;
  for (const Place* p = begin; p != end; ++p) {
    if (has_place(mask, *p)) {
      for (p = begin; p != end; ++p) {
        add_place(mask, *p);
      }
      return;
    }
  }
}

/// Marks what `mask` names in a checkpoint; what is marked already, or no scalar, leaves the mask.
/// \return whether anything is marked that was not.
bool mark(State& state, PrecisionMask& mask) {
  bool any = false;
  const auto wanted = [&any](Reg& reg) {
    if (!reg.is_scalar() || reg.precise) {
      return false;
    }
    reg.precise = true;
    return any = true;
  };
  for (u32 f = 0; f < kMaxFrames; ++f) {
    for (unsigned r = 0; mask.regs[f] >> r != 0; ++r) {
      if ((mask.regs[f] >> r & 1) != 0 && (f >= state.frames.size() || !wanted(state.frames[f].regs[r]))) {
        mask.regs[f] = static_cast<u16>(mask.regs[f] & ~bit(r));
      }
    }
    for (u32 k = 0; mask.slots[f] != 0 && k < kStackSlots; ++k) {
      if ((mask.slots[f] >> k & 1) == 0) {
        continue;
      }
      const bool there = f < state.frames.size() && k < state.frames[f].stack.size();
      if (!there || !state.frames[f].stack[k].is_scalar_spill() || !wanted(state.frames[f].stack[k].value)) {
        mask.slots[f] &= ~(u64{1} << k);
      }
    }
  }
  return any;
}

}  // namespace

bool PrecisionMask::empty() const {
  for (u32 f = 0; f < kMaxFrames; ++f) {
    if (regs[f] != 0 || slots[f] != 0) {
      return false;
    }
  }
  return true;
}

/// Undoes one executed instruction: what was the value computed from?
/// \param next  what was executed after it; kNoCallsite: not known.
void Checker::step_back(const State& s, const TraceEntry& entry, u32 next, PrecisionMask& mask) {
  const Insn& i = program_.insns[entry.insn];
  const Decoded& d = structure_.code[entry.insn];
  u16& regs = mask.regs[mask.frame];
  const auto is_set = [&regs](unsigned r) { return (regs & bit(r)) != 0; };
  const auto set = [&regs](unsigned r) { regs = static_cast<u16>(regs | bit(r)); };
  const auto clear = [&regs](u16 which) { regs = static_cast<u16>(regs & ~which); };
  const u64 slot = u64{1} << entry.stack_slot;
  switch (d.form) {
    case Form::kAluImm:
      if (d.alu == AluOp::kMov) {
        clear(bit(i.dst));
      }
      break;
    case Form::kAluReg:
    case Form::kMovSx:
      if (is_set(i.dst)) {
        if (d.form == Form::kMovSx || d.alu == AluOp::kMov) {
          clear(bit(i.dst));
        }
        set(i.src);
      }
      break;
    case Form::kAddrSpaceCast:
      if (is_set(i.dst)) {
        clear(bit(i.dst));
        set(i.src);
      }
      break;
    case Form::kLoad:
    case Form::kLoadAcquire:
      if (is_set(i.dst)) {
        clear(bit(i.dst));
        mask.slots[entry.stack_frame] |= entry.stack_access ? slot : 0;
      }
      break;
    case Form::kStoreImm:
    case Form::kStoreReg:
    case Form::kStoreRelease:
      if (entry.stack_access && (mask.slots[entry.stack_frame] & slot) != 0) {
        mask.slots[entry.stack_frame] &= ~slot;
        if (d.form != Form::kStoreImm) {
          set(i.src);
        }
      }
      break;
    case Form::kAtomicFetch: {
      if (options_.forget_atomic_fetches) {
        mask.slots[entry.stack_frame] &= entry.stack_access ? ~slot : ~u64{0};
        break;
      }
      const bool exchange = d.op == Op::ATOMIC_CMPXCHG32 || d.op == Op::ATOMIC_CMPXCHG64;
      // Linux 6.18 follows what the register held before. So do we, lest a loop be done here that never ends there.
      if (is_set(exchange ? 0u : i.src)) {
        mask.slots[entry.stack_frame] |= entry.stack_access ? slot : 0;
      }
      break;
    }
    case Form::kJmpImm:
    case Form::kJmpReg:
      spread_links(s, entry, mask);
      if (d.uses_source && (is_set(i.dst) || is_set(i.src))) {
        set(i.dst);
        set(i.src);
        spread_links(s, entry, mask);
      }
      break;
    case Form::kExit: {  // from a caller back into the subprogram that returned to it
      if (next < structure_.slots.size() && structure_.slots[next].calls_callback) {
        clear(kCallerSaved);  // a callback's result goes to whoever called it back
      }
      const bool result = is_set(0);
      clear(bit(0));
      mask.regs[++mask.frame] = result ? bit(0) : u16{0};
      break;
    }
    case Form::kCall:
      if (structure_.slots[entry.insn].calls_callback && next != kNoCallsite && next != entry.insn + 1) {
        // From a callback back to what called it: its arguments came from nowhere.
        regs = 0;
        mask.slots[mask.frame] = 0;
        --mask.frame;
      } else if (d.is_subprogram_call() && !structure_.subprograms[callee_of(entry.insn)].is_global) {
        // From a subprogram back to its call: arguments were the caller's.
        const u16 passed = static_cast<u16>(regs & kArguments);
        regs = 0;
        mask.slots[mask.frame] = 0;
        --mask.frame;
        mask.regs[mask.frame] = static_cast<u16>(mask.regs[mask.frame] | passed);
      } else {
        clear(kCallerSaved);
        mask.frame += entry.returns_early ? 1 : 0;  // nothing in that frame was asked for yet
      }
      break;
    case Form::kLd64:
      clear(bit(i.dst));
      break;
    case Form::kCallx:
    case Form::kLdPacket:
      clear(kCallerSaved);
      mask.frame += entry.returns_early ? 1 : 0;
      break;
    case Form::kNeg:
    case Form::kEnd:
    case Form::kJa:
    case Form::kJa32:
    case Form::kMayGoto:
    case Form::kAtomic:
      break;
  }
}

/// \param skip_last  the newest instruction of the path is still being executed.
/// \return whether a checkpoint has a mark that it did not have.
bool Checker::backtrack(const State& from, PrecisionMask mask, bool skip_last) {
  const State* s = &from;
  mask.frame = s->depth();
  u32 next = skip_last ? s->trace.back().insn : s->insn;
  bool any = false;
  u32 last = insn_;
  s64 subsequent = -1;
  for (;;) {
    log_stretch(*s, mask.frame, last, subsequent);
    for (std::size_t k = s->trace.size() - (skip_last ? 1 : 0); k-- > 0;) {
      log_step_back(mask, s->trace[k].insn);
      step_back(*s, s->trace[k], next, mask);
      next = s->trace[k].insn;
      if (mask.empty()) {
        return any;
      }
    }
    skip_last = false;
    if (s->parent == nullptr) {
      return any;
    }
    any |= mark(*s->parent, mask);
    log_checkpoint(mask, *s->parent);
    subsequent = s->parent->insn;
    last = s->parent->last_insn;
    if (mask.empty()) {
      return any;
    }
    s = s->parent;
  }
}

void Checker::make_precise(unsigned reg) {
  if (!state().reg(reg).is_scalar()) {
    return;
  }
  PrecisionMask mask;
  mask.regs[state().depth()] = bit(reg);
  backtrack(state(), mask, true);
}

void Checker::make_slot_precise(u32 frame, u32 slot) {
  PrecisionMask mask;
  mask.slots[frame] = u64{1} << slot;
  backtrack(state(), mask, true);
}

/// A path ends with `last` at `old`, so what mattered after `old` matters to this path as well.
bool Checker::propagate_precision(const State& old, const State& last) {
  PrecisionMask mask;
  for (u8 f = 0; f < old.frames.size(); ++f) {
    for (u8 r = 0; r < kFramePointer; ++r) {
      if (old.frames[f].regs[r].is_scalar() && old.frames[f].regs[r].precise) {
        add_place(mask, {f, r, false});
      }
    }
    for (std::size_t k = 0; k < old.frames[f].stack.size(); ++k) {
      if (old.frames[f].stack[k].is_scalar_spill() && old.frames[f].stack[k].value.precise) {
        add_place(mask, {f, static_cast<u8>(k), true});
      }
    }
  }
  log_propagating(mask);
  return !mask.empty() && backtrack(last, mask, false);
}

/// All paths through a loop have been seen: what matters on one matters on those that joined it.
void Checker::close_loop(LoopVisit& visit) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const Backedge& edge : visit.backedges) {
      changed |= propagate_precision(*edge.equal, *edge.state);
    }
  }
  live_states_ -= visit.backedges.size();
  visit.backedges.clear();
}

}  // namespace kiln::verifier
