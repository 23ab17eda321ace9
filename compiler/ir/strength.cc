// SPDX-License-Identifier: Apache-2.0
//
// The same results by quicker operations: division by a constant as a multiplication, a remainder that was written as
// division, multiplication and subtraction, and sums that a loop carries from round to round.
//
// A division becomes a multiplication where the product fits 64 bits: dividends that are known to have 32 bits or fewer (T.
// Granlund, P. L. Montgomery, Division by Invariant Integers using Multiplication, 1994). (x + a) + b in a loop that carries x becomes
// x + (a + b), so that rounds wait for one addition of each other only; the same for xor, or, and.
#include <algorithm>
#include <bit>
#include <optional>

#include <kiln/ir_passes.h>

#include "evaluate.h"

namespace kiln::ir {
namespace {

constexpr std::uint64_t kLow32 = 0xffff'ffff;

/// floor(x / d) == x * factor >> shift for all x below 2^bits.
struct Reciprocal {
  std::uint64_t factor = 0;
  unsigned shift = 0;
};
std::optional<Reciprocal> reciprocal(std::uint64_t d, unsigned bits) {
  for (unsigned extra = 0; bits + extra < 64; ++extra) {
    const std::uint64_t power = std::uint64_t{1} << (bits + extra);
    const std::uint64_t factor = power / d + 1;
    const std::uint64_t error = factor * d - power;  // at most d, so nothing is lost
    if (error <= std::uint64_t{1} << extra) {
      return static_cast<unsigned>(std::bit_width(factor)) + bits <= 64 ? std::optional(Reciprocal{factor, bits + extra}) : std::nullopt;
    }
  }
  return std::nullopt;
}

class Reducer {
 public:
  explicit Reducer(Function& f) : f_(f) {}

  bool run() {
    if (!f_.has_made(Op::kDiv) && !f_.has_made(Op::kMod) && !has_short_loop(f_)) {
      return false;
    }
    count_uses();
    for (const BlockId block : f_.order) {
      nodes_.clear();
      for (const Id id : List<Id>(f_.blocks[block].nodes)) {
        for_operands(f_, id, [this](Id& in) { in = f_.resolve(in); });
        if (!divide(block, id)) {
          remainder(id);
          nodes_.push_back(id);
        }
      }
      f_.blocks[block].nodes = nodes_;
    }
    if (changed_) {
      f_.touch_nodes();
      f_.sweep();
      count_uses();
    }
    for (const BlockId block : f_.order) {
      if (std::find(f_.blocks[block].preds.begin(), f_.blocks[block].preds.end(), block) != f_.blocks[block].preds.end()) {
        split_sums(block);
      }
    }
    f_.changes += changed_ ? 1 : 0;
    return changed_;
  }

 private:
  void count_uses() {
    uses_.assign(f_.nodes.size(), 0);
    for (const BlockId block : f_.order) {
      for (const Id id : f_.blocks[block].nodes) {
        for_operands(f_, id, [&](Id& in) { ++uses_[f_.resolve(in)]; });
      }
      for_operands(f_.blocks[block].end, [&](Id& in) { ++uses_[f_.resolve(in)]; });
    }
  }

  Id emit(BlockId block, Node node) {
    node.block = block;
    const Id id = f_.make(node);
    const Id now = simplify(f_, id, PassSet());
    if (now == id) {
      nodes_.push_back(id);
    }
    return now;
  }

  bool divide(BlockId block, Id id) {
    const Node n = f_.nodes[id];
    if ((n.op != Op::kDiv && n.op != Op::kMod) || !f_.is_constant(n.in[1])) {
      return false;
    }
    const std::uint64_t mask = n.bits == 32 ? kLow32 : ~std::uint64_t{0};
    const std::uint64_t d = f_.value(n.in[1]) & mask, most = f_.nodes[n.in[0]].maybe & mask;
    const auto bits = static_cast<unsigned>(std::bit_width(most));
    if (d < 3 || std::has_single_bit(d) || bits > 32 || bits == 0 || d > most) {
      return false;
    }
    const auto by = reciprocal(d, bits);
    if (!by) {
      return false;
    }
    Id x = n.in[0];
    if (n.bits == 32 && (f_.nodes[x].maybe & ~kLow32) != 0) {
      x = emit(block, {.op = Op::kZext, .size = 4, .in = {x, kNone, kNone}, .slot = n.slot});
    }
    const Id product = emit(block, {.op = Op::kMul, .in = {x, f_.constant(by->factor), kNone}, .slot = n.slot});
    Id result = emit(block, {.op = Op::kShr, .in = {product, f_.constant(by->shift), kNone}, .slot = n.slot});
    if (n.op == Op::kMod) {
      const Id whole = emit(block, {.op = Op::kMul, .in = {result, f_.constant(d), kNone}, .slot = n.slot});
      result = emit(block, {.op = Op::kSub, .in = {x, whole, kNone}, .slot = n.slot});
      if (!f_.is_constant(result)) {
        f_.nodes[result].maybe &= (std::uint64_t{1} << std::bit_width(d - 1)) - 1;
      }
    } else if (!f_.is_constant(result)) {
      f_.nodes[result].maybe &= (std::uint64_t{1} << bits) - 1;
    }
    f_.replace(id, result);
    changed_ = true;
    return true;
  }

  /// x - x / y * y. That x / 0 is 0 and x % 0 is x fits.
  void remainder(Id id) {
    Node& n = f_.nodes[id];
    if (n.op != Op::kSub || f_.is_constant(n.in[1]) || uses_[n.in[1]] != 1) {
      return;
    }
    const Node& product = f_.nodes[n.in[1]];
    if (product.op != Op::kMul || product.bits != n.bits) {
      return;
    }
    for (unsigned i = 0; i < 2; ++i) {
      const Id quotient = product.in[i], by = product.in[1 - i];
      const Node& q = f_.nodes[quotient];
      if (q.op == Op::kDiv && q.bits == n.bits && q.in[0] == n.in[0] && q.in[1] == by && uses_[quotient] == 1) {
        n.op = Op::kMod;
        n.aux = q.aux;
        n.in[1] = by;
        changed_ = true;
        return;
      }
    }
  }

  static bool is_associative(Op op) { return op == Op::kAdd || op == Op::kXor || op == Op::kOr || op == Op::kAnd; }

  /// The chain of operations from a phi of the block on, each the only user of the one before, to the value of the phi's next round.
  void split_sums(BlockId block) {
    for (const Id phi : List<Id>(f_.blocks[block].nodes)) {
      if (f_.nodes[phi].op != Op::kPhi) {
        return;
      }
      List<Id> chain;
      for (Id at = f_.phi_operand(phi, block); f_.nodes[at].block == block && is_associative(f_.nodes[at].op);) {
        const Node& n = f_.nodes[at];
        if (!chain.empty() && (n.op != f_.nodes[chain.back()].op || n.bits != f_.nodes[chain.back()].bits || uses_[at] != 1)) {
          break;
        }
        chain.push_back(at);
        const Id next = n.in[0] == phi || n.in[1] == phi ? phi : is_link(n.in[0], n, block) ? n.in[0] : n.in[1];
        if (next == phi) {
          rebuild(phi, chain);
          break;
        }
        at = next;
      }
    }
  }
  bool is_link(Id id, const Node& like, BlockId block) const {
    const Node& n = f_.nodes[id];
    return n.block == block && n.op == like.op && n.bits == like.bits && uses_[id] == 1;
  }

  /// \param chain  from the last operation to the first.
  void rebuild(Id phi, List<Id>& chain) {
    constexpr std::size_t kShortest = 3;
    if (chain.size() < kShortest || uses_[phi] != 1) {
      return;
    }
    changed_ = true;
    std::reverse(chain.begin(), chain.end());
    Id sum = kNone;
    for (std::size_t i = 0; i < chain.size(); ++i) {
      const Node n = f_.nodes[chain[i]];
      const Id before = i == 0 ? phi : chain[i - 1];
      const Id part = n.in[0] == before ? n.in[1] : n.in[0];
      if (i + 1 == chain.size()) {
        // The last: all parts, and then what came into the round.
        const Id all = f_.make(n);
        auto& nodes = f_.blocks[n.block].nodes;
        nodes.insert(std::find(nodes.begin(), nodes.end(), chain[i]), all);
        set_operands(all, sum, part);
        f_.nodes[chain[i]].in = {phi, all, kNone};
      } else if (i == 0) {
        sum = part;  // the first operation is nobody's any more
      } else {
        set_operands(chain[i], sum, part);
        sum = chain[i];
      }
    }
  }

  void set_operands(Id id, Id a, Id b) {
    f_.nodes[id].in = {a, b, kNone};
    f_.nodes[id].maybe = maybe_bits(f_, id);
  }

  Function& f_;
  List<std::uint32_t> uses_;
  List<Id> nodes_;  ///< of the block at hand
  bool changed_ = false;
};

}  // namespace

bool reduce_strength(Function& f) { return Reducer(f).run(); }

}  // namespace kiln::ir
