// SPDX-License-Identifier: Apache-2.0
//
// Which registers an instruction reads, and which are live before it: read on some way on before
// being written. A register that is not live can hold anything when two states are compared.
#include <kiln/helpers.h>

#include "structure.h"

namespace kiln::verifier {
namespace {

constexpr u16 bit(unsigned reg) { return static_cast<u16>(1u << reg); }
constexpr u16 kCallerSaved = 0x3f;  ///< R0..R5: overwritten by a call
constexpr u16 kAllRegisters = 0x3ff;  ///< R0..R9
constexpr u16 kArguments = 0x3e;    ///< R1..R5

struct UseDef {
  u16 use = 0;
  u16 def = 0;
};

u16 arguments_of(const Decoded& d, const Insn& insn, ProgramType type) {
  if (d.op != Op::CALL_HELPER) {
    return kArguments;
  }
  const HelperInfo* helper = find_helper(static_cast<u32>(insn.imm), type);
  u16 used = helper == nullptr ? kArguments : u16{0};
  for (unsigned i = 0; helper != nullptr && i < helper->args.size(); ++i) {
    used = static_cast<u16>(used | (is_checked(helper->args[i]) ? bit(i + 1) : 0));
  }
  return used;
}

UseDef use_def(const Decoded& d, const Insn& insn, ProgramType type) {
  const u16 dst = bit(insn.dst), src = bit(insn.src), both = dst | src;
  switch (d.form) {
    case Form::kAluImm:
      return {d.alu == AluOp::kMov ? u16{0} : dst, dst};
    case Form::kAluReg:
      return {d.alu == AluOp::kMov ? src : both, dst};
    case Form::kMovSx:
      return {src, dst};
    case Form::kNeg:
    case Form::kEnd:
      return {dst, dst};
    case Form::kJmpImm:
      return {dst, 0};
    case Form::kJmpReg:
      return {both, 0};
    case Form::kJa:
    case Form::kJa32:
      return {};
    case Form::kCall:
      return {arguments_of(d, insn, type), kCallerSaved};
    case Form::kCallx:
      return {static_cast<u16>(kArguments | dst), kCallerSaved};
    case Form::kExit:
      return {bit(0), 0};
    case Form::kLoad:
      return {src, dst};
    case Form::kStoreImm:
      return {dst, 0};
    case Form::kStoreReg:
    case Form::kAtomic:
      return {both, 0};
    case Form::kAtomicFetch:
      return d.op == Op::ATOMIC_CMPXCHG32 || d.op == Op::ATOMIC_CMPXCHG64
                 ? UseDef{static_cast<u16>(both | bit(0)), bit(0)}
                 : UseDef{both, src};
    case Form::kMayGoto:
      return {};
    case Form::kLoadAcquire:
    case Form::kAddrSpaceCast:
      return {src, dst};
    case Form::kStoreRelease:
      return {both, 0};
    case Form::kLd64:
      return {0, dst};
    case Form::kLdPacket:
      return {kAllRegisters, 0};  // so does Linux 6.18, which says nothing of these loads
  }
  return {};
}

}  // namespace

void compute_live_registers(const Program& program, Structure& structure) {
  const u32 size = static_cast<u32>(program.insns.size());
  std::vector<UseDef> effects(size);
  for (u32 at = 0; at < size; ++at) {
    if (structure.code[at].info != nullptr) {
      effects[at] = use_def(structure.code[at], program.insns[at], program.type);
      structure.slots[at].uses = effects[at].use;
    }
  }
  // Backwards over the text converges in one round per loop nest.
  for (bool changed = true; changed;) {
    changed = false;
    for (u32 at = size; at-- > 0;) {
      u16 after = 0;
      const Successors next = successors(structure, program, at);
      for (unsigned i = 0; i < next.count; ++i) {
        after = static_cast<u16>(after | structure.slots[next.at[i]].live);
      }
      const u16 before = static_cast<u16>((after & ~effects[at].def) | effects[at].use);
      changed |= before != structure.slots[at].live;
      structure.slots[at].live = before;
    }
  }
  for (u32 at = 0; at < size; ++at) {
    structure.slots[at].recorded = static_cast<u16>(structure.slots[at].recorded | effects[at].use);
    const Successors next = successors(structure, program, at);
    if (next.count == 1) {
      SlotInfo& there = structure.slots[next.at[0]];
      there.recorded = static_cast<u16>(there.recorded | (effects[at].def & there.live));
    }
  }
}

}  // namespace kiln::verifier
