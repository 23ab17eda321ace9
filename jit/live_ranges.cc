// SPDX-License-Identifier: Apache-2.0
#include "live_ranges.h"

#include <algorithm>
#include <bit>

namespace kiln {

using ir::BlockId;
using ir::Id;
using ir::kNone;
using ir::Node;
using IrOp = ir::Op;

namespace {

constexpr double kLoopFactor = 10;
constexpr std::uint32_t kMostDepth = 6;  // of loops that count

}  // namespace

LiveRanges::LiveRanges(ir::Function& f, Id machine, const ir::List<bool>& folded, const RegisterFile& registers)
    : f_(f), machine_(machine), folded_(folded), registers_(registers), leader_(f.nodes.size()), head_(f.nodes.size(), kNone), cost_(f.nodes.size()) {
  for (Id id = 0; id < leader_.size(); ++id) {
    leader_[id] = id;
  }
  number();
  find_live();
  build_ranges();
}

/// Operands as the emitted instruction reads them; those of folded loads are read by their user.
template <typename Visit>
void LiveRanges::for_uses(Id id, Visit&& visit) {
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
    if (ir::is_call(n.op)) {
      visit(machine_, tail);
    }
    if (tail) {
      visit(f_.frame, true);
    }
  }
}
template <typename Visit>
void LiveRanges::use(Id id, bool late, Visit&& visit) {
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

void LiveRanges::number() {
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

// Values that are live between blocks get a bit each.
void LiveRanges::find_live() {
  ir::List<std::uint32_t> bit(f_.nodes.size(), kNone);
  ir::List<BlockId> home(f_.nodes.size(), 0);
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
  ir::List<std::uint64_t> in(out_), gen(out_), kill(out_);
  const auto set = [&](ir::List<std::uint64_t>& sets, BlockId block, Id id) {
    sets[block * words_ + bit[id] / 64] |= std::uint64_t{1} << (bit[id] % 64);
  };
  const auto has = [&](const ir::List<std::uint64_t>& sets, BlockId block, Id id) {
    return (sets[block * words_ + bit[id] / 64] >> (bit[id] % 64) & 1) != 0;
  };
  ir::List<std::uint64_t> phi_out(out_);
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
  ir::List<BlockId> order = ir::reverse_postorder(f_);
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

void LiveRanges::add_range(Id id, std::uint32_t start, std::uint32_t end) {
  if (head_[id] != kNone && ranges_[head_[id]].start <= end) {
    Range& head = ranges_[head_[id]];
    head.start = std::min(head.start, start);
    head.end = std::max(head.end, end);
    return;
  }
  ranges_.push_back({start, end, head_[id]});
  head_[id] = static_cast<std::uint32_t>(ranges_.size() - 1);
}

void LiveRanges::build_ranges() {
  for (auto at = f_.order.rbegin(); at != f_.order.rend(); ++at) {
    const BlockId block = *at;
    double frequency = 1;
    for (std::uint32_t i = 0; i < std::min(f_.blocks[block].loop_depth, kMostDepth); ++i) {
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

bool LiveRanges::intersect(Id a, Id b) const {
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

void LiveRanges::join(Id a, Id b) {
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

void LiveRanges::join_phis() {
  ir::List<BlockId> order(f_.order);
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
        const Id a = leader(id), b = leader(in);
        if (a != b && !intersect(a, b)) {
          join(a, b);
        }
      }
    }
  }
}

}  // namespace kiln
