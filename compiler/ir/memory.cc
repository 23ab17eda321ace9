// SPDX-License-Identifier: Apache-2.0
//
// Aliasing, and loads of bytes whose value is at hand.
#include <kiln/ir_memory.h>

#include <algorithm>

#include <kiln/ir_passes.h>

namespace kiln::ir {
namespace {

constexpr ValueKinds kStack = static_cast<ValueKinds>(ValueKind::kStack);
constexpr ValueKinds kAnyPacket =
    static_cast<ValueKinds>(ValueKind::kPacket) | static_cast<ValueKinds>(ValueKind::kPacketMeta);

bool is_frame_based(const Function& f, Id base) {
  while (f.nodes[base].op == Op::kAdd) {
    base = f.nodes[base].in[0];
  }
  return f.nodes[base].op == Op::kFrame;
}

}  // namespace

std::optional<std::int64_t> frame_offset(const Function& f, Id id) {
  const Node& n = f.nodes[id];
  if (n.op == Op::kFrame) {
    return 0;
  }
  if (n.op == Op::kAdd && n.bits == 64 && f.nodes[n.in[0]].op == Op::kFrame && f.is_constant(n.in[1])) {
    return static_cast<std::int64_t>(f.value(n.in[1]));
  }
  return std::nullopt;
}

bool is_access(Op op) {
  return op == Op::kLoad || op == Op::kStore || op == Op::kAtomic || op == Op::kCmpxchg || op == Op::kLoadAcquire || op == Op::kStoreRelease;
}

Access access_of(const Function& f, Id id) {
  const Node& n = f.nodes[id];
  if (!is_access(n.op)) {
    return {};
  }
  const bool indexed = n.op == Op::kLoad || n.op == Op::kStore;
  Access access{.base = n.in[0], .index = indexed ? n.in[1] : kNone, .scale = n.scale, .offset = n.imm, .size = n.size, .region = n.region};
  if (is_frame_based(f, access.base)) {
    access.region = kStack;
  } else if ((access.region & kAnyPacket) != 0) {
    access.region |= kAnyPacket;
  }
  return access;
}

bool may_alias(const Access& a, const Access& b) {
  if (a.size == 0 || b.size == 0) {
    return true;
  }
  if (a.region != 0 && b.region != 0 && (a.region & b.region) == 0) {
    return false;
  }
  if (a.base == b.base && a.index == b.index && a.scale == b.scale) {
    return a.offset < b.offset + b.size && b.offset < a.offset + a.size;
  }
  return true;
}

namespace {

struct Known {
  Access access;
  bool is_signed = false;
  Id value = kNone;
};
constexpr std::size_t kMostKnown = 48;

class Forwarding {
 public:
  explicit Forwarding(Function& f) : f_(f), at_end_(f.blocks.size()) {}

  void run() {
    for (const BlockId block : reverse_postorder(f_)) {
      known_.clear();
      if (f_.blocks[block].preds.size() == 1) {
        const BlockId pred = f_.blocks[block].preds[0];
        if (f_.blocks[pred].end.targets() == 1) {
          known_ = std::move(at_end_[pred]);
        } else {
          known_ = at_end_[pred];
        }
      }
      const List<Id> nodes = std::move(f_.blocks[block].nodes);
      List<Id> kept;
      kept.reserve(nodes.size());
      for (const Id id : nodes) {
        visit(block, id, kept);
      }
      f_.blocks[block].nodes = std::move(kept);
      if (is_followed(block)) {
        at_end_[block] = std::move(known_);
        known_ = {};
      }
    }
  }

 private:
  /// Whether some block begins with what is known at this one's end.
  bool is_followed(BlockId block) const {
    const Terminator& end = f_.blocks[block].end;
    return std::any_of(end.to.begin(), end.to.begin() + end.targets(), [this](BlockId to) { return f_.blocks[to].preds.size() == 1; });
  }

  void visit(BlockId block, Id id, List<Id>& kept) {
    change_operands(f_, id, [this](Id operand) { return f_.resolve(operand); });
    const Node n = f_.nodes[id];
    if (n.op == Op::kLoad) {
      load(block, id, kept);
      return;
    }
    kept.push_back(id);
    if (n.op == Op::kStore) {
      const Access access = access_of(f_, id);
      std::erase_if(known_, [&](const Known& k) { return may_alias(k.access, access); });
      remember({.access = access, .value = n.in[2]});
    } else if (is_access(n.op) && !is_barrier(n.op)) {
      const Access access = access_of(f_, id);
      std::erase_if(known_, [&](const Known& k) { return may_alias(k.access, access); });
    } else if (is_barrier(n.op)) {
      std::erase_if(known_, [&](const Known& k) { return f_.context_changes || !only(k.access.region, ValueKind::kContext); });
    }
  }

  void load(BlockId block, Id id, List<Id>& kept) {
    const Access access = access_of(f_, id);
    for (const Known& k : known_) {
      if (k.access.base != access.base || k.access.index != access.index || k.access.scale != access.scale ||
          k.access.offset != access.offset || k.access.size != access.size) {
        continue;
      }
      const bool from_load = f_.nodes[k.value].op == Op::kLoad && k.is_signed == f_.nodes[id].is_signed && !stored(k);
      if (from_load) {
        f_.replace(id, k.value);
        return;
      }
      // A stored value keeps its low bytes only.
      Node& n = f_.nodes[id];
      n.op = n.is_signed ? Op::kSext : Op::kZext;
      n.in = {k.value, kNone, kNone};
      n.bits = 64;
      n.imm = 0;
      n.scale = 0;
      n.region = 0;
      ++f_.changes;
      if (n.size == 8) {
        f_.replace(id, k.value);
        return;
      }
      const Id now = simplify(f_, id, PassSet());
      if (now == id) {
        f_.nodes[id].block = block;
        kept.push_back(id);
      }
      return;
    }
    kept.push_back(id);
    remember({.access = access, .is_signed = f_.nodes[id].is_signed, .value = id});
  }
  bool stored(const Known& k) const {
    const Node& n = f_.nodes[k.value];
    return n.size != k.access.size || n.in[0] != k.access.base || n.imm != k.access.offset;
  }
  void remember(Known k) {
    if (known_.size() >= kMostKnown) {
      known_.erase(known_.begin());
    }
    known_.push_back(k);
  }

  Function& f_;
  List<Known> known_;
  List<List<Known>> at_end_;
};

}  // namespace

void forward_memory(Function& f) {
  if (f.has_made(Op::kLoad)) {
    Forwarding(f).run();
  }
}

}  // namespace kiln::ir
