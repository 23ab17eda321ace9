// SPDX-License-Identifier: Apache-2.0
#include "facts_builder.h"

#include <algorithm>
#include <bit>

#include "alu.h"

namespace kiln::verifier {
namespace {

constexpr ValueKinds bit(ValueKind kind) { return static_cast<ValueKinds>(kind); }

ValueKinds kind_of(RegType type) {
  switch (type) {
    case RegType::kNotInit: return bit(ValueKind::kUninit);
    case RegType::kScalar: return bit(ValueKind::kScalar);
    case RegType::kCtx: return bit(ValueKind::kContext);
    case RegType::kStack: return bit(ValueKind::kStack);
    case RegType::kPacket: return bit(ValueKind::kPacket);
    case RegType::kPacketMeta: return bit(ValueKind::kPacketMeta);
    case RegType::kPacketEnd: return bit(ValueKind::kPacketEnd);
    case RegType::kMapPtr: return bit(ValueKind::kMapHandle);
    case RegType::kMapValue: return bit(ValueKind::kMapValue);
    case RegType::kFunc: return bit(ValueKind::kCode);
    case RegType::kMapKey:
    case RegType::kMem:
    case RegType::kBuf:
    case RegType::kTpBuffer:
    case RegType::kXdpSock:
    case RegType::kSocket:
    case RegType::kSockCommon:
    case RegType::kTcpSock:
    case RegType::kFlowKeys:
    case RegType::kBtf:
    case RegType::kDynptr:
    case RegType::kIter:
    case RegType::kIrqFlag: return bit(ValueKind::kOther);
  }
  return bit(ValueKind::kOther);
}

ValueKinds kinds_of(const Reg& reg) {
  const ValueKinds kind = kind_of(reg.type);
  return reg.maybe_null ? static_cast<ValueKinds>(kind | bit(ValueKind::kNull)) : kind;
}

/// A pointer's fixed and variable offset together.
Bounds offset_bounds(const Reg& reg) {
  const Bounds fixed = Bounds::constant(static_cast<u64>(s64{reg.off}));
  return reg.bounds.is_constant() ? Bounds::constant(reg.bounds.value() + fixed.value())
                                  : alu(AluOp::kAdd, true, reg.bounds, fixed);
}

void join_into(RegFact& fact, ValueKinds kinds, s32 map, const Bounds& b) {
  if (fact.kinds == 0) {
    fact = {.kinds = kinds,
            .map = map,
            .known_mask = ~b.bits.mask,
            .known_value = b.bits.value,
            .umin = b.w.umin,
            .umax = b.w.umax,
            .smin = b.w.smin,
            .smax = b.w.smax};
    return;
  }
  fact.kinds = static_cast<ValueKinds>(fact.kinds | kinds);
  fact.map = fact.map == map ? map : -1;
  fact.known_mask &= ~b.bits.mask & ~(fact.known_value ^ b.bits.value);
  fact.known_value &= fact.known_mask;
  fact.umin = std::min(fact.umin, b.w.umin);
  fact.umax = std::max(fact.umax, b.w.umax);
  fact.smin = std::min(fact.smin, b.w.smin);
  fact.smax = std::max(fact.smax, b.w.smax);
}

void join_into(RegFact& fact, const Reg& reg) {
  const bool has_map = reg.type == RegType::kMapPtr || reg.type == RegType::kMapValue;
  const s32 map = has_map ? reg.extra : -1;
  if (reg.off == 0 || reg.is_scalar()) {
    join_into(fact, kinds_of(reg), map, reg.bounds);
  } else {
    join_into(fact, kinds_of(reg), map, offset_bounds(reg));
  }
}

/// Adds `set` to what `list` has under `key`.
template <typename Set>
void add_to(std::vector<std::pair<u32, Set>>& list, u32 key, Set set) {
  for (auto& [at, there] : list) {
    if (at == key) {
      there = static_cast<Set>(there | set);
      return;
    }
  }
  list.emplace_back(key, set);
}

}  // namespace

void FactsBuilder::begin() {
  facts_.insns.assign(program_.insns.size(), InsnFact{});
  doubt_.assign(program_.insns.size(), 0);
  stack_doubt_.assign(structure_.subprograms.size(), 0);
}

void FactsBuilder::record(u32 insn, const Frame& frame, u16 regs) {
  InsnFact& fact = facts_.insns[insn];
  fact.reachable = true;
  for (unsigned set = regs; set != 0; set &= set - 1) {
    const unsigned i = static_cast<unsigned>(std::countr_zero(set));
    join_into(fact.regs[i], frame.regs[i]);
  }
}

void FactsBuilder::record_memory(u32 insn, RegType region, s64 low, s64 high) {
  InsnFact& fact = facts_.insns[insn];
  const bool first = fact.memory == 0;
  fact.memory = static_cast<ValueKinds>(fact.memory | kind_of(region));
  fact.offset_min = first ? low : std::min(fact.offset_min, low);
  fact.offset_max = first ? high : std::max(fact.offset_max, high);
}

void FactsBuilder::record_branch(u32 insn, bool taken) {
  (taken ? facts_.insns[insn].branch_taken : facts_.insns[insn].branch_not_taken) = true;
}

void FactsBuilder::record_linked_regs(u32 insn, u32 at, u16 regs) { add_to(linked_[insn].regs, at, regs); }

void FactsBuilder::record_linked_slots(u32 insn, u32 subprogram, u64 slots) {
  add_to(linked_[insn].slots, subprogram, slots);
}

void FactsBuilder::doubt_regs(u32 insn, u16 regs, bool pointers) {
  doubt_[insn] = static_cast<u16>(doubt_[insn] | regs);
  any_doubt_ |= regs != 0;
  any_pointer_doubt_ |= pointers;
}

void FactsBuilder::doubt_slots(u32 subprogram, u64 slots, bool pointers) {
  stack_doubt_[subprogram] |= slots;
  any_doubt_ |= slots != 0;
  any_pointer_doubt_ |= pointers;
}

Facts FactsBuilder::finish(std::vector<u32> stack_depth) {
  if (any_doubt_) {
    spread_doubts();
    erase_doubtful();
  }
  constexpr ValueKinds kAnything = 0x7ff;
  for (InsnFact& fact : facts_.insns) {
    for (RegFact& reg : fact.regs) {
      if (fact.reachable && reg.kinds == 0) {
        reg.kinds = kAnything;  // not recorded
      }
    }
  }
  for (const SubprogramInfo& sub : structure_.subprograms) {
    facts_.changes_packet |= sub.changes_packet;
  }
  facts_.stack_depth = std::move(stack_depth);
  return std::move(facts_);
}

}  // namespace kiln::verifier
