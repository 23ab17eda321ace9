// SPDX-License-Identifier: Apache-2.0
#include "bpf_live.h"

#include <algorithm>

namespace kiln::lowering {
namespace {

constexpr RegMask kCalleeSaved = bit(6) | bit(7) | bit(8) | bit(9);

struct Effect {
  RegMask uses = 0, defs = 0;
};

Effect effect_of(const View& view, std::uint32_t slot) {
  const Insn& insn = view.insn(slot);
  const Op op = view.op(slot);
  const RegMask dst = bit(insn.dst), src = bit(insn.src & 0xf);
  switch (view.row(slot)->form) {
    case Form::kAluImm:
      return {op == Op::MOV64_IMM || op == Op::MOV32_IMM ? RegMask{0} : dst, dst};
    case Form::kAluReg:
      return {static_cast<RegMask>(op == Op::MOV64_REG || op == Op::MOV32_REG ? src : dst | src), dst};
    case Form::kMovSx:
    case Form::kLoad:
    case Form::kLoadAcquire:
    case Form::kAddrSpaceCast:
      return {src, dst};
    case Form::kNeg:
    case Form::kEnd:
      return {dst, dst};
    case Form::kLd64:
      return {0, dst};
    case Form::kStoreImm:
      return {dst, 0};
    case Form::kStoreReg:
    case Form::kStoreRelease:
    case Form::kAtomic:
    case Form::kJmpReg:
      return {static_cast<RegMask>(dst | src), 0};
    case Form::kAtomicFetch: {
      const bool compares = op == Op::ATOMIC_CMPXCHG32 || op == Op::ATOMIC_CMPXCHG64;
      return {static_cast<RegMask>(dst | src | (compares ? bit(0) : 0)), compares ? bit(0) : src};
    }
    case Form::kJmpImm:
      return {dst, 0};
    case Form::kLdPacket:
      return {static_cast<RegMask>(bit(6) | src), kCallerSaved};
    case Form::kCall:
      return {op == Op::CALL_LOCAL ? RegMask{0} : kArguments, kCallerSaved};
    case Form::kCallx:
      return {static_cast<RegMask>(kArguments | dst), kCallerSaved};
    case Form::kExit:
      return {bit(0), 0};
    default:
      return {};
  }
}

}  // namespace

std::vector<RegMask> bpf_live(const View& view) {
  std::vector<RegMask> in(view.slots(), 0);
  for (bool changed = true; changed;) {
    changed = false;
    for (std::uint32_t slot = view.slots(); slot-- > 0;) {
      if (view.row(slot) == nullptr || view.dead(slot)) {
        continue;
      }
      const Form form = view.row(slot)->form;
      RegMask after = 0;
      if (form == Form::kJa || form == Form::kJa32 || form == Form::kMayGoto || is_conditional(*view.row(slot))) {
        after = static_cast<RegMask>(after | in[view.target(slot)]);
      }
      if (form != Form::kExit && form != Form::kJa && form != Form::kJa32) {
        after = static_cast<RegMask>(after | in[view.next(slot)]);
      }
      const Effect effect = effect_of(view, slot);
      RegMask before = static_cast<RegMask>((after & ~effect.defs) | effect.uses);
      if (view.op(slot) == Op::CALL_LOCAL) {
        before = static_cast<RegMask>(before | (in[view.target(slot)] & kArguments));
      }
      changed |= before != in[slot];
      in[slot] = before;
    }
  }
  return in;
}

namespace {

class Settler {
 public:
  Settler(const View& view, Steps& steps, const std::vector<RegMask>& live)
      : view_(view), steps_(steps), live_(live), hands_over_(view.functions().size(), false) {}

  void run() {
    find_reached();
    find_functions();
    for (std::uint32_t slot = 0; slot < view_.slots(); ++slot) {
      Step& step = steps_.at[slot];
      if (step.kind == Step::Kind::kCall && hands_over_[view_.function_of(step.callee)]) {
        step.uses = static_cast<RegMask>(step.uses | (live_[view_.next(slot)] & kCalleeSaved) | bit(kFramePointer));
        step.reads_any_stack = true;
      }
    }
  }

 private:
  void find_reached() {
    std::vector<bool> reached(view_.slots(), false);
    std::vector<std::uint32_t> work = {0};
    while (!work.empty()) {
      const std::uint32_t slot = work.back();
      work.pop_back();
      if (slot >= view_.slots() || reached[slot] || !steps_.at[slot].reachable) {
        continue;
      }
      reached[slot] = true;
      const Step& step = steps_.at[slot];
      const Form form = view_.row(slot)->form;
      if (step.kind == Step::Kind::kHandover || form == Form::kExit) {
        continue;
      }
      if (step.kind == Step::Kind::kCall) {
        work.push_back(step.callee);
      }
      const bool jumps = form == Form::kJa || form == Form::kJa32;
      if (jumps || (is_conditional(*view_.row(slot)) && step.ways.taken)) {
        work.push_back(view_.target(slot));
      }
      if (!jumps && (!is_conditional(*view_.row(slot)) || step.ways.falls)) {
        work.push_back(view_.next(slot));
      }
    }
    for (std::uint32_t slot = 0; slot < view_.slots(); ++slot) {
      if (!reached[slot]) {
        steps_.at[slot] = Step{};
      }
    }
  }

  /// Functions with a hand-over, and those that call one. Where a tail call from a function goes may hand
  /// over as well.
  void find_functions() {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::uint32_t slot = 0; slot < view_.slots(); ++slot) {
        const Step& step = steps_.at[slot];
        const std::uint32_t function = view_.function_of(slot);
        const bool may = step.kind == Step::Kind::kHandover || step.bpf_live != 0 ||
                         (step.kind == Step::Kind::kHelper && steps_.plan(slot).helper == Helper::tail_call) ||
                         (step.kind == Step::Kind::kCall && hands_over_[view_.function_of(step.callee)]);
        if (may && !hands_over_[function]) {
          hands_over_[function] = changed = true;
        }
      }
    }
  }

  const View& view_;
  Steps& steps_;
  const std::vector<RegMask>& live_;
  std::vector<bool> hands_over_;
};

}  // namespace

void settle_handovers(const View& view, Steps& steps, const std::vector<RegMask>& live) {
  Settler(view, steps, live).run();
}

}  // namespace kiln::lowering
