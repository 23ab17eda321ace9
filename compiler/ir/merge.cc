// SPDX-License-Identifier: Apache-2.0
//
// Neighbouring narrow accesses become wide ones. Compilers for BPF split what is not known to be aligned into bytes, put
// together by shifts; the machines below have unaligned loads and stores, and instructions that reverse bytes.
#include <algorithm>
#include <limits>
#include <tuple>

#include <kiln/ir_passes.h>

#include <kiln/ir_memory.h>

namespace kiln::ir {
namespace {

constexpr std::size_t kFarthest = 128;  // nodes between accesses that are merged
constexpr std::size_t kMostLeaves = 16;
constexpr unsigned kWidths[] = {8, 4, 2};

/// A load in a tree of ors: where its value goes in the result.
struct Leaf {
  Id value = kNone;        ///< as it stands in the tree
  unsigned shift = 0;      ///< bytes
  Id load = kNone;         ///< kNone: not a load
  bool swapped = false;    ///< the bytes of a load of several are reversed
};

class Merger {
 public:
  explicit Merger(Function& f) : f_(f) {}

  bool run() {
    if (!f_.has_made(Op::kLoad) && !f_.has_made(Op::kStore)) {
      return false;
    }
    count_uses();
    position_.assign(f_.nodes.size(), 0);
    for (const BlockId block : f_.order) {
      block_ = block;
      number();
      for (const Id id : f_.blocks[block].nodes) {  // made nodes wait for rebuild()
        if (is_or(id) && may_have_loads(id) && !part_of_tree(id)) {
          merge_tree(id);
        }
      }
      merge_stores();
      rebuild();
    }
    if (changed_) {
      f_.touch_nodes();
      f_.sweep();
    }
    return changed_;
  }

 private:
  const Node& node(Id id) const { return f_.nodes[id]; }

  void count_uses() {
    uses_.assign(f_.nodes.size(), 0);
    user_.assign(f_.nodes.size(), kNone);
    for (const BlockId block : f_.order) {
      for (const Id id : f_.blocks[block].nodes) {
        for_operands(f_, id, [&](Id& in) {
          ++uses_[in];
          user_[in] = id;
        });
      }
      for_operands(f_.blocks[block].end, [&](Id& in) {
        ++uses_[in];
        user_[in] = kNone;
      });
    }
  }
  bool once(Id id) const { return id < uses_.size() && uses_[id] == 1; }

  void number() {
    for (std::size_t i = 0; i < f_.blocks[block_].nodes.size(); ++i) {
      position_[f_.blocks[block_].nodes[i]] = static_cast<std::uint32_t>(i);
    }
  }
  /// Whether a node of the block was there before the pass.
  bool is_old(Id id) const { return id < position_.size(); }

  bool is_or(Id id) const { return node(id).op == Op::kOr || node(id).op == Op::kAdd || node(id).op == Op::kXor; }
  bool part_of_tree(Id id) const {
    return once(id) && user_[id] != kNone && node(user_[id]).op == node(id).op && node(user_[id]).block == block_ && node(user_[id]).bits == node(id).bits;
  }

  // ---- loads -------------------------------------------------------------------------------------

  void leaves_of(Id id, Op op, unsigned bits, List<Leaf>& leaves) {
    for (const Id in : {node(id).in[0], node(id).in[1]}) {
      if (node(in).op == op && node(in).bits == bits && once(in) && node(in).block == block_ && leaves.size() < kMostLeaves) {
        leaves_of(in, op, bits, leaves);
      } else {
        leaves.push_back(leaf_of(in));
      }
    }
  }

  Leaf leaf_of(Id id) {
    Leaf leaf{.value = id};
    unsigned room = 8;  // bytes above which a 32-bit shift loses
    while (once(id)) {
      const Node& n = node(id);
      if (n.op == Op::kShl && f_.is_constant(n.in[1]) && f_.value(n.in[1]) % 8 == 0 && f_.value(n.in[1]) < n.bits) {
        leaf.shift += static_cast<unsigned>(f_.value(n.in[1]) / 8);
        room = n.bits == 32 ? std::min(room, 4u) : room;
      } else if (n.op == Op::kZext) {
        // Clears what a load of at most that size doesn't have; checked below.
        if ((f_.nodes[n.in[0]].maybe >> (8 * std::min(n.size, std::uint8_t{7}))) != 0 && n.size < 8) {
          return leaf;
        }
      } else {
        break;
      }
      id = n.in[0];
    }
    if (!once(id)) {
      return leaf;
    }
    const Node& n = node(id);
    const bool swapped = n.op == Op::kSwap && once(n.in[0]) && node(n.in[0]).op == Op::kLoad && node(n.in[0]).size == n.size;
    const Id load = swapped ? n.in[0] : id;
    if (node(load).op != Op::kLoad || node(load).is_signed || node(load).block != block_ || !is_old(load) ||
        leaf.shift + node(load).size > room) {
      return leaf;
    }
    leaf.load = load;
    leaf.swapped = swapped;
    return leaf;
  }

  bool same_place(Id a, Id b) const {
    return node(a).in[0] == node(b).in[0] && node(a).in[1] == node(b).in[1] && node(a).scale == node(b).scale;
  }

  /// Leaves [from, to), neighbours in the result, as one load. \return its value, or kNone.
  Id join_leaves(const List<Leaf>& leaves, std::size_t from, std::size_t to, unsigned total) {
    for (const bool big : {false, true}) {
      std::int64_t lowest = node(leaves[from].load).imm;
      bool fits = true;
      for (std::size_t i = from; i < to && fits; ++i) {
        const Node& n = node(leaves[i].load);
        fits = (n.size == 1 || leaves[i].swapped == big) && same_place(leaves[i].load, leaves[from].load);
        if (i > from) {
          const Node& before = node(leaves[i - 1].load);
          fits &= big ? n.imm + n.size == before.imm : before.imm + before.size == n.imm;
        }
        lowest = std::min(lowest, n.imm);
      }
      if (!fits) {
        continue;
      }
      List<Id> loads;
      for (std::size_t i = from; i < to; ++i) {
        loads.push_back(leaves[i].load);
      }
      const Id load = wide_load(loads, lowest, total);
      if (load == kNone) {
        return kNone;
      }
      if (!big) {
        return load;
      }
      const Id swap = make({.op = Op::kSwap, .size = static_cast<std::uint8_t>(total), .in = {load, kNone, kNone}, .slot = node(load).slot});
      put_after(last_, swap);
      return swap;
    }
    return kNone;
  }

  Id make(Node made) {
    made.block = block_;
    const Id id = f_.make(made);
    f_.nodes[id].maybe = made.op == Op::kLoad || made.op == Op::kSwap ? (made.size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * made.size)) - 1) : ~std::uint64_t{0};
    return id;
  }

  /// One load in place of several, at the last of them or the first; kNone if something between may write their bytes.
  Id wide_load(const List<Id>& loads, std::int64_t lowest, unsigned total) {
    std::size_t first = ~std::size_t{0}, last = 0;
    for (const Id id : loads) {
      first = std::min<std::size_t>(first, position_[id]);
      last = std::max<std::size_t>(last, position_[id]);
    }
    if (last - first > kFarthest) {
      return kNone;
    }
    // A load may move over a store of other bytes.
    bool down = true, up = true;
    for (std::size_t i = first + 1; i < last; ++i) {
      const Id id = f_.blocks[block_].nodes[i];
      const Op op = node(id).op;
      if (is_barrier(op)) {
        return kNone;
      }
      if (!is_access(op) || op == Op::kLoad) {
        continue;
      }
      const Access written = access_of(f_, id);
      for (const Id load : loads) {
        const bool alias = may_alias(access_of(f_, load), written);
        (position_[load] < i ? down : up) &= !alias;
      }
    }
    if (!down && !up) {
      return kNone;
    }
    last_ = f_.blocks[block_].nodes[down ? last : first];
    Node wide = node(last_);
    wide.imm = lowest;
    wide.size = static_cast<std::uint8_t>(total);
    const Id id = make(wide);
    put_after(last_, id);
    return id;
  }

  /// Whether a tree can have two leaves that are loads.
  bool may_have_loads(Id root) const {
    bool deep = false, both = true;
    for (unsigned i = 0; i < 2; ++i) {
      const Id in = node(root).in[i];
      const bool inside = once(in) && node(in).block == block_;
      deep |= inside && node(in).op == node(root).op && node(in).bits == node(root).bits;
      both &= inside;
    }
    return deep || both;
  }

  void merge_tree(Id root) {
    List<Leaf> leaves;
    leaves_of(root, node(root).op, node(root).bits, leaves);
    std::stable_sort(leaves.begin(), leaves.end(), [](const Leaf& a, const Leaf& b) {
      return (a.load == kNone) != (b.load == kNone) ? b.load == kNone : a.load != kNone && a.shift < b.shift;
    });
    List<Id> parts;
    bool merged = false;
    for (std::size_t i = 0; i < leaves.size();) {
      std::size_t taken = 0;
      for (const unsigned width : kWidths) {
        const std::size_t end = run_of(leaves, i, width);
        const Id value = end == 0 ? kNone : join_leaves(leaves, i, end, width);
        if (value != kNone) {
          parts.push_back(shifted(root, value, leaves[i].shift));
          taken = end - i;
          merged = true;
          break;
        }
      }
      if (taken == 0) {
        parts.push_back(leaves[i].value);
        taken = 1;
      }
      i += taken;
    }
    if (!merged) {
      return;
    }
    Id value = parts[0];
    for (std::size_t i = 1; i < parts.size(); ++i) {
      value = make({.op = node(root).op, .bits = node(root).bits, .in = {value, parts[i], kNone}, .slot = node(root).slot});
      before_.emplace_back(root, value);
    }
    f_.replace(root, value);
  }
  /// One past the last of the leaves that fill `width` bytes from leaf `from` on, or 0.
  std::size_t run_of(const List<Leaf>& leaves, std::size_t from, unsigned width) const {
    const unsigned start = leaves[from].shift;
    unsigned filled = 0;
    std::size_t at = from;
    while (at < leaves.size() && leaves[at].load != kNone && leaves[at].shift == start + filled && filled < width) {
      filled += node(leaves[at].load).size;
      ++at;
    }
    return filled == width && at - from >= 2 ? at : 0;
  }
  Id shifted(Id root, Id value, unsigned bytes) {
    if (bytes == 0) {
      return value;
    }
    const Id id = make({.op = Op::kShl, .bits = node(root).bits, .in = {value, f_.constant(8 * bytes), kNone}, .slot = node(root).slot});
    before_.emplace_back(root, id);
    return id;
  }

  // ---- stores ------------------------------------------------------------------------------------

  void merge_stores() {
    pending_.clear();
    for (const Id id : f_.blocks[block_].nodes) {
      const Op op = node(id).op;
      if (is_barrier(op)) {
        flush();
      } else if (is_access(op)) {
        const Access access = access_of(f_, id);
        if (std::any_of(pending_.begin(), pending_.end(), [&](Id p) { return may_alias(access_of(f_, p), access); })) {
          flush();
        }
        if (op == Op::kStore) {
          pending_.push_back(id);
        }
      }
    }
    flush();
  }

  /// The stores that wait, none of which touches the bytes of another.
  void flush() {
    if (pending_.size() < 2) {
      pending_.clear();
      return;
    }
    List<Id> stores = std::move(pending_);
    pending_.clear();
    std::sort(stores.begin(), stores.end(), [this](Id a, Id b) {
      const Node &x = node(a), &y = node(b);
      return std::tuple(x.in[0], x.in[1], x.scale, x.imm) < std::tuple(y.in[0], y.in[1], y.scale, y.imm);
    });
    for (std::size_t i = 0; i + 1 < stores.size();) {
      std::size_t taken = 1;
      for (const unsigned width : kWidths) {
        std::size_t end = i;
        std::int64_t at = node(stores[i]).imm;
        const std::int64_t stop = at + width;
        while (end < stores.size() && at < stop && same_place(stores[end], stores[i]) && node(stores[end]).imm == at) {
          at += node(stores[end]).size;
          ++end;
        }
        if (at == stop && end - i >= 2 && join_stores(stores, i, end, width)) {
          taken = end - i;
          break;
        }
      }
      i += taken;
    }
  }

  bool join_stores(const List<Id>& stores, std::size_t from, std::size_t to, unsigned total) {
    std::size_t last = 0;
    for (std::size_t i = from; i < to; ++i) {
      last = std::max<std::size_t>(last, position_[stores[i]]);
    }
    const Id at = f_.blocks[block_].nodes[last];
    const Id value = joined_value(stores, from, to, total, at);
    if (value == kNone) {
      return false;
    }
    Node wide = node(stores[from]);
    wide.size = static_cast<std::uint8_t>(total);
    wide.in[2] = value;
    const Id store = make(wide);
    put_after(at, store);
    for (std::size_t i = from; i < to; ++i) {
      f_.nodes[stores[i]].block = kNone;
    }
    return true;
  }

  Id joined_value(const List<Id>& stores, std::size_t from, std::size_t to, unsigned total, Id at) {
    const std::int64_t base = node(stores[from]).imm;
    if (std::all_of(stores.begin() + static_cast<std::ptrdiff_t>(from), stores.begin() + static_cast<std::ptrdiff_t>(to),
                    [this](Id id) { return f_.is_constant(node(id).in[2]); })) {
      std::uint64_t value = 0;
      for (std::size_t i = from; i < to; ++i) {
        const Node& n = node(stores[i]);
        const std::uint64_t mask = n.size == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (8 * n.size)) - 1;
        value |= (f_.value(n.in[2]) & mask) << (8 * (n.imm - base));
      }
      return f_.constant(value);
    }
    if (const Id value = from_pieces(stores, from, to, total, at); value != kNone) {
      return value;
    }
    if (const Id value = from_exchange(stores, from, to, total); value != kNone) {
      return value;
    }
    return from_loads(stores, from, to, total);
  }

  /// Below extensions that keep at least `bytes`.
  Id stripped(Id id, unsigned bytes) const {
    while (node(id).op == Op::kZext && node(id).size >= bytes) {
      id = node(id).in[0];
    }
    return id;
  }
  /// The value of which this is the part from some byte on, and that byte.
  std::pair<Id, std::int64_t> piece(Id id, unsigned bytes) const {
    id = stripped(id, bytes);
    const Node& n = node(id);
    if (n.op == Op::kShr && f_.is_constant(n.in[1]) && f_.value(n.in[1]) % 8 == 0 && f_.value(n.in[1]) < n.bits) {
      const auto shift = static_cast<std::int64_t>(f_.value(n.in[1]) / 8);
      return {stripped(n.in[0], n.bits == 32 ? 4 : 8), shift + bytes > n.bits / 8 ? -1 : shift};
    }
    return {id, 0};
  }

  Id from_pieces(const List<Id>& stores, std::size_t from, std::size_t to, unsigned total, Id at) {
    const std::int64_t base = node(stores[from]).imm;
    const Id whole = piece(node(stores[to - 1]).in[2], node(stores[to - 1]).size).first;
    const Id other = piece(node(stores[from]).in[2], node(stores[from]).size).first;
    for (const bool big : {false, true}) {
      bool fits = true;
      for (std::size_t i = from; i < to && fits; ++i) {
        const Node& n = node(stores[i]);
        const auto [value, byte] = piece(n.in[2], n.size);
        const std::int64_t expected = big ? total - (n.imm - base) - n.size : n.imm - base;
        fits = stripped(value, total) == stripped(big ? other : whole, total) && byte == expected && (!big || n.size == 1);
      }
      if (!fits) {
        continue;
      }
      const Id value = stripped(big ? other : whole, total);
      if (!big) {
        return value;
      }
      const Id swap = make({.op = Op::kSwap, .size = static_cast<std::uint8_t>(total), .in = {value, kNone, kNone}, .slot = node(at).slot});
      put_after(at, swap);
      return swap;
    }
    return kNone;
  }

  /// A load that may become part of a wider one for a store of its size.
  bool is_piece(Id load, const Node& store) const {
    return node(load).op == Op::kLoad && node(load).size == store.size && once(load) && node(load).block == block_ && is_old(load);
  }

  /// Two neighbours, addresses or ports, that change places: both at once, turned by half.
  Id from_exchange(const List<Id>& stores, std::size_t from, std::size_t to, unsigned total) {
    if (total < 4) {
      return kNone;
    }
    List<Id> loads;
    const std::int64_t base = node(stores[from]).imm;
    std::int64_t lowest = std::numeric_limits<std::int64_t>::max();
    for (std::size_t i = from; i < to; ++i) {
      loads.push_back(f_.resolve(node(stores[i]).in[2]));
      if (!is_piece(loads.back(), node(stores[i])) || !same_place(loads.back(), loads[0])) {
        return kNone;
      }
      lowest = std::min(lowest, node(loads.back()).imm);
    }
    for (std::size_t i = from; i < to; ++i) {
      const std::int64_t at = node(stores[i]).imm - base;
      if (node(loads[i - from]).imm - lowest != (at + total / 2) % total || (at < total / 2 && at + node(stores[i]).size > total / 2)) {
        return kNone;
      }
    }
    const Id load = wide_load(loads, lowest, total);
    if (load == kNone) {
      return kNone;
    }
    const Id turned = make({.op = Op::kRotl, .bits = static_cast<std::uint8_t>(8 * total), .in = {load, f_.constant(4 * total), kNone}, .slot = node(load).slot});
    put_after(last_, turned);
    return turned;
  }

  Id from_loads(const List<Id>& stores, std::size_t from, std::size_t to, unsigned total) {
    List<Id> loads;
    const std::int64_t base = node(stores[from]).imm;
    for (std::size_t i = from; i < to; ++i) {
      const Node& n = node(stores[i]);
      const Id load = f_.resolve(n.in[2]);
      if (!is_piece(load, n)) {
        return kNone;
      }
      loads.push_back(load);
      if (!same_place(load, loads[0]) || node(load).imm - node(loads[0]).imm != n.imm - base) {
        return kNone;
      }
    }
    return wide_load(loads, node(loads[0]).imm, total);
  }

  using Made = List<std::pair<Id, Id>>;  ///< beside which node of the block, and what
  void put_after(Id at, Id made) { after_.emplace_back(at, made); }

  void rebuild() {
    if (before_.empty() && after_.empty()) {
      return;
    }
    changed_ = true;
    const auto by_position = [this](const auto& a, const auto& b) { return position_[a.first] < position_[b.first]; };
    std::stable_sort(before_.begin(), before_.end(), by_position);
    std::stable_sort(after_.begin(), after_.end(), by_position);
    List<Id> nodes;
    const auto append = [&](const Made& made, Made::const_iterator& next, Id id) {
      for (; next != made.end() && next->first == id; ++next) {
        nodes.push_back(next->second);
      }
    };
    auto before = before_.cbegin(), after = after_.cbegin();
    for (const Id id : f_.blocks[block_].nodes) {
      append(before_, before, id);
      nodes.push_back(id);
      append(after_, after, id);
    }
    f_.blocks[block_].nodes = std::move(nodes);
    before_.clear();
    after_.clear();
  }

  Function& f_;
  BlockId block_ = 0;
  List<std::uint32_t> uses_;
  List<Id> user_;
  List<std::uint32_t> position_;  ///< by node: in its block
  Made before_, after_;
  bool changed_ = false;
  List<Id> pending_;
  Id last_ = kNone;  ///< after which wide_load() put its load
};

}  // namespace

bool merge_memory(Function& f) { return Merger(f).run(); }

}  // namespace kiln::ir
