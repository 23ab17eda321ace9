// SPDX-License-Identifier: Apache-2.0
#include "allocate.h"

#include <algorithm>
#include <bit>

namespace kiln {

using ir::BlockId;
using ir::Id;
using ir::kNone;
using ir::Node;
using IrOp = ir::Op;

bool has_result(const Node& node) {
  return node.op != IrOp::kStore && node.op != IrOp::kConst && (node.op != IrOp::kAtomic || node.fetches);
}

namespace {

// An instruction at position p: operands are read at p, clobbers happen at p + 1, the result is there from p + 2.
constexpr std::uint32_t kStep = 4, kClobber = 1, kResult = 2;
constexpr double kLoopFactor = 10;
constexpr std::uint32_t kLong = 32 * kStep;  // an interval that is placed before the short ones

struct Range {
  std::uint32_t start = 0, end = 0;  ///< positions, end exclusive
  std::uint32_t next = kNone;
};

struct Hint {
  std::uint32_t other = kNone;  ///< an interval
  int reg = -1;
  std::uint32_t next = kNone;
};

class Allocator {
 public:
  Allocator(ir::Function& f, Id machine, const std::vector<bool>& folded, const RegisterFile& registers)
      : f_(f), machine_(machine), folded_(folded), registers_(registers), leader_(f.nodes.size()), head_(f.nodes.size(), kNone), hints_of_(f.nodes.size(), kNone), cost_(f.nodes.size()) {
    for (Id id = 0; id < leader_.size(); ++id) {
      leader_[id] = id;
    }
    result_.reg.assign(f.nodes.size(), -1);
    result_.slot.assign(f.nodes.size(), -1);
  }

  Allocation run() {
    number();
    find_live();
    build_ranges();
    coalesce();
    add_hints();
    assign();
    for (Id id = 0; id < leader_.size(); ++id) {
      const Id leader = find(id);
      if (leader != id) {
        result_.reg[id] = result_.reg[leader];
        result_.slot[id] = result_.slot[leader];
      }
    }
    return std::move(result_);
  }

 private:
  bool lives(Id id) const { return !f_.is_constant(id); }

  /// Operands as the emitted instruction reads them; those of folded loads are read by their user.
  template <typename Visit>
  void for_uses(Id id, Visit&& visit) {
    Node& n = f_.nodes[id];
    const Constraints c = registers_.constraints(n);
    for (unsigned i = 0; i < 3; ++i) {
      if (n.in[i] != kNone) {
        use(n.in[i], (c.late >> i & 1) != 0, visit);
      }
    }
    if (n.op != IrOp::kPhi) {
      for (const Id in : f_.list(id)) {
        use(in, false, visit);
      }
      const bool tail = n.op == IrOp::kTailCall;  // the program that is gone to takes machine and R10 over
      if (n.op == IrOp::kCall || n.op == IrOp::kCallLocal || tail) {
        visit(machine_, tail);
      }
      if (tail) {
        visit(f_.frame, true);
      }
    }
  }
  template <typename Visit>
  void use(Id id, bool late, Visit&& visit) {
    if (folded_[id]) {
      for (const Id in : f_.nodes[id].in) {
        if (in != kNone) {
          use(in, true, visit);  // the result may be written before the load
        }
      }
    } else if (lives(id)) {
      visit(id, late);
    }
  }

  void number() {
    start_.assign(f_.blocks.size(), 0);
    end_.assign(f_.blocks.size(), 0);
    std::uint32_t at = 0;
    for (const BlockId block : f_.order) {
      start_[block] = at;
      at += kStep * static_cast<std::uint32_t>(f_.blocks[block].nodes.size() + 1);
      end_[block] = at;
    }
    positions_ = at;
  }

  // ---- liveness: values that are live between blocks get a bit each ------------------------------

  void find_live() {
    std::vector<std::uint32_t> bit(f_.nodes.size(), kNone);
    std::vector<BlockId> home(f_.nodes.size(), 0);
    for (const BlockId block : f_.order) {
      for (const Id id : f_.blocks[block].nodes) {
        home[id] = block;
      }
    }
    const auto make_global = [&](Id id) {
      if (bit[id] == kNone) {
        bit[id] = static_cast<std::uint32_t>(globals_.size());
        globals_.push_back(id);
      }
    };
    for (const BlockId block : f_.order) {
      const auto note = [&](Id id, bool) {
        if (home[id] != block || f_.nodes[id].block == kNone) {
          make_global(id);
        }
      };
      for (const Id id : f_.blocks[block].nodes) {
        if (f_.nodes[id].op == IrOp::kPhi) {
          for (std::size_t i = 0; i < f_.blocks[block].preds.size(); ++i) {
            if (lives(f_.list(id)[i])) {
              make_global(f_.list(id)[i]);
            }
          }
        } else if (!folded_[id]) {
          for_uses(id, note);
        }
      }
      ir::for_operands(f_.blocks[block].end, [&](Id& id) { use(id, false, note); });
    }
    words_ = (globals_.size() + 63) / 64;
    out_.assign(f_.blocks.size() * words_, 0);
    std::vector<std::uint64_t> in(out_), gen(out_), kill(out_);
    const auto set = [&](std::vector<std::uint64_t>& sets, BlockId block, Id id) {
      sets[block * words_ + bit[id] / 64] |= std::uint64_t{1} << (bit[id] % 64);
    };
    const auto has = [&](const std::vector<std::uint64_t>& sets, BlockId block, Id id) {
      return (sets[block * words_ + bit[id] / 64] >> (bit[id] % 64) & 1) != 0;
    };
    std::vector<std::uint64_t> phi_out(out_);
    for (const BlockId block : f_.order) {
      const auto note = [&](Id id, bool) {
        if (bit[id] != kNone && !has(kill, block, id)) {
          set(gen, block, id);
        }
      };
      for (const Id id : f_.blocks[block].nodes) {
        if (f_.nodes[id].op == IrOp::kPhi) {
          for (std::size_t i = 0; i < f_.blocks[block].preds.size(); ++i) {
            if (lives(f_.list(id)[i])) {
              set(phi_out, f_.blocks[block].preds[i], f_.list(id)[i]);
            }
          }
        } else if (!folded_[id]) {
          for_uses(id, note);
        }
        if (bit[id] != kNone) {
          set(kill, block, id);
        }
      }
      ir::for_operands(f_.blocks[block].end, [&](Id& id) { use(id, false, note); });
    }
    std::vector<BlockId> order = ir::reverse_postorder(f_);
    std::reverse(order.begin(), order.end());
    for (bool changed = true; changed;) {
      changed = false;
      for (const BlockId block : order) {
        const ir::Terminator& end = f_.blocks[block].end;
        for (std::size_t w = 0; w < words_; ++w) {
          std::uint64_t out = phi_out[block * words_ + w];
          for (unsigned i = 0; i < end.targets(); ++i) {
            out |= in[end.to[i] * words_ + w];
          }
          out_[block * words_ + w] = out;
          const std::uint64_t now = gen[block * words_ + w] | (out & ~kill[block * words_ + w]);
          changed |= now != in[block * words_ + w];
          in[block * words_ + w] = now;
        }
      }
    }
  }

  // ---- ranges ------------------------------------------------------------------------------------

  void add_range(Id id, std::uint32_t start, std::uint32_t end) {
    if (head_[id] != kNone && ranges_[head_[id]].start <= end) {
      Range& head = ranges_[head_[id]];
      head.start = std::min(head.start, start);
      head.end = std::max(head.end, end);
      return;
    }
    ranges_.push_back({start, end, head_[id]});
    head_[id] = static_cast<std::uint32_t>(ranges_.size() - 1);
  }

  void build_ranges() {
    for (auto at = f_.order.rbegin(); at != f_.order.rend(); ++at) {
      const BlockId block = *at;
      double frequency = 1;
      for (std::uint32_t i = 0; i < std::min(f_.blocks[block].loop_depth, 6u); ++i) {
        frequency *= kLoopFactor;
      }
      for (std::size_t w = 0; w < words_; ++w) {
        for (std::uint64_t bits = out_[block * words_ + w]; bits != 0; bits &= bits - 1) {
          add_range(globals_[64 * w + static_cast<std::size_t>(std::countr_zero(bits))], start_[block], end_[block]);
        }
      }
      std::uint32_t position = end_[block] - kStep;
      const auto note = [&](Id id, bool late) {
        add_range(id, start_[block], position + (late ? kResult + 1 : 1));
        cost_[id] += frequency;
      };
      ir::for_operands(f_.blocks[block].end, [&](Id& id) { use(id, false, note); });
      const auto& nodes = f_.blocks[block].nodes;
      for (std::size_t i = nodes.size(); i-- > 0;) {
        position -= kStep;
        const Id id = nodes[i];
        if (folded_[id]) {
          continue;
        }
        cost_[id] += frequency;
        if (f_.nodes[id].op == IrOp::kPhi) {
          continue;
        }
        if (head_[id] != kNone && ranges_[head_[id]].start == start_[block]) {
          ranges_[head_[id]].start = position + kResult;
        }
        for_uses(id, note);
        if (const RegisterSet clobbers = registers_.constraints(f_.nodes[id]).clobbers; clobbers != 0) {
          clobbers_.emplace_back(position + kClobber, clobbers);
        }
      }
    }
  }

  // ---- intervals that become one -----------------------------------------------------------------

  Id find(Id id) {
    while (leader_[id] != id) {
      id = leader_[id] = leader_[leader_[id]];
    }
    return id;
  }

  bool intersect(Id a, Id b) const {
    std::uint32_t x = head_[a], y = head_[b];
    while (x != kNone && y != kNone) {
      const Range &p = ranges_[x], &q = ranges_[y];
      if (p.start < q.end && q.start < p.end) {
        return true;
      }
      (p.end <= q.start ? x : y) = p.end <= q.start ? p.next : q.next;
    }
    return false;
  }

  void join(Id a, Id b) {
    std::uint32_t x = head_[a], y = head_[b], last = kNone, first = kNone;
    while (x != kNone || y != kNone) {
      std::uint32_t& from = y == kNone || (x != kNone && ranges_[x].start < ranges_[y].start) ? x : y;
      const std::uint32_t at = from;
      from = ranges_[at].next;
      if (last != kNone && ranges_[last].end == ranges_[at].start) {
        ranges_[last].end = ranges_[at].end;
        continue;
      }
      (last == kNone ? first : ranges_[last].next) = at;
      last = at;
    }
    if (last != kNone) {
      ranges_[last].next = kNone;
    }
    head_[a] = first;
    cost_[a] += cost_[b];
    leader_[b] = a;
  }

  void coalesce() {
    std::vector<BlockId> order(f_.order);
    std::stable_sort(order.begin(), order.end(), [this](BlockId a, BlockId b) { return f_.blocks[a].loop_depth > f_.blocks[b].loop_depth; });
    for (const BlockId block : order) {
      for (const Id id : f_.blocks[block].nodes) {
        if (f_.nodes[id].op != IrOp::kPhi) {
          break;
        }
        for (const Id in : f_.list(id)) {
          if (!lives(in)) {
            continue;
          }
          const Id a = find(id), b = find(in);
          if (a != b && !intersect(a, b)) {
            join(a, b);
          }
        }
      }
    }
  }

  // ---- hints -------------------------------------------------------------------------------------

  void hint(Id at, Hint hint) {
    hint.next = hints_of_[at];
    hints_of_[at] = static_cast<std::uint32_t>(hints_.size());
    hints_.push_back(hint);
  }
  void hint_pair(Id a, Id b) {
    if (lives(a) && lives(b) && find(a) != find(b)) {
      hint(find(a), {.other = find(b)});
      hint(find(b), {.other = find(a)});
    }
  }
  void hint_reg(Id id, unsigned reg) {
    if (lives(id)) {
      hint(find(id), {.reg = static_cast<int>(reg)});
    }
  }

  void add_hints() {
    for (Id id = 0; id < f_.nodes.size(); ++id) {
      const Node& n = f_.nodes[id];
      if (n.op == IrOp::kArgument && head_[id] != kNone) {
        hint_reg(id, id == machine_ ? registers_.machine : registers_.arguments[n.imm - 1]);
      } else if (n.op == IrOp::kFrame && head_[id] != kNone) {
        hint_reg(id, registers_.frame);
      }
    }
    for (auto at = f_.order.rbegin(); at != f_.order.rend(); ++at) {
      for (const Id id : f_.blocks[*at].nodes) {
        const Node& n = f_.nodes[id];
        const Constraints c = registers_.constraints(n);
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
        } else if (n.op == IrOp::kCall || n.op == IrOp::kTailCall || n.op == IrOp::kCallLocal) {
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

  RegisterSet busy_over(Id id, const std::vector<RegisterSet>& busy) const {
    RegisterSet all = 0;
    for (std::uint32_t r = head_[id]; r != kNone; r = ranges_[r].next) {
      for (std::uint32_t at = ranges_[r].start; at < ranges_[r].end; ++at) {
        all |= busy[at];
      }
    }
    return all;
  }
  void mark(Id id, unsigned reg, bool on) {
    for (std::uint32_t r = head_[id]; r != kNone; r = ranges_[r].next) {
      for (std::uint32_t at = ranges_[r].start; at < ranges_[r].end; ++at) {
        busy_[at] = on ? busy_[at] | register_bit(reg) : busy_[at] & ~register_bit(reg);
      }
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
    busy_.assign(positions_ + kStep, 0);
    for (const auto& [at, set] : clobbers_) {
      busy_[at] |= set;
    }
    const std::vector<RegisterSet> fixed(busy_);
    std::vector<Interval> queue;
    for (Id id = 0; id < leader_.size(); ++id) {
      if (leader_[id] != id || head_[id] == kNone) {
        continue;
      }
      Interval interval{.id = id, .start = ranges_[head_[id]].start};
      for (std::uint32_t r = head_[id]; r != kNone; r = ranges_[r].next) {
        interval.length += ranges_[r].end - ranges_[r].start;
      }
      interval.is_global = ranges_[head_[id]].next != kNone || interval.length > kLong;
      queue.push_back(interval);
    }
    std::sort(queue.begin(), queue.end(), [](const Interval& a, const Interval& b) {
      if (a.is_global != b.is_global) {
        return a.is_global;
      }
      return a.is_global && a.length != b.length ? a.length > b.length : a.start != b.start ? a.start < b.start : a.id < b.id;
    });
    for (std::size_t next = 0; next < queue.size(); ++next) {
      const Interval now = queue[next];
      const RegisterSet free = registers_.allocatable & ~busy_over(now.id, busy_);
      if (free != 0) {
        take(now.id, choose(now.id, free));
        continue;
      }
      const int reg = make_room(now.id, fixed, queue);
      if (reg >= 0) {
        take(now.id, static_cast<unsigned>(reg));
      } else {
        result_.slot[now.id] = static_cast<std::int32_t>(result_.slots++);
      }
    }
  }

  /// Frees the register whose owners cost least, if that is less than this one does. They queue again.
  int make_room(Id id, const std::vector<RegisterSet>& fixed, std::vector<Interval>& queue) {
    const RegisterSet possible = registers_.allocatable & ~busy_over(id, fixed);
    int best = -1;
    double least = cost_[id];
    for (unsigned reg = 0; reg < owners_.size(); ++reg) {
      if ((possible >> reg & 1) == 0) {
        continue;
      }
      double cost = 0;
      for (const Id owner : owners_[reg]) {
        cost += intersect(owner, id) ? cost_[owner] : 0;
      }
      if (cost < least) {
        least = cost;
        best = static_cast<int>(reg);
      }
    }
    if (best < 0) {
      return -1;
    }
    std::vector<Id>& owners = owners_[static_cast<std::size_t>(best)];
    std::erase_if(owners, [&](Id owner) {
      if (!intersect(owner, id)) {
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
  const std::vector<bool>& folded_;
  const RegisterFile& registers_;
  std::vector<Id> leader_;
  std::vector<std::uint32_t> head_, hints_of_;
  std::vector<double> cost_;
  std::vector<Range> ranges_;
  std::vector<Hint> hints_;
  std::vector<std::uint32_t> start_, end_;
  std::uint32_t positions_ = 0;
  std::vector<Id> globals_;
  std::size_t words_ = 0;
  std::vector<std::uint64_t> out_;
  std::vector<std::pair<std::uint32_t, RegisterSet>> clobbers_;
  std::vector<RegisterSet> busy_;
  std::array<std::vector<Id>, 32> owners_;
  Allocation result_;
};

}  // namespace

Allocation allocate(ir::Function& f, Id machine, const std::vector<bool>& folded, const RegisterFile& registers) {
  return Allocator(f, machine, folded, registers).run();
}

}  // namespace kiln
