// SPDX-License-Identifier: Apache-2.0
//
// Which registers and stack bytes are read later, backward from the exits, and what is dead because
// nothing it produces is. An instruction is presumed dead until something live needs it, so chains
// and cycles of instructions that only feed one another are all found.
#include <bitset>
#include <vector>

#include "step.h"

namespace kiln::lowering {
namespace {

using Bytes = std::bitset<address::kStackBytes>;  // bit i: byte i - 512 from R10

struct Live {
  RegMask regs = 0;
  Bytes stack;
  bool operator==(const Live&) const = default;
};

Bytes range_bits(const StackRange& range) {
  constexpr std::int64_t kBottom = -std::int64_t{address::kStackBytes};
  Bytes bits;
  for (std::int64_t at = std::max(range.from, kBottom); at < std::min<std::int64_t>(range.to, 0); ++at) {
    bits.set(static_cast<std::size_t>(at - kBottom));
  }
  return bits;
}

class Liveness {
 public:
  Liveness(const View& view, Steps& steps) : view_(view), steps_(steps), in_(view.slots()) {}

  void run() {
    for (bool changed = true; changed;) {
      changed = false;
      for (std::uint32_t slot = view_.slots(); slot-- > 0;) {
        if (!steps_.at[slot].reachable) {
          continue;
        }
        const Live before = live_before(slot);
        if (before != in_[slot]) {
          in_[slot] = before;
          changed = true;
        }
      }
    }
    for (std::uint32_t slot = 0; slot < view_.slots(); ++slot) {
      Step& step = steps_.at[slot];
      if (step.reachable) {
        step.dropped = is_dead(step, live_after(slot));
        step.live = in_[slot].regs;
      }
    }
  }

 private:
  Live live_after(std::uint32_t slot) const {
    const Step& step = steps_.at[slot];
    const InsnInfo& row = *view_.row(slot);
    Live out;
    const auto add = [&](std::uint32_t to) {
      out.regs |= in_[to].regs;
      out.stack |= in_[to].stack;
    };
    if (row.form == Form::kExit || step.kind == Step::Kind::kHandover) {
      return out;
    }
    if (row.form == Form::kJa || row.form == Form::kJa32) {
      add(view_.target(slot));
      return out;
    }
    if (is_conditional(row)) {
      if (step.ways.taken) {
        add(view_.target(slot));
      }
      if (!step.ways.falls) {
        return out;
      }
    }
    add(view_.next(slot));
    return out;
  }

  static bool is_dead(const Step& step, const Live& out) {
    if (step.pure) {
      return (step.defs & out.regs) == 0;
    }
    return step.may_drop_store && (range_bits(step.writes.front()) & out.stack).none();
  }

  Live live_before(std::uint32_t slot) const {
    const Step& step = steps_.at[slot];
    Live live = live_after(slot);
    if (step.kind == Step::Kind::kNothing || is_dead(step, live)) {
      return live;
    }
    live.regs = static_cast<RegMask>((live.regs & ~step.defs) | step.uses);
    if (step.kind == Step::Kind::kCall) {
      live.regs |= in_[step.callee].regs;  // what the callee reads is what it is given
    }
    if (step.kind == Step::Kind::kPlain) {
      for (const StackRange& range : step.writes) {
        live.stack &= ~range_bits(range);
      }
    }
    for (const StackRange& range : step.reads) {
      live.stack |= range_bits(range);
    }
    if (step.reads_any_stack) {
      live.stack.set();
    }
    return live;
  }

  const View& view_;
  Steps& steps_;
  std::vector<Live> in_;
};

}  // namespace

void find_live(const View& view, Steps& steps) { Liveness(view, steps).run(); }

}  // namespace kiln::lowering
