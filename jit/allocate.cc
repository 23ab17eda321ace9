// SPDX-License-Identifier: Apache-2.0
#include "allocate.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "live_ranges.h"

namespace kiln {

using ir::BlockId;
using ir::Id;
using ir::kNone;
using ir::Node;
using IrOp = ir::Op;

bool has_result(const Node& node) {
  return node.op != IrOp::kStore && node.op != IrOp::kStoreRelease && node.op != IrOp::kConst && (node.op != IrOp::kAtomic || node.fetches);
}

namespace {

constexpr std::uint32_t kLong = 32 * kStep;  // an interval that is placed before the short ones

/// Where a value would best be: where another is, or in a register.
struct Hint {
  std::uint32_t other = kNone;
  int reg = -1;
  std::uint32_t next = kNone;
};

/// Which registers are taken, by position. What takes a whole group of positions is written down once for the group.
class Taken {
 public:
  explicit Taken(std::uint32_t positions)
      : at_(positions + kGroup), all_((positions + kGroup) / kGroup), any_((positions + kGroup) / kGroup) {}

  /// At any position of [start, end).
  RegisterSet over(std::uint32_t start, std::uint32_t end) const {
    RegisterSet found = 0;
    while (start < end) {
      const std::uint32_t group = start / kGroup;
      if (start % kGroup == 0 && end - start >= kGroup) {
        found |= any_[group];
        start += kGroup;
        continue;
      }
      found |= all_[group];
      for (const std::uint32_t stop = std::min(end, (group + 1) * kGroup); start < stop; ++start) {
        found |= at_[start];
      }
    }
    return found;
  }
  void take(std::uint32_t start, std::uint32_t end, RegisterSet set) {
    for_groups(start, end, [&](std::uint32_t group, std::uint32_t from, std::uint32_t to) {
      any_[group] |= set;
      all_[group] |= to - from == kGroup ? set : 0;
      for (; to - from < kGroup && from < to; ++from) {
        at_[from] |= set;
      }
    });
  }
  /// REQUIRES: it was taken for exactly that.
  void give_back(std::uint32_t start, std::uint32_t end, RegisterSet set) {
    for_groups(start, end, [&](std::uint32_t group, std::uint32_t from, std::uint32_t to) {
      all_[group] &= to - from == kGroup ? ~set : ~RegisterSet{0};
      for (; to - from < kGroup && from < to; ++from) {
        at_[from] &= ~set;
      }
      any_[group] = all_[group];
      for (std::uint32_t at = group * kGroup; at < (group + 1) * kGroup; ++at) {
        any_[group] |= at_[at];
      }
    });
  }

 private:
  static constexpr std::uint32_t kGroup = 16;
  template <typename Visit>
  static void for_groups(std::uint32_t start, std::uint32_t end, Visit&& visit) {
    while (start < end) {
      const std::uint32_t stop = std::min(end, (start / kGroup + 1) * kGroup);
      visit(start / kGroup, start, stop);
      start = stop;
    }
  }
  ir::List<RegisterSet> at_;         ///< by position: what takes part of its group
  ir::List<RegisterSet> all_, any_;  ///< by group: what takes it all; what is taken in it somewhere
};

class Allocator {
 public:
  Allocator(ir::Function& f, Id machine, const ir::List<bool>& folded, const RegisterFile& registers)
      : f_(f), machine_(machine), folded_(folded), registers_(registers), live_(f, machine, folded, registers), hints_of_(f.nodes.size(), kNone), busy_(live_.positions()) {
    result_.reg.assign(f.nodes.size(), -1);
    result_.slot.assign(f.nodes.size(), -1);
  }

  Allocation run() {
    live_.join_phis();
    add_hints();
    assign();
    for (Id id = 0; id < f_.nodes.size(); ++id) {
      const Id leader = live_.leader(id);
      if (leader != id) {
        result_.reg[id] = result_.reg[leader];
        result_.slot[id] = result_.slot[leader];
      }
    }
    return std::move(result_);
  }

 private:
  // ---- hints -------------------------------------------------------------------------------------

  void hint(Id at, Hint hint) {
    hint.next = hints_of_[at];
    hints_of_[at] = static_cast<std::uint32_t>(hints_.size());
    hints_.push_back(hint);
  }
  void hint_pair(Id a, Id b) {
    if (live_.lives(a) && live_.lives(b) && live_.leader(a) != live_.leader(b)) {
      hint(live_.leader(a), {.other = live_.leader(b)});
      hint(live_.leader(b), {.other = live_.leader(a)});
    }
  }
  void hint_reg(Id id, unsigned reg) {
    if (live_.lives(id)) {
      hint(live_.leader(id), {.reg = static_cast<int>(reg)});
    }
  }

  void add_hints() {
    for (Id id = 0; id < f_.nodes.size(); ++id) {
      const Node& n = f_.nodes[id];
      if (n.op == IrOp::kArgument && live_.head(id) != kNone) {
        hint_reg(id, id == machine_ ? registers_.machine : registers_.arguments[n.imm - 1]);
      } else if (n.op == IrOp::kFrame && live_.head(id) != kNone) {
        hint_reg(id, registers_.frame);
      }
    }
    for (auto at = f_.order.rbegin(); at != f_.order.rend(); ++at) {
      for (const Id id : f_.blocks[*at].nodes) {
        const Node& n = f_.nodes[id];
        const Constraints& c = live_.constraints(id);
        if (c.result >= 0) {
          hint_reg(id, static_cast<unsigned>(c.result));
        }
        if (c.reuses_first && !folded_[n.in[0]]) {
          hint_pair(id, n.in[0]);
        }
        if (n.op == IrOp::kPhi) {
          for (const Id in : f_.list(id)) {
            hint_pair(id, in);
          }
        } else if (ir::is_call(n.op)) {
          for (std::uint32_t i = 0; i < std::min(n.count, 5u); ++i) {
            hint_reg(f_.list(id)[i], registers_.arguments[i]);
          }
        }
      }
      if (f_.blocks[*at].end.kind == ir::Terminator::kReturn) {
        hint_reg(f_.blocks[*at].end.a, registers_.result);
      }
    }
  }

  // ---- registers ---------------------------------------------------------------------------------

  struct Interval {
    Id id = 0;
    std::uint32_t start = 0, length = 0;
    bool is_global = false;
  };

  RegisterSet busy_over(Id id, const Taken& busy) const {
    RegisterSet all = 0;
    for (std::uint32_t r = live_.head(id); r != kNone; r = live_.range(r).next) {
      all |= busy.over(live_.range(r).start, live_.range(r).end);
    }
    return all;
  }
  void mark(Id id, unsigned reg, bool on) {
    for (std::uint32_t r = live_.head(id); r != kNone; r = live_.range(r).next) {
      on ? busy_.take(live_.range(r).start, live_.range(r).end, register_bit(reg)) : busy_.give_back(live_.range(r).start, live_.range(r).end, register_bit(reg));
    }
  }

  void take(Id id, unsigned reg) {
    mark(id, reg, true);
    result_.reg[id] = static_cast<std::int8_t>(reg);
    result_.used |= register_bit(reg);
    owners_[reg].push_back(id);
  }

  unsigned choose(Id id, RegisterSet free) const {
    for (std::uint32_t h = hints_of_[id]; h != kNone; h = hints_[h].next) {
      const int reg = hints_[h].reg >= 0 ? hints_[h].reg : result_.reg[hints_[h].other];
      if (reg >= 0 && (free >> reg & 1) != 0) {
        return static_cast<unsigned>(reg);
      }
    }
    const RegisterSet cheap = free & ~registers_.preserved;
    return static_cast<unsigned>(std::countr_zero(cheap != 0 ? cheap : free));
  }

  void assign() {
    for (const auto& [at, set] : live_.clobbers()) {
      busy_.take(at, at + 1, set);
    }
    ir::List<Interval> queue;
    for (Id id = 0; id < f_.nodes.size(); ++id) {
      if (live_.leader(id) != id || live_.head(id) == kNone) {
        continue;
      }
      Interval interval{.id = id, .start = live_.range(live_.head(id)).start};
      for (std::uint32_t r = live_.head(id); r != kNone; r = live_.range(r).next) {
        interval.length += live_.range(r).end - live_.range(r).start;
      }
      interval.is_global = live_.range(live_.head(id)).next != kNone || interval.length > kLong;
      queue.push_back(interval);
    }
    // Long ones first, the longest ahead; then the others as they begin.
    const auto locals = std::stable_partition(queue.begin(), queue.end(), [](const Interval& i) { return i.is_global; });
    std::stable_sort(queue.begin(), locals, [](const Interval& a, const Interval& b) { return a.length != b.length ? a.length > b.length : a.start < b.start; });
    const auto earlier = [](const Interval& a, const Interval& b) { return a.start < b.start; };
    if (!std::is_sorted(locals, queue.end(), earlier)) {
      std::stable_sort(locals, queue.end(), earlier);
    }
    for (std::size_t next = 0; next < queue.size(); ++next) {
      const Interval now = queue[next];
      const RegisterSet free = registers_.allocatable & ~busy_over(now.id, busy_);
      if (free != 0) {
        take(now.id, choose(now.id, free));
        continue;
      }
      const int reg = make_room(now.id, queue);
      if (reg >= 0) {
        take(now.id, static_cast<unsigned>(reg));
      } else {
        result_.slot[now.id] = static_cast<std::int32_t>(result_.slots++);
      }
    }
  }

  /// Frees the register whose owners cost least, if that is less than this one does. They queue again.
  int make_room(Id id, ir::List<Interval>& queue) {
    if (!fixed_) {
      fixed_.emplace(live_.positions());
      for (const auto& [at, set] : live_.clobbers()) {
        fixed_->take(at, at + 1, set);
      }
    }
    const RegisterSet possible = registers_.allocatable & ~busy_over(id, *fixed_);
    int best = -1;
    double least = live_.cost(id);
    for (unsigned reg = 0; reg < owners_.size(); ++reg) {
      if ((possible >> reg & 1) == 0) {
        continue;
      }
      double cost = 0;
      for (const Id owner : owners_[reg]) {
        cost += live_.intersect(owner, id) ? live_.cost(owner) : 0;
      }
      if (cost < least) {
        least = cost;
        best = static_cast<int>(reg);
      }
    }
    if (best < 0) {
      return -1;
    }
    ir::List<Id>& owners = owners_[static_cast<std::size_t>(best)];
    std::erase_if(owners, [&](Id owner) {
      if (!live_.intersect(owner, id)) {
        return false;
      }
      mark(owner, static_cast<unsigned>(best), false);
      result_.reg[owner] = -1;
      queue.push_back({.id = owner});
      return true;
    });
    return best;
  }

  ir::Function& f_;
  Id machine_;
  const ir::List<bool>& folded_;
  const RegisterFile& registers_;
  LiveRanges live_;
  ir::List<std::uint32_t> hints_of_;  ///< by leader: the first
  ir::List<Hint> hints_;
  Taken busy_;
  std::optional<Taken> fixed_;  ///< what instructions overwrite; nullopt: nobody has asked yet
  std::array<ir::List<Id>, 32> owners_;  ///< by register
  Allocation result_;
};

}  // namespace

Allocation allocate(ir::Function& f, Id machine, const ir::List<bool>& folded, const RegisterFile& registers) {
  return Allocator(f, machine, folded, registers).run();
}

}  // namespace kiln
