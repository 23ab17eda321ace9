// SPDX-License-Identifier: Apache-2.0
//
// One node at a time: constants, algebra, known bits, rotates. A rule changes the node in place or names another
// that has the same value; it never makes new work for the processor.
#include <kiln/ir_passes.h>

#include <bit>

#include "evaluate.h"

namespace kiln::ir {
namespace {

constexpr std::uint64_t kLow32 = 0xffff'ffff;

bool is_commutative(Op op) {
  return op == Op::kAdd || op == Op::kMul || op == Op::kAnd || op == Op::kOr || op == Op::kXor;
}

/// Operations of which the low half of the result depends on the low halves of the operands only.
bool is_low_to_low(Op op) { return is_commutative(op) || op == Op::kSub; }

class Simplifier {
 public:
  Simplifier(Function& f, PassSet passes) : f_(f), passes_(passes) {}

  Id run(Id id) {
    for (unsigned round = 0; round < 8; ++round) {
      for (Id& in : f_.nodes[id].in) {
        in = in == kNone ? in : f_.resolve(in);
      }
      changed_ = false;
      if (const Id other = step(id); other != kNone) {
        f_.replace(id, other);
        return f_.resolve(id);
      }
      if (!changed_) {
        break;
      }
      ++f_.changes;
    }
    f_.nodes[id].maybe = maybe_bits(f_, id);
    return id;
  }

 private:
  Node& node(Id id) { return f_.nodes[id]; }
  bool constant(Id id) const { return f_.is_constant(id); }
  std::uint64_t value(Id id) const { return f_.value(id); }

  /// Another id: replace by that. kNone: perhaps changed in place.
  Id step(Id id) {
    constexpr std::size_t kRoom = 8;  // rules make constants while they hold references to nodes
    if (f_.nodes.capacity() < f_.nodes.size() + kRoom) {
      f_.nodes.reserve(2 * f_.nodes.size() + kRoom);
    }
    Node& n = node(id);
    if (const auto folded = evaluate_node(f_, id)) {
      return f_.constant(*folded);
    }
    if (n.op == Op::kPhi) {
      return phi(id);
    }
    if (!passes_.has(Pass::kFold)) {
      return kNone;
    }
    if (is_commutative(n.op) && constant(n.in[0])) {
      std::swap(n.in[0], n.in[1]);
    }
    if (n.bits == 32) {
      strip_operands(n);
      if (n.in[1] != kNone && is_low_to_low(n.op) && constant(n.in[1]) && value(n.in[1]) > kLow32) {
        n.in[1] = f_.constant(value(n.in[1]) & kLow32);
      }
    }
    switch (n.op) {
      case Op::kAdd: return add(n);
      case Op::kSub: return sub(n);
      case Op::kMul: return mul(n);
      case Op::kAnd: return bit_and(n);
      case Op::kOr:
      case Op::kXor: return bit_or(n);
      case Op::kShl:
      case Op::kShr:
      case Op::kSar: return shift(n);
      case Op::kDiv:
      case Op::kMod: return divide(n);
      case Op::kZext: return zext(n);
      case Op::kSext: return sext(n);
      case Op::kSwap: return swap(n);
      case Op::kLoad:
      case Op::kStore: address(n); return kNone;
      default: return kNone;
    }
  }

  /// What a 32-bit operation reads of its operands is the low half: extensions in front of it are nothing.
  void strip_operands(Node& n) {
    const bool both = is_low_to_low(n.op);
    const bool first = both || n.op == Op::kShl || n.op == Op::kShr || n.op == Op::kSar || n.op == Op::kRotl || n.op == Op::kNeg;
    for (unsigned i = 0; i < 2; ++i) {
      if (n.in[i] != kNone && (both || (i == 0 && first))) {
        n.in[i] = low(n.in[i]);
      }
    }
  }
  Id low(Id id) {
    while ((node(id).op == Op::kZext || node(id).op == Op::kSext) && node(id).size >= 4) {
      id = node(id).in[0];
    }
    return id;
  }

  /// `id` as wide as an operation: itself, if that clears the upper half anyway.
  Id same_width(Node& n, Id id) {
    if (n.bits == 64 || (node(id).maybe & ~kLow32) == 0) {
      return id;
    }
    become(n, Op::kZext, id);
    n.size = 4;
    return kNone;
  }
  void become(Node& n, Op op, Id a, Id b = kNone) {
    n.op = op;
    n.in = {a, b, kNone};
    changed_ = true;
  }
  std::uint64_t mask(const Node& n) const { return n.bits == 32 ? kLow32 : ~std::uint64_t{0}; }

  Id add(Node& n) {
    const Node& a = node(n.in[0]);
    if (constant(n.in[1])) {
      const std::uint64_t c = value(n.in[1]) & mask(n);
      if (c == 0) {
        return same_width(n, n.in[0]);
      }
      if (a.op == Op::kAdd && constant(a.in[1]) && (a.bits == n.bits || n.bits == 32)) {
        become(n, Op::kAdd, a.in[0], f_.constant((c + value(a.in[1])) & mask(n)));
      }
      return kNone;
    }
    return rotate(n);
  }

  Id sub(Node& n) {
    if (n.in[0] == n.in[1]) {
      return f_.constant(0);
    }
    if (constant(n.in[1])) {
      become(n, Op::kAdd, n.in[0], f_.constant((0 - value(n.in[1])) & mask(n)));
    } else if (constant(n.in[0]) && (value(n.in[0]) & mask(n)) == 0) {
      become(n, Op::kNeg, n.in[1]);
    }
    return kNone;
  }

  Id mul(Node& n) {
    if (!constant(n.in[1])) {
      return kNone;
    }
    const std::uint64_t c = value(n.in[1]) & mask(n);
    if (c == 0) {
      return f_.constant(0);
    }
    if (c == 1) {
      return same_width(n, n.in[0]);
    }
    if (std::has_single_bit(c)) {
      become(n, Op::kShl, n.in[0], f_.constant(static_cast<std::uint64_t>(std::countr_zero(c))));
    }
    return kNone;
  }

  Id divide(Node& n) {
    if (!constant(n.in[1])) {
      return kNone;
    }
    const std::uint64_t c = value(n.in[1]) & mask(n);
    if (!std::has_single_bit(c)) {
      return kNone;
    }
    if (n.op == Op::kMod) {
      become(n, Op::kAnd, n.in[0], f_.constant(c - 1));
    } else {
      become(n, Op::kShr, n.in[0], f_.constant(static_cast<std::uint64_t>(std::countr_zero(c))));
    }
    return kNone;
  }

  Id bit_and(Node& n) {
    if (n.in[0] == n.in[1]) {
      return same_width(n, n.in[0]);
    }
    if (!constant(n.in[1])) {
      return kNone;
    }
    const std::uint64_t c = value(n.in[1]) & mask(n);
    const Node& a = node(n.in[0]);
    if ((a.maybe & mask(n) & ~c) == 0) {
      return same_width(n, n.in[0]);
    }
    if ((a.maybe & c) == 0) {
      return f_.constant(0);
    }
    if (c == 0xff || c == 0xffff || c == kLow32) {
      n.size = c == 0xff ? 1 : c == 0xffff ? 2 : 4;
      n.bits = 64;
      become(n, Op::kZext, n.in[0]);
    } else if (a.op == Op::kAnd && constant(a.in[1])) {
      become(n, Op::kAnd, a.in[0], f_.constant(c & value(a.in[1]) & mask(a)));
    } else if (n.bits == 64 && c <= 0x7fff'ffff) {
      n.bits = 32;
      changed_ = true;
    }
    return kNone;
  }

  Id bit_or(Node& n) {
    if (n.in[0] == n.in[1]) {
      return n.op == Op::kXor ? f_.constant(0) : same_width(n, n.in[0]);
    }
    if (constant(n.in[1]) && (value(n.in[1]) & mask(n)) == 0) {
      return same_width(n, n.in[0]);
    }
    return rotate(n);
  }

  /// One side of a rotate: a shift by a constant, at this width. A 64-bit shift left has the right low half.
  struct Side {
    Id of = kNone;
    std::uint64_t by = 0;
  };
  Side left_side(Id id, unsigned bits) {
    const Node& n = node(id);
    if (n.op == Op::kShl && constant(n.in[1]) && (n.bits == bits || bits == 32)) {
      return {bits == 32 ? low(n.in[0]) : n.in[0], value(n.in[1]) & (n.bits - 1u)};
    }
    return {};
  }
  Side right_side(Id id, unsigned bits) {
    const Node& n = node(id);
    if (n.op != Op::kShr || !constant(n.in[1])) {
      return {};
    }
    const std::uint64_t by = value(n.in[1]) & (n.bits - 1u);
    if (n.bits == bits) {
      return {bits == 32 ? low(n.in[0]) : n.in[0], by};
    }
    // 64-bit shift of a value that has nothing in its upper half.
    if (bits == 32 && (node(n.in[0]).maybe & ~kLow32) == 0) {
      return {low(n.in[0]), by};
    }
    return {};
  }
  Id rotate(Node& n) {
    if (!passes_.has(Pass::kRotate) || n.in[1] == kNone) {
      return kNone;
    }
    for (unsigned turn = 0; turn < 2; ++turn) {
      const Side left = left_side(n.in[turn], n.bits), right = right_side(n.in[1 - turn], n.bits);
      if (left.of != kNone && left.of == right.of && left.by != 0 && left.by + right.by == n.bits) {
        become(n, Op::kRotl, left.of, f_.constant(left.by));
        return kNone;
      }
    }
    return kNone;
  }

  Id shift(Node& n) {
    if (!constant(n.in[1])) {
      return kNone;
    }
    const std::uint64_t by = value(n.in[1]) & (n.bits - 1u);
    if (by == 0) {
      return same_width(n, n.in[0]);
    }
    if (by != value(n.in[1])) {
      n.in[1] = f_.constant(by);
    }
    const Node a = node(n.in[0]);
    const bool again = (a.op == Op::kShl || a.op == Op::kShr || a.op == Op::kSar) && constant(a.in[1]) && a.bits == n.bits;
    const std::uint64_t before = again ? value(a.in[1]) & (n.bits - 1u) : 0;
    if (again && a.op == n.op && before + by < n.bits) {
      become(n, n.op, a.in[0], f_.constant(before + by));
      return kNone;
    }
    if (again && a.op == Op::kShl && n.op != Op::kShl && n.bits == 64) {
      return shift_back(n, a, before, by);
    }
    if (n.op == Op::kShr && n.bits == 64 && (node(n.in[0]).maybe & ~kLow32) == 0 && by < 32) {
      n.bits = 32;
      changed_ = true;
    } else if (n.op == Op::kSar && (node(n.in[0]).maybe >> (n.bits - 1) & 1) == 0 && n.bits == 64) {
      become(n, Op::kShr, n.in[0], n.in[1]);
    }
    return kNone;
  }
  /// (x << before) >> by
  Id shift_back(Node& n, const Node& a, std::uint64_t before, std::uint64_t by) {
    if (before == by && (by == 32 || by == 48 || by == 56)) {
      n.size = static_cast<std::uint8_t>((64 - by) / 8);
      become(n, n.op == Op::kShr ? Op::kZext : Op::kSext, a.in[0]);
    } else if (before == 32 && by > 32) {
      if (n.op == Op::kShr) {  // a 32-bit shift; of the signed one, the result would be 64 bits wide
        n.bits = 32;
        become(n, Op::kShr, a.in[0], f_.constant(by - 32));
      }
    } else if (n.op == Op::kShr && before == by) {
      become(n, Op::kAnd, a.in[0], f_.constant(~std::uint64_t{0} >> by));
    }
    return kNone;
  }

  Id zext(Node& n) {
    const Node& a = node(n.in[0]);
    const std::uint64_t bits = n.size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * n.size)) - 1;
    if ((a.maybe & ~bits) == 0) {
      return n.in[0];
    }
    if ((a.op == Op::kZext || a.op == Op::kSext) && a.size >= n.size) {
      become(n, Op::kZext, a.in[0]);
    } else if (n.size == 4 && a.bits == 64 && is_low_to_low(a.op)) {
      become(n, a.op, a.in[0], a.in[1]);
      n.bits = 32;
      n.size = 0;
    } else if (n.size == 4 && a.bits == 64 && a.op == Op::kShl && constant(a.in[1]) && value(a.in[1]) < 32) {
      become(n, a.op, a.in[0], a.in[1]);
      n.bits = 32;
      n.size = 0;
    }
    return kNone;
  }

  Id sext(Node& n) {
    const Node& a = node(n.in[0]);
    const std::uint64_t positive = (std::uint64_t{1} << (8 * n.size - 1)) - 1;
    if ((a.maybe & ~positive) == 0) {
      return n.in[0];
    }
    if ((a.op == Op::kZext || a.op == Op::kSext) && a.size >= n.size) {
      become(n, Op::kSext, a.in[0]);
    }
    return kNone;
  }

  Id swap(Node& n) {
    const Node& a = node(n.in[0]);
    if (a.op == Op::kSwap && a.size == n.size) {
      become(n, Op::kZext, a.in[0]);
      return kNone;
    }
    if (a.op == Op::kZext && a.size >= n.size) {
      become(n, Op::kSwap, a.in[0]);
    }
    return kNone;
  }

  Id phi(Id id) {
    Id same = kNone;
    for (const Id operand : f_.list(id)) {
      if (operand == kNone) {
        return kNone;
      }
      const Id now = f_.resolve(operand);
      if (now == id || now == same) {
        continue;
      }
      if (same != kNone) {
        return kNone;
      }
      same = now;
    }
    return same == kNone ? f_.constant(0) : same;
  }

  /// Constants go into the displacement.
  void address(Node& n) {
    const Node& base = node(n.in[0]);
    if (base.op == Op::kAdd && base.bits == 64 && constant(base.in[1])) {
      const auto displacement = static_cast<std::int64_t>(value(base.in[1])) + n.imm;
      if (displacement >= -0x4000'0000 && displacement <= 0x4000'0000) {
        n.imm = displacement;
        n.in[0] = base.in[0];
        changed_ = true;
        return;
      }
    }
    const auto scaled = [this](Id id) { return constant(id) || (node(id).op == Op::kShl && constant(node(id).in[1]) && value(node(id).in[1]) <= 3); };
    if (base.op == Op::kAdd && base.bits == 64 && n.in[1] == kNone && (scaled(base.in[0]) || scaled(base.in[1]))) {
      n.in[1] = base.in[1];
      n.in[0] = base.in[0];
      n.scale = 0;
      changed_ = true;
      return;
    }
    if (n.in[1] == kNone) {
      return;
    }
    const Node& index = node(n.in[1]);
    if (index.op == Op::kShl && index.bits == 64 && constant(index.in[1]) && value(index.in[1]) + n.scale <= 3) {
      n.scale = static_cast<std::uint8_t>(n.scale + value(index.in[1]));
      n.in[1] = index.in[0];
      changed_ = true;
    } else if (n.scale == 0 && node(n.in[0]).op == Op::kShl && index.op != Op::kShl) {
      std::swap(n.in[0], n.in[1]);
      changed_ = true;
    }
  }

  Function& f_;
  PassSet passes_;
  bool changed_ = false;
};

}  // namespace

std::uint64_t signature(const Function& f, Id id) {
  constexpr std::uint64_t kMix = 0x9e3779b97f4a7c15;
  const Node& n = f.nodes[id];
  std::uint64_t h = static_cast<std::uint64_t>(n.op) | std::uint64_t{n.bits} << 8 | std::uint64_t{n.size} << 16 | std::uint64_t{n.scale} << 24 | std::uint64_t{n.in[2]} << 32;
  const auto mix = [&h](std::uint64_t more) { h = (h ^ h >> 32 ^ more) * kMix; };
  mix(n.in[0] | std::uint64_t{n.in[1]} << 32);
  mix(static_cast<std::uint64_t>(n.imm));
  mix(n.maybe);
  for (const Id operand : n.op == Op::kPhi ? f.list(id) : std::span<const Id>()) {
    mix(operand);
  }
  return h | 1;
}

Id simplify(Function& f, Id id, PassSet passes) { return Simplifier(f, passes).run(id); }

}  // namespace kiln::ir
