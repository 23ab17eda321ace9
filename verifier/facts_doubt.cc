// SPDX-License-Identifier: Apache-2.0
//
// Carries doubts about scalars forward (facts_builder.h): what is computed from a doubtful value is
// doubtful. Registers are followed per instruction; stack slots only per subprogram, which may doubt
// too much but never too little.
//
// Addresses and predicted branches need no doubt: what they are computed from is precise, so states
// that differ in it are never matched.
#include "facts_builder.h"

namespace kiln::verifier {
namespace {

constexpr u16 bit(unsigned reg) { return static_cast<u16>(1u << reg); }
constexpr u16 kArguments = 0x3e, kCallerSaved = 0x3f;

u16 with(u16 mask, unsigned reg, bool doubtful) {
  return static_cast<u16>(doubtful ? mask | bit(reg) : mask & ~bit(reg));
}

}  // namespace

/// Slots of the current frame that a stack access may touch.
u64 FactsBuilder::touched_slots(u32 insn) const {
  const InsnFact& fact = facts_.insns[insn];
  const s64 first = fact.offset_min, last = fact.offset_max + structure_.code[insn].bytes - 1;
  u64 slots = 0;
  for (s64 off = first; off <= last && off < 0; ++off) {
    if (off >= -s64{kStackBytes}) {
      slots |= u64{1} << slot_of(off);
    }
  }
  return slots;
}

/// Whether a load may give a doubtful stack slot.
bool FactsBuilder::loads_doubt(u32 insn) const {
  if (!has(facts_.insns[insn].memory, ValueKind::kStack)) {
    return false;
  }
  if (structure_.subprograms.size() == 1) {
    return (stack_doubt_[0] & touched_slots(insn)) != 0;
  }
  for (const u64 slots : stack_doubt_) {  // the pointer may be into any frame
    if (slots != 0) {
      return true;
    }
  }
  return false;
}

bool FactsBuilder::transfer_store(u32 insn, bool value_doubtful) {
  if (!value_doubtful || !has(facts_.insns[insn].memory, ValueKind::kStack)) {
    return false;
  }
  bool changed = false;
  const bool own_frame = structure_.subprograms.size() == 1;
  for (u64& slots : stack_doubt_) {
    const u64 added = own_frame ? touched_slots(insn) : ~u64{0};
    changed |= (slots | added) != slots;
    slots |= added;
  }
  return changed;
}

/// What a callback is handed on may be doubtful: in every subprogram whose address is taken.
bool FactsBuilder::doubt_callbacks() {
  bool changed = false;
  for (u32 at = 0; at < structure_.code.size(); ++at) {
    if (structure_.code[at].info == nullptr || structure_.code[at].op != Op::LD_CODE_ADDR) {
      continue;
    }
    u16& there = doubt_[static_cast<u32>(s64{at} + 1 + program_.insns[at].imm)];
    changed |= (there & kArguments) != kArguments;
    there = static_cast<u16>(there | kArguments);
  }
  return changed;
}

u16 FactsBuilder::after_call(u32 insn, u16 before, bool& changed) {
  const Decoded& d = structure_.code[insn];
  if (!d.is_subprogram_call()) {
    const SlotInfo& slot = structure_.slots[insn];
    if ((slot.calls_callback || slot.calls_async) && (before & kArguments) != 0) {
      changed |= doubt_callbacks();
    }
    return static_cast<u16>(before & ~kCallerSaved);
  }
  const s64 entry = jump_target(d, program_.insns[insn], insn);
  const u32 callee = static_cast<u32>(structure_.subprogram_at(entry));
  const SubprogramInfo& sub = structure_.subprograms[callee];
  u16& at_entry = doubt_[sub.start];
  const u16 passed = static_cast<u16>(at_entry | (before & kArguments));
  changed |= passed != at_entry;
  at_entry = passed;
  bool returns_doubt = false;
  for (u32 at = sub.start; at < sub.end; ++at) {
    returns_doubt |= structure_.code[at].info != nullptr && structure_.code[at].form == Form::kExit &&
                     (doubt_[at] & bit(0)) != 0;
  }
  return with(static_cast<u16>(before & ~kCallerSaved), 0, returns_doubt);
}

/// Each side of a doubtful comparison is narrowed by the other, and so is every scalar linked to either.
bool FactsBuilder::transfer_jump(u32 insn, u16 before, u16& after) {
  const Insn& i = program_.insns[insn];
  const u16 compared = static_cast<u16>(bit(i.dst) | (structure_.code[insn].uses_source ? bit(i.src) : 0));
  const auto linked = linked_.find(insn);
  if ((before & compared) == 0) {
    return false;
  }
  after = static_cast<u16>(after | compared);
  if (linked == linked_.end()) {
    return false;
  }
  bool changed = false;
  for (const auto& [at, regs] : linked->second.regs) {
    u16& there = at == insn ? after : doubt_[at];
    changed |= at != insn && (there | regs) != there;
    there = static_cast<u16>(there | regs);
  }
  for (const auto& [subprogram, slots] : linked->second.slots) {
    u64& there = stack_doubt_[subprogram];
    changed |= (there | slots) != there;
    there |= slots;
  }
  return changed;
}

/// \return whether something besides `after` changed (a slot, another subprogram's entry).
bool FactsBuilder::transfer(u32 insn, u16 before, u16& after) {
  const Decoded& d = structure_.code[insn];
  const Insn& i = program_.insns[insn];
  const auto doubtful = [before](unsigned reg) { return (before & bit(reg)) != 0; };
  bool changed = false;
  after = before;
  if (d.info == nullptr) {
    return false;
  }
  switch (d.form) {
    case Form::kAluImm:
      after = with(before, i.dst, d.alu != AluOp::kMov && doubtful(i.dst));
      break;
    case Form::kAluReg:
    case Form::kMovSx: {
      const bool move = d.form == Form::kMovSx || d.alu == AluOp::kMov;
      after = with(before, i.dst, doubtful(i.src) || (!move && doubtful(i.dst)));
      break;
    }
    case Form::kJmpImm:
    case Form::kJmpReg:
      changed = transfer_jump(insn, before, after);
      break;
    case Form::kLoad:
      after = with(before, i.dst, loads_doubt(insn));
      break;
    case Form::kLoadAcquire:
      after = with(before, i.dst, loads_doubt(insn));
      break;
    case Form::kAddrSpaceCast:
      after = with(before, i.dst, doubtful(i.src));
      break;
    case Form::kStoreReg:
    case Form::kStoreRelease:
      changed = transfer_store(insn, doubtful(i.src));
      break;
    case Form::kAtomicFetch:
      after = with(before, d.op == Op::ATOMIC_CMPXCHG32 || d.op == Op::ATOMIC_CMPXCHG64 ? 0u : i.src,
                   loads_doubt(insn));
      break;
    case Form::kCall:
    case Form::kCallx:
      after = after_call(insn, before, changed);
      break;
    case Form::kLd64:
      after = with(before, i.dst, false);
      break;
    case Form::kLdPacket:
      after = static_cast<u16>(before & ~kCallerSaved);
      break;
    case Form::kNeg:
    case Form::kEnd:
    case Form::kJa:
    case Form::kJa32:
    case Form::kMayGoto:
    case Form::kExit:
    case Form::kStoreImm:
    case Form::kAtomic:
      break;
  }
  return changed;
}

void FactsBuilder::spread_doubts() {
  for (bool changed = true; changed;) {
    changed = false;
    for (u32 at = 0; at < program_.insns.size(); ++at) {
      u16 after = 0;
      changed |= transfer(at, doubt_[at], after);
      const Successors next = successors(structure_, program_, at);
      for (unsigned k = 0; k < next.count; ++k) {
        u16& there = doubt_[next.at[k]];
        const u16 both = static_cast<u16>(there | after);
        changed |= both != there;
        there = both;
      }
    }
  }
}

void FactsBuilder::erase_doubtful() {
  for (std::size_t at = 0; at < facts_.insns.size(); ++at) {
    for (unsigned i = 0; i < kRegisters; ++i) {
      RegFact& reg = facts_.insns[at].regs[i];
      if ((doubt_[at] & bit(i)) == 0 || !has(reg.kinds, ValueKind::kScalar)) {
        continue;
      }
      const auto extra = any_pointer_doubt_ ? static_cast<ValueKinds>(ValueKind::kOther) : ValueKinds{0};
      reg = RegFact{.kinds = static_cast<ValueKinds>(reg.kinds | extra)};
    }
  }
}

}  // namespace kiln::verifier
