// SPDX-License-Identifier: Apache-2.0
//
// Loops of one block whose number of rounds is known: several rounds become one, without the tests between them.
//
// The number of rounds comes from a phi that starts at a constant, grows by a constant and is compared with a constant at the
// end. It is divided by the largest factor that leaves a body of bounded size; rounds that are left over are done first, in a
// block of their own. A short loop becomes straight code. Degenerate case: anything else stays as it is.
#include <algorithm>

#include <kiln/ir_passes.h>

#include "evaluate.h"

namespace kiln::ir {
namespace {

constexpr std::size_t kMostNodes = 96;      // of an unrolled body
constexpr std::uint64_t kMostFactor = 8;
constexpr std::uint64_t kMostRounds = 1u << 16;
constexpr std::size_t kMostGrowth = 2048;   // nodes that are made per function

/// Whether the copies of a node are worth having beside each other.
bool can_copy(Op op) { return !is_barrier(op) && op != Op::kAtomic && op != Op::kCmpxchg; }

class Unroller {
 public:
  explicit Unroller(Function& f) : f_(f) {}

  bool run() {
    for (const BlockId block : List<BlockId>(f_.order)) {
      unroll(block);
    }
    if (grown_ != 0) {
      f_.touch();
      f_.sweep();
    }
    return grown_ != 0;
  }

 private:
  struct Loop {
    BlockId block = kNone, before = kNone;
    std::size_t back = 0;     ///< index of the block itself among its predecessors
    unsigned out = 0;         ///< index of the exit among the terminator's targets
    std::uint64_t rounds = 0;
    List<Id> phis, body;
  };

  void unroll(BlockId block) {
    Loop loop;
    if (!find(block, loop)) {
      return;
    }
    const std::size_t size = loop.body.size() + 1;
    const std::uint64_t room = std::min<std::uint64_t>(kMostNodes / size, kMostFactor);
    if (loop.rounds < 2 || room < 2 || grown_ > kMostGrowth) {
      return;
    }
    if (loop.rounds <= room) {
      straighten(loop);
      return;
    }
    std::uint64_t factor = room;
    while (factor > 2 && loop.rounds % factor != 0) {
      --factor;
    }
    if (loop.rounds % factor != 0) {
      factor = room;
    }
    if (loop.rounds % factor != 0) {
      peel(loop, loop.rounds % factor);
    }
    repeat(loop, factor);
  }

  bool find(BlockId block, Loop& loop) {
    const Block& b = f_.blocks[block];
    if (b.end.kind != Terminator::kBranch || b.preds.size() != 2 || (b.end.to[0] == block) == (b.end.to[1] == block)) {
      return false;
    }
    loop.block = block;
    loop.back = b.preds[0] == block ? 0 : 1;
    loop.before = b.preds[1 - loop.back];
    loop.out = b.end.to[0] == block ? 1 : 0;
    for (const Id id : b.nodes) {
      if (!can_copy(f_.nodes[id].op)) {
        return false;
      }
      (f_.nodes[id].op == Op::kPhi ? loop.phis : loop.body).push_back(id);
    }
    loop.rounds = count(loop);
    return loop.rounds != 0;
  }

  /// How often the block runs; 0: who knows.
  std::uint64_t count(const Loop& loop) {
    const Terminator& end = f_.blocks[loop.block].end;
    if (!f_.is_constant(end.b)) {
      return 0;
    }
    // What is compared is the phi, or what it is the next round.
    const Id compared = end.a;
    for (const Id phi : loop.phis) {
      const Id next = f_.list(phi)[loop.back], start = f_.list(phi)[1 - loop.back];
      const Node& step = f_.nodes[next];
      if ((compared != phi && compared != next) || !f_.is_constant(start) || step.op != Op::kAdd || step.in[0] != phi || !f_.is_constant(step.in[1])) {
        continue;
      }
      std::uint64_t value = f_.value(start);
      const std::uint64_t mask = step.bits == 32 ? 0xffff'ffff : ~std::uint64_t{0};
      for (std::uint64_t rounds = 1; rounds <= kMostRounds; ++rounds) {
        const std::uint64_t after = (value + f_.value(step.in[1])) & mask;
        const bool goes_on = evaluate(end.cond, end.bits, compared == phi ? value : after, f_.value(end.b)) == (loop.out == 1);
        if (!goes_on) {
          return rounds;
        }
        value = after;
      }
    }
    return 0;
  }

  /// Appends a copy of the body to `to`. \param values  of the phis at its start; at its end on return.
  /// \return what stands for each node of the body.
  List<Id> copy(const Loop& loop, BlockId to, List<Id>& values) {
    List<Id> made;
    const auto now = [&](Id id) {
      for (std::size_t i = 0; i < loop.phis.size(); ++i) {
        if (loop.phis[i] == id) {
          return values[i];
        }
      }
      const auto at = std::find(loop.body.begin(), loop.body.end(), id);
      return at != loop.body.end() && static_cast<std::size_t>(at - loop.body.begin()) < made.size() ? made[static_cast<std::size_t>(at - loop.body.begin())] : id;
    };
    for (const Id id : loop.body) {
      const Node node = f_.nodes[id];
      const Id twin = f_.add(to, node);
      change_operands(f_, twin, now);
      made.push_back(twin);
      ++grown_;
    }
    List<Id> next;
    for (const Id phi : loop.phis) {
      next.push_back(now(f_.list(phi)[loop.back]));
    }
    values = std::move(next);
    return made;
  }

  List<Id> start_values(const Loop& loop) {
    List<Id> values;
    for (const Id phi : loop.phis) {
      values.push_back(f_.list(phi)[1 - loop.back]);
    }
    return values;
  }

  /// A block between what is before the loop and the loop.
  BlockId insert_before(Loop& loop) {
    const auto block = static_cast<BlockId>(f_.blocks.size());
    f_.blocks.emplace_back();
    Block& made = f_.blocks[block];
    made.preds = {loop.before};
    made.end = {.kind = Terminator::kJump, .to = {loop.block, kNone}, .slot = f_.blocks[loop.block].end.slot};
    for (BlockId& to : f_.blocks[loop.before].end.to) {
      to = to == loop.block ? block : to;
    }
    f_.replace_pred(loop.block, loop.before, block);
    f_.order.insert(std::find(f_.order.begin(), f_.order.end(), loop.block), block);
    loop.before = block;
    return block;
  }

  void peel(Loop& loop, std::uint64_t rounds) {
    const BlockId block = insert_before(loop);
    List<Id> values = start_values(loop);
    for (std::uint64_t i = 0; i < rounds; ++i) {
      copy(loop, block, values);
    }
    for (std::size_t i = 0; i < loop.phis.size(); ++i) {
      f_.list(loop.phis[i])[1 - loop.back] = values[i];
    }
  }

  /// All but the last round before the block, which then is no loop.
  void straighten(Loop& loop) {
    peel(loop, loop.rounds - 1);
    Terminator& end = f_.blocks[loop.block].end;
    end = {.kind = Terminator::kJump, .to = {end.to[loop.out], kNone}, .slot = end.slot};
    f_.remove_pred(loop.block, loop.block);
  }

  /// The block's own nodes are the last of `factor` rounds, so that what is used after the loop stays right.
  void repeat(const Loop& loop, std::uint64_t factor) {
    Block& b = f_.blocks[loop.block];
    b.nodes = loop.phis;
    List<Id> values = loop.phis;
    for (std::uint64_t i = 0; i + 1 < factor; ++i) {
      copy(loop, loop.block, values);
    }
    const auto now = [&](Id id) {
      const auto at = std::find(loop.phis.begin(), loop.phis.end(), id);
      return at == loop.phis.end() ? id : values[static_cast<std::size_t>(at - loop.phis.begin())];
    };
    for (const Id id : loop.body) {
      change_operands(f_, id, now);
      f_.blocks[loop.block].nodes.push_back(id);
    }
    List<Id> back;
    for (const Id phi : loop.phis) {
      back.push_back(now(f_.list(phi)[loop.back]));
    }
    for (std::size_t i = 0; i < loop.phis.size(); ++i) {
      f_.list(loop.phis[i])[loop.back] = back[i];
    }
    for_operands(f_.blocks[loop.block].end, [&](Id& id) { id = now(id); });
    replace_after(loop, values);
  }

  /// A phi that is used after the loop means its value in the last round.
  void replace_after(const Loop& loop, const List<Id>& values) {
    const auto now = [&](Id id) {
      const auto at = std::find(loop.phis.begin(), loop.phis.end(), id);
      return at == loop.phis.end() ? id : values[static_cast<std::size_t>(at - loop.phis.begin())];
    };
    for (const BlockId block : f_.order) {
      if (block == loop.block) {
        continue;
      }
      for (const Id id : f_.blocks[block].nodes) {
        change_operands(f_, id, now);
      }
      for_operands(f_.blocks[block].end, [&](Id& id) { id = now(id); });
    }
  }

  Function& f_;
  std::size_t grown_ = 0;
};

}  // namespace

bool unroll(Function& f) { return Unroller(f).run(); }

}  // namespace kiln::ir
