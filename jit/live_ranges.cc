// SPDX-License-Identifier: Apache-2.0
#include "live_ranges.h"

#include <algorithm>

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
    : f_(f), machine_(machine), folded_(folded), registers_(registers), constraints_(f.nodes.size()), leader_(f.nodes.size()), head_(f.nodes.size(), kNone), cost_(f.nodes.size()) {
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
  const Constraints& c = constraints_[id];
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
    for (const Id id : f_.blocks[block].nodes) {
      constraints_[id] = registers_.constraints(f_.nodes[id]);
    }
    at += kStep * static_cast<std::uint32_t>(f_.blocks[block].nodes.size() + 1);
    end_[block] = at;
  }
  positions_ = at;
}

// From each use up to where the value is made, block by block, each once for a value.
void LiveRanges::find_live() {
  live_out_.assign(f_.blocks.size(), kNone);
  row_.assign(f_.nodes.size(), kNone);
  for (const BlockId block : f_.order) {
    const auto note = [&](Id id, bool) {
      if (f_.nodes[id].block != block) {
        live_in(id, block);
      }
    };
    for (const Id id : f_.blocks[block].nodes) {
      if (f_.nodes[id].op == IrOp::kPhi) {
        for (std::size_t i = 0; i < f_.blocks[block].preds.size(); ++i) {
          if (const Id in = f_.list(id)[i]; lives(in)) {
            const BlockId pred = f_.blocks[block].preds[i];
            live_out(in, pred);
            go_up(in);
          }
        }
      } else if (!folded_[id]) {
        for_uses(id, note);
      }
    }
    ir::for_operands(f_.blocks[block].end, [&](Id& id) { use(id, false, note); });
  }
}

void LiveRanges::live_in(Id id, BlockId block) {
  way_.push_back(block);
  go_up(id);
}

void LiveRanges::go_up(Id id) {
  while (!way_.empty()) {
    const BlockId at = way_.back();
    way_.pop_back();
    for (const BlockId pred : f_.blocks[at].preds) {
      live_out(id, pred);
    }
  }
}

/// At the end of the block; if it isn't made there, its predecessors are to follow.
void LiveRanges::live_out(Id id, BlockId block) {
  if (row_[id] == kNone) {
    row_[id] = static_cast<std::uint32_t>(bits_.size());
    bits_.resize(bits_.size() + (f_.blocks.size() + 63) / 64);
  }
  std::uint64_t& word = bits_[row_[id] + block / 64];
  const std::uint64_t bit = std::uint64_t{1} << (block % 64);
  if ((word & bit) != 0) {
    return;
  }
  word |= bit;
  live_.push_back({id, live_out_[block]});
  live_out_[block] = static_cast<std::uint32_t>(live_.size() - 1);
  if (f_.nodes[id].block != block) {
    way_.push_back(block);
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
    for (std::uint32_t at_end = live_out_[block]; at_end != kNone; at_end = live_[at_end].next) {
      add_range(live_[at_end].id, start_[block], end_[block]);
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
      if (const RegisterSet clobbers = constraints_[id].clobbers; clobbers != 0) {
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
