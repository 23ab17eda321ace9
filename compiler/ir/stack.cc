// SPDX-License-Identifier: Apache-2.0
//
// Stack slots that become values: bytes below R10 that are only ever reached by loads and stores at constant offsets.
//
// Bytes that others may reach (a function's argument, a pointer that was computed or stored) stay in memory, as does
// what may be read before it was written: then the bytes are whoever's were there before. Slots are cut into pieces at the
// ends of stores; a load of several pieces puts them together, of part of one takes it out. A helper that
// reads a known number of bytes and keeps no pointer (a key, a value) is given them right before the call.
#include <algorithm>
#include <bitset>

#include <kiln/helpers.h>
#include <kiln/ir_passes.h>

#include <kiln/ir_memory.h>

namespace kiln::ir {
namespace {

constexpr std::int64_t kBytes = 1024;  // below R10 that are looked at; inlined functions' frames lie below 512
constexpr std::size_t kMostPieces = 64;
constexpr std::size_t kMostPerLoad = 8;

/// A helper's call that reads stack bytes.
struct Reader {
  Id call = kNone;
  std::int64_t offset = 0, bytes = 0;
};

struct Piece {
  std::int64_t begin = 0, end = 0;
  bool good = true;
};

class StackPromotion {
 public:
  explicit StackPromotion(Function& f) : f_(f) {}

  void run() {
    if (!find_accesses() || stores_ == 0) {
      return;
    }
    cut();
    check_assigned();
    drop_bad();
    if (std::none_of(pieces_.begin(), pieces_.end(), [](const Piece& p) { return p.good; })) {
      return;
    }
    rewrite();
  }

 private:
  static std::size_t index(std::int64_t offset) { return static_cast<std::size_t>(offset + kBytes); }

  void escape(std::int64_t from, std::int64_t to) {
    for (std::int64_t at = std::max(from, -kBytes); at < std::min(to, std::int64_t{0}); ++at) {
      escaped_[index(at)] = true;
    }
  }
  void escape_all() { escape(-kBytes, 0); }

  /// False: nothing of the stack can be promoted.
  bool find_accesses() {
    touched_.assign(f_.blocks.size(), false);
    for (const BlockId block : f_.order) {
      for (const Id id : f_.blocks[block].nodes) {
        const std::size_t before = accesses_.size() + readers_.size();
        look_at(id);
        touched_[block] = touched_[block] || accesses_.size() + readers_.size() != before;
      }
      for_operands(f_.blocks[block].end, [this](Id& operand) {
        if (frame_offset(f_, operand)) {
          escape_all();
        }
      });
    }
    return !escaped_.all();
  }

  bool direct(const Node& n) const {
    return (n.op == Op::kLoad || n.op == Op::kStore) && f_.nodes[n.in[0]].op == Op::kFrame && n.in[1] == kNone;
  }

  void look_at(Id id) {
    const Node& n = f_.nodes[id];
    if (direct(n)) {
      if (n.op == Op::kStore && frame_offset(f_, n.in[2])) {
        escape_all();
      }
      if (n.imm < -kBytes || n.imm + n.size > 0) {
        escape_all();  // a caller's frame; not worth the thought
        return;
      }
      stores_ += n.op == Op::kStore ? 1u : 0u;
      accesses_.push_back(id);
      return;
    }
    if (frame_offset(f_, id)) {
      return;  // R10 plus a constant: what uses it counts
    }
    if (is_call(n.op)) {
      for (std::uint32_t i = 0; i < n.count; ++i) {
        argument(id, i);
      }
      return;
    }
    for_operands(f_, id, [&](Id& operand) {
      const auto offset = frame_offset(f_, operand);
      if (!offset) {
        return;
      }
      const bool address = is_access(n.op) && n.op != Op::kLoad && n.op != Op::kStore && operand == n.in[0];
      address ? escape(*offset + n.imm, *offset + n.imm + n.size) : escape_all();
    });
  }

  void argument(Id id, std::uint32_t i) {
    const Node& n = f_.nodes[id];
    const auto offset = frame_offset(f_, f_.operands[n.list + i]);
    if (!offset) {
      return;
    }
    if (n.op == Op::kCallLocal || (n.op == Op::kCall && calls_back(n))) {
      // The callee's own frame lies below ours. Any other pointer lets it reach everything.
      i + 1 == n.count ? escape(-kBytes, *offset) : escape_all();
      return;
    }
    const std::int64_t bytes = argument_bytes(n, i);
    if (bytes < kBytes && *offset >= -kBytes && *offset + bytes <= 0) {
      readers_.push_back({id, *offset, bytes});
    } else {
      escape(*offset, *offset + kBytes);
    }
  }

  static bool calls_back(const Node& n) {
    const HelperInfo* helper = find_helper(static_cast<std::uint32_t>(n.imm));
    return helper != nullptr && helper->has(kCallsBack);
  }

  /// How many bytes a helper reads from an argument; kBytes: who knows, and it may write.
  std::int64_t argument_bytes(const Node& n, std::uint32_t i) const {
    if (n.op != Op::kCall && n.op != Op::kTailCall) {
      return kBytes;
    }
    const HelperInfo* helper = find_helper(static_cast<std::uint32_t>(n.imm));
    const Node& first = f_.nodes[f_.operands[n.list]];
    const bool map_known = first.op == Op::kMapHandle && static_cast<std::size_t>(first.imm) < f_.maps.size();
    if (helper != nullptr && map_known && helper->args[i] == HelperArg::kMapKey) {
      return f_.maps[static_cast<std::size_t>(first.imm)].key;
    }
    if (helper != nullptr && map_known && helper->args[i] == HelperArg::kMapValue) {
      return f_.maps[static_cast<std::size_t>(first.imm)].value;
    }
    const bool sized = helper != nullptr && i + 1 < n.count && (helper->args[i] == HelperArg::kMemReadonly || helper->args[i] == HelperArg::kMemReadonlyOrNull);
    if (sized && f_.is_constant(f_.operands[n.list + i + 1])) {
      return static_cast<std::int64_t>(std::min<std::uint64_t>(f_.value(f_.operands[n.list + i + 1]), kBytes));
    }
    return kBytes;
  }

  void cut() {
    List<std::int64_t> cuts;
    for (const Id id : accesses_) {
      const Node& n = f_.nodes[id];
      if (n.op == Op::kStore) {
        cuts.push_back(n.imm);
        cuts.push_back(n.imm + n.size);
      }
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    piece_at_.fill(kNone);
    for (const Id id : accesses_) {
      const Node& n = f_.nodes[id];
      if (n.op != Op::kStore) {
        continue;
      }
      for (auto at = std::lower_bound(cuts.begin(), cuts.end(), n.imm); *at < n.imm + n.size; ++at) {
        if (piece_at_[index(*at)] == kNone) {
          const auto number = static_cast<std::uint32_t>(pieces_.size());
          pieces_.push_back({*at, *(at + 1)});
          std::fill(piece_at_.begin() + static_cast<std::ptrdiff_t>(index(*at)),
                    piece_at_.begin() + static_cast<std::ptrdiff_t>(index(*(at + 1))), number);
        }
      }
    }
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      for (std::int64_t at = pieces_[i].begin; at < pieces_[i].end; ++at) {
        pieces_[i].good &= !escaped_[index(at)] && i < kMostPieces;
      }
    }
  }

  template <typename Visit>
  void for_readers(Id id, Visit&& visit) const {
    if (f_.nodes[id].op != Op::kCall && f_.nodes[id].op != Op::kTailCall) {
      return;
    }
    for (const Reader& reader : readers_) {
      if (reader.call == id) {
        visit(reader);
      }
    }
  }
  template <typename Visit>
  void for_pieces(const Node& n, Visit&& visit) const {
    for_pieces(n.imm, n.imm + n.size, visit);
  }
  template <typename Visit>
  void for_pieces(std::int64_t begin, std::int64_t end, Visit&& visit) const {
    for (std::int64_t at = begin; at < end;) {
      const std::uint32_t piece = piece_at_[index(at)];
      visit(piece);
      at = piece == kNone ? at + 1 : pieces_[piece].end;
    }
  }

  /// Pieces that some load may find unwritten are not good.
  void check_assigned() {
    const List<BlockId> rpo = reverse_postorder(f_);
    List<std::uint64_t> out(f_.blocks.size(), ~std::uint64_t{0});
    List<std::uint64_t> stored(f_.blocks.size());
    for (const BlockId block : rpo) {
      for (const Id id : f_.blocks[block].nodes) {
        if (f_.nodes[id].op == Op::kStore && direct(f_.nodes[id])) {
          for_pieces(f_.nodes[id], [&](std::uint32_t p) { stored[block] |= p < kMostPieces ? std::uint64_t{1} << p : 0; });
        }
      }
    }
    const auto in = [&](BlockId block) {
      std::uint64_t all = f_.blocks[block].preds.empty() ? 0 : ~std::uint64_t{0};
      for (const BlockId pred : f_.blocks[block].preds) {
        all &= out[pred];
      }
      return all;
    };
    for (bool changed = true; changed;) {
      changed = false;
      for (const BlockId block : rpo) {
        const std::uint64_t now = in(block) | stored[block];
        changed |= now != out[block];
        out[block] = now;
      }
    }
    for (const BlockId block : rpo) {
      std::uint64_t have = in(block);
      for (const Id id : f_.blocks[block].nodes) {
        const Node& n = f_.nodes[id];
        for_readers(id, [&](const Reader& reader) {
          for_pieces(reader.offset, reader.offset + reader.bytes, [&](std::uint32_t p) {
            if (p < pieces_.size()) {
              pieces_[p].good &= p < kMostPieces && (have >> p & 1) != 0;
            }
          });
        });
        if (!direct(n)) {
          continue;
        }
        for_pieces(n, [&](std::uint32_t p) {
          if (p >= pieces_.size()) {
            return;
          }
          const std::uint64_t bit = p < kMostPieces ? std::uint64_t{1} << p : 0;
          pieces_[p].good &= n.op == Op::kStore || (have & bit) != 0;
          have |= n.op == Op::kStore ? bit : 0;
        });
      }
    }
  }

  /// An access is promoted as a whole or not at all, and so are all that share a piece with it.
  void drop_bad() {
    for (bool changed = true; changed;) {
      changed = false;
      for (const Id id : accesses_) {
        changed |= all_or_none(f_.nodes[id].imm, f_.nodes[id].imm + f_.nodes[id].size, kMostPerLoad);
      }
      for (const Reader& reader : readers_) {
        changed |= all_or_none(reader.offset, reader.offset + reader.bytes, kMostPieces);
      }
    }
  }

  bool all_or_none(std::int64_t begin, std::int64_t end, std::size_t most) {
    bool all = true, any = false, changed = false;
    std::size_t count = 0;
    for_pieces(begin, end, [&](std::uint32_t p) {
      const bool good = p != kNone && pieces_[p].good;
      // A helper's bytes are put in place whole: no piece may stick out of them.
      all &= good && (most == kMostPerLoad || (pieces_[p].begin >= begin && pieces_[p].end <= end));
      any |= good;
      ++count;
    });
    if (!any || (all && count <= most)) {
      return false;
    }
    for_pieces(begin, end, [&](std::uint32_t p) {
      if (p != kNone) {
        changed |= pieces_[p].good;
        pieces_[p].good = false;
      }
    });
    return changed;
  }

  bool promoted(const Node& n) const {
    return direct(n) && piece_at_[index(n.imm)] != kNone && pieces_[piece_at_[index(n.imm)]].good;
  }

  /// Whether the block has anything to do with the stack.
  bool has_accesses(BlockId block) const { return touched_[block]; }

  Id add_before(List<Id>& nodes, BlockId block, Node node) {
    node.block = block;
    const Id id = f_.make(node);
    const Id now = simplify(f_, id, PassSet());
    if (now == id) {
      nodes.push_back(id);
    }
    return now;
  }

  void rewrite() {
    VariableBuilder variables(f_, static_cast<std::uint32_t>(std::min(pieces_.size(), kMostPieces)));
    // First what is stored, so that reads from other blocks find it; then the loads.
    List<List<std::pair<Id, List<Id>>>> stores(f_.blocks.size());
    for (const BlockId block : f_.order) {
      if (!has_accesses(block)) {
        continue;
      }
      List<Id> nodes;
      for (const Id id : List<Id>(f_.blocks[block].nodes)) {
        const Node n = f_.nodes[id];
        nodes.push_back(id);
        if (n.op != Op::kStore || !promoted(n)) {
          continue;
        }
        List<Id> parts;
        for_pieces(n, [&](std::uint32_t p) {
          const Id part = part_of(nodes, block, n.in[2], pieces_[p].begin - n.imm, pieces_[p].end - pieces_[p].begin, n.slot);
          parts.push_back(part);
          variables.write(block, p, part);
        });
        stores[block].emplace_back(id, std::move(parts));
      }
      f_.blocks[block].nodes = std::move(nodes);
    }
    for (const BlockId block : List<BlockId>(f_.order)) {
      if (!has_accesses(block)) {
        continue;
      }
      rewrite_loads(block, variables, stores[block]);
    }
    f_.touch_nodes();
    f_.sweep();
  }

  /// Bytes [from, from + bytes) of a value.
  Id part_of(List<Id>& nodes, BlockId block, Id value, std::int64_t from, std::int64_t bytes, std::uint32_t slot) {
    if (from != 0) {
      value = add_before(nodes, block, {.op = Op::kShr, .in = {value, f_.constant(static_cast<std::uint64_t>(8 * from)), kNone}, .slot = slot});
    }
    if (bytes == 8) {
      return value;
    }
    if (bytes == 1 || bytes == 2 || bytes == 4) {
      return add_before(nodes, block, {.op = Op::kZext, .size = static_cast<std::uint8_t>(bytes), .in = {value, kNone, kNone}, .slot = slot});
    }
    const std::uint64_t mask = (std::uint64_t{1} << (8 * bytes)) - 1;
    return add_before(nodes, block, {.op = Op::kAnd, .in = {value, f_.constant(mask), kNone}, .slot = slot});
  }

  void rewrite_loads(BlockId block, VariableBuilder& variables, List<std::pair<Id, List<Id>>>& stores) {
    List<Id> now(pieces_.size(), kNone);  // pieces' values in this block so far
    List<Id> nodes;
    std::size_t next_store = 0;
    const List<Id> old = f_.blocks[block].nodes;
    f_.blocks[block].nodes.clear();  // phis may be put here meanwhile
    for (const Id id : old) {
      const Node n = f_.nodes[id];
      for_readers(id, [&](const Reader& reader) { put_in_place(nodes, block, reader, now, variables); });
      if (!promoted(n)) {
        nodes.push_back(id);
        continue;
      }
      if (n.op == Op::kStore) {
        std::size_t part = 0;
        for_pieces(n, [&](std::uint32_t p) { now[p] = stores[next_store].second[part++]; });
        ++next_store;
        f_.nodes[id].block = kNone;
        continue;
      }
      List<std::pair<std::uint32_t, Id>> parts;
      for_pieces(n, [&](std::uint32_t p) {
        parts.emplace_back(p, now[p] != kNone ? now[p] : variables.read_start(block, p));
      });
      f_.replace(id, put_together(nodes, block, n, parts));
    }
    auto& made = f_.blocks[block].nodes;  // phis
    made.insert(made.end(), nodes.begin(), nodes.end());
    std::stable_partition(made.begin(), made.end(), [this](Id id) { return f_.nodes[id].op == Op::kPhi; });
  }

  /// Stores of what a helper is about to read, as wide as they can be.
  void put_in_place(List<Id>& nodes, BlockId block, const Reader& reader, const List<Id>& now, VariableBuilder& variables) {
    if (piece_at_[index(reader.offset)] == kNone || !pieces_[piece_at_[index(reader.offset)]].good) {
      return;
    }
    const std::int64_t end = reader.offset + reader.bytes;
    for (std::int64_t at = reader.offset; at < end;) {
      std::uint8_t size = 8;
      while (at + size > end) {
        size /= 2;
      }
      Node store{.op = Op::kStore, .size = size, .region = static_cast<ValueKinds>(ValueKind::kStack), .in = {f_.frame, kNone, kNone}, .imm = at, .slot = f_.nodes[reader.call].slot};
      List<std::pair<std::uint32_t, Id>> parts;
      for_pieces(store, [&](std::uint32_t p) { parts.emplace_back(p, now[p] != kNone ? now[p] : variables.read_start(block, p)); });
      store.in[2] = put_together(nodes, block, store, parts);
      store.block = block;
      nodes.push_back(f_.make(store));
      at += size;
    }
  }

  Id put_together(List<Id>& nodes, BlockId block, const Node& n, const List<std::pair<std::uint32_t, Id>>& parts) {
    Id value = kNone;
    for (auto [p, part] : parts) {
      part = f_.resolve(part);
      const std::int64_t begin = pieces_[p].begin;
      if (begin < n.imm) {  // the load starts inside the piece
        part = add_before(nodes, block, {.op = Op::kShr, .in = {part, f_.constant(static_cast<std::uint64_t>(8 * (n.imm - begin))), kNone}, .slot = n.slot});
      } else if (begin > n.imm) {
        part = add_before(nodes, block, {.op = Op::kShl, .in = {part, f_.constant(static_cast<std::uint64_t>(8 * (begin - n.imm))), kNone}, .slot = n.slot});
      }
      value = value == kNone ? part : add_before(nodes, block, {.op = Op::kOr, .in = {value, part, kNone}, .slot = n.slot});
    }
    if (n.size == 8) {
      return value;
    }
    return add_before(nodes, block, {.op = n.is_signed ? Op::kSext : Op::kZext, .size = n.size, .in = {value, kNone, kNone}, .slot = n.slot});
  }

  Function& f_;
  std::bitset<kBytes> escaped_;
  List<Id> accesses_;
  List<Reader> readers_;
  List<bool> touched_;  ///< by block: there is one of either
  std::size_t stores_ = 0;
  List<Piece> pieces_;
  std::array<std::uint32_t, kBytes> piece_at_;  // set by cut()
};

}  // namespace

void promote_stack(Function& f) { StackPromotion(f).run(); }

}  // namespace kiln::ir
