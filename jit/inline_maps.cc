// SPDX-License-Identifier: Apache-2.0
//
// Calls of map_lookup_elem become the lookup itself, where the map is known: an address for arrays, and for hash tables the
// hash and the comparison for just this key size, by maps/layout.md (LOOKUP, find).
//
// The words of the key are loaded at the call, so that a key that was built on the stack never needs to be there. If the result
// is tested for NULL right away, a hit leads to one side and a miss to the other, and nothing is tested again.
#include "ir_compile.h"

#include <algorithm>

#include "helper_runtime.h"

namespace kiln {
namespace {

using ir::BlockId;
using ir::Id;
using ir::kNone;
using ir::Node;
using IrOp = ir::Op;

constexpr std::uint32_t kLookup = 1;                // helpers.def
constexpr std::size_t kAtOnce = 32;                 // lookups whose uses are rewritten in one pass
constexpr std::uint32_t kMostWords = 8;             // of a key that is compared in line
constexpr ValueKinds kInside = static_cast<ValueKinds>(ValueKind::kOther);  // links, keys: no program stores there

class MapInliner {
 public:
  MapInliner(ir::Function& f, const MapTargets& targets, bool has_crc32)
      : f_(f), maps_(targets.maps), cpu_(targets.cpu), has_crc32_(has_crc32), arena_(reinterpret_cast<std::uintptr_t>(maps_.arena().data())) {}

  void run() {
    if (!f_.has_made(IrOp::kCall)) {
      return;
    }
    ir::List<BlockId> work(f_.order.rbegin(), f_.order.rend());
    while (!work.empty()) {
      const BlockId block = work.back();
      work.pop_back();
      order_.push_back(block);
      if (const BlockId rest = expand_first(block); rest != kNone) {
        work.push_back(rest);
      }
    }
    order_.insert(order_.end(), tail_.begin(), tail_.end());
    f_.order = std::move(order_);
    for (std::size_t at = 0; at < done_.size(); at += kAtOnce) {
      rewrite_uses(at, std::min(done_.size(), at + kAtOnce));
    }
    f_.touch();
    f_.sweep();
  }

 private:
  /// A lookup that has been expanded: its value in the blocks where there is one.
  struct Done {
    Id call;
    BlockId hit, miss;
    Id address;
  };

  /// Expands the first lookup of the block that can be. \return the block with what follows it, if that is a new one.
  BlockId expand_first(BlockId block) {
    for (std::size_t i = 0; i < f_.blocks[block].nodes.size(); ++i) {
      const Node n = f_.nodes[f_.blocks[block].nodes[i]];
      if (n.op != IrOp::kCall || n.imm != kLookup || n.count != 2) {
        continue;
      }
      const Id handle = f_.resolve(f_.operands[n.list]);
      if (f_.nodes[handle].op == IrOp::kMapHandle && can_inline(static_cast<std::uint32_t>(f_.nodes[handle].imm))) {
        return expand(block, i, static_cast<std::uint32_t>(f_.nodes[handle].imm));
      }
    }
    return kNone;
  }

  bool can_inline(std::uint32_t map) const {
    const MapDescriptor& d = maps_.descriptor(map);
    switch (static_cast<MapType>(d.type)) {
      case MapType::kArray:
        return true;
      case MapType::kPercpuArray:
        return !maps_.is_shared();  // code that several threads run does not know whose value it wants
      case MapType::kHash:
      case MapType::kPercpuHash:
      case MapType::kLruHash:
      case MapType::kLruPercpuHash:
        // With other threads about, that a key is not there has to be found out with more care (maps/README.md).
        return has_crc32_ && !maps_.is_shared() && d.key_size <= 8 * kMostWords;
      default:
        return false;
    }
  }

  /// Bytes from the first processor's value to that of the one that the code is for.
  std::uint64_t own_value(const MapDescriptor& d) const { return d.cpu_count > 1 ? std::uint64_t{cpu_} * d.value_stride : 0; }

  BlockId new_block(BlockId pred) {
    const auto block = static_cast<BlockId>(f_.blocks.size());
    f_.blocks.emplace_back();
    if (pred != kNone) {
      f_.blocks[block].preds.push_back(pred);
    }
    return block;
  }
  Id emit(BlockId block, Node node) {
    node.slot = slot_;
    const Id id = f_.add(block, node);
    const Id now = ir::simplify(f_, id, {});
    if (now != id) {
      f_.blocks[block].nodes.pop_back();
    }
    return now;
  }
  Id binary(BlockId block, IrOp op, Id a, Id b, std::uint8_t bits = 64) {
    return emit(block, {.op = op, .bits = bits, .in = {a, b, kNone}});
  }
  Id load(BlockId block, Id base, std::int64_t offset, std::uint8_t size, ValueKinds region) {
    return emit(block, {.op = IrOp::kLoad, .size = size, .region = region, .in = {base, kNone, kNone}, .imm = offset});
  }
  void jump(BlockId from, BlockId to) { f_.blocks[from].end = {.kind = ir::Terminator::kJump, .to = {to, kNone}, .slot = slot_}; }
  void branch(BlockId from, ir::Cond cond, std::uint8_t bits, Id a, Id b, BlockId yes, BlockId no) {
    f_.blocks[from].end = {.kind = ir::Terminator::kBranch, .cond = cond, .bits = bits, .a = a, .b = b, .to = {yes, no}, .slot = slot_};
  }

  /// Whether the block ends in a test of the call for NULL, and what lies between doesn't need the result.
  bool tested(BlockId block, std::size_t at, Id call) {
    const ir::Terminator& end = f_.blocks[block].end;
    if (end.kind != ir::Terminator::kBranch || end.a != call || !f_.is_constant(end.b) || f_.value(end.b) != 0 || end.bits != 64 ||
        (end.cond != ir::Cond::kEq && end.cond != ir::Cond::kNe)) {
      return false;
    }
    const auto& nodes = f_.blocks[block].nodes;
    for (std::size_t i = at + 1; i < nodes.size(); ++i) {
      const IrOp op = f_.nodes[nodes[i]].op;
      bool uses = ir::is_barrier(op);
      ir::for_operands(f_, nodes[i], [&](Id& operand) { uses |= f_.resolve(operand) == call; });
      if (uses) {
        return false;
      }
    }
    return true;
  }

  BlockId expand(BlockId block, std::size_t at, std::uint32_t map) {
    const Id call = f_.blocks[block].nodes[at];
    slot_ = f_.nodes[call].slot;
    const Id key = f_.resolve(f_.operands[f_.nodes[call].list + 1]);
    const bool direct = tested(block, at, call);
    const ir::List<Id> rest(f_.blocks[block].nodes.begin() + static_cast<std::ptrdiff_t>(at) + 1, f_.blocks[block].nodes.end());
    const ir::Terminator end = f_.blocks[block].end;
    f_.blocks[block].nodes.resize(at);
    f_.nodes[call].block = kNone;
    const ir::List<Id> words = key_words(block, key, maps_.descriptor(map).key_size);
    BlockId after = kNone;
    if (direct) {
      f_.blocks[block].nodes.insert(f_.blocks[block].nodes.end(), rest.begin(), rest.end());
    } else {
      after = new_block(kNone);
      f_.blocks[after].nodes = rest;
      for (const Id id : rest) {
        f_.nodes[id].block = after;
      }
      f_.blocks[after].end = end;
    }
    const BlockId hit = new_block(kNone), miss = new_block(kNone);
    order_.push_back(hit);
    tail_.push_back(miss);
    const MapDescriptor& d = maps_.descriptor(map);
    const bool array = is_array(static_cast<MapType>(d.type));
    Done done{.call = call, .hit = hit, .miss = miss, .address = kNone};
    done.address = array ? array_lookup(block, d, words[0], hit, miss) : hash_lookup(block, d, words, hit, miss);
    if (is_lru(static_cast<MapType>(d.type))) {
      done.hit = mark_referenced(done.hit, done.address, d);
    }
    connect(block, after, done, end);
    done_.push_back(done);
    return after;
  }

  /// Hit and miss lead to the sides of the test, or both to what follows.
  void connect(BlockId block, BlockId after, const Done& done, const ir::Terminator& end) {
    if (after != kNone) {
      jump(done.hit, after);
      jump(done.miss, after);
      f_.blocks[after].preds = {done.hit, done.miss};
      for (unsigned i = 0; i < end.targets(); ++i) {
        f_.replace_pred(end.to[i], block, after);
      }
      return;
    }
    const bool equal = end.cond == ir::Cond::kEq;
    jump(done.miss, end.to[equal ? 0 : 1]);
    jump(done.hit, end.to[equal ? 1 : 0]);
    f_.replace_pred(end.to[equal ? 0 : 1], block, done.miss);
    f_.replace_pred(end.to[equal ? 1 : 0], block, done.hit);
  }

  /// 8-byte words, the last one zero-padded; by pieces of 8, 4, 2, 1 bytes, as programs write them.
  ir::List<Id> key_words(BlockId block, Id key, std::uint32_t size) {
    ir::List<Id> words;
    for (std::uint32_t at = 0; at < size; at += 8) {
      Id word = kNone;
      std::uint32_t done = 0;
      for (const std::uint8_t part : std::initializer_list<std::uint8_t>{8, 4, 2, 1}) {
        if (done + part > std::min(size - at, 8u)) {
          continue;
        }
        Id piece = load(block, key, at + done, part, 0);
        if (done != 0) {
          piece = binary(block, IrOp::kShl, piece, f_.constant(8 * done));
        }
        word = word == kNone ? piece : binary(block, IrOp::kOr, word, piece);
        done += part;
      }
      words.push_back(word);
    }
    return words;
  }

  Id array_lookup(BlockId block, const MapDescriptor& d, Id index, BlockId hit, BlockId miss) {
    f_.blocks[hit].preds = {block};
    f_.blocks[miss].preds = {block};
    branch(block, ir::Cond::kUlt, 32, index, f_.constant(d.max_entries), hit, miss);
    const Id offset = binary(hit, IrOp::kMul, index, f_.constant(d.entry_stride));
    return binary(hit, IrOp::kAdd, offset, f_.constant(arena_ + d.entries + own_value(d)));
  }

  Id hash_lookup(BlockId block, const MapDescriptor& d, const ir::List<Id>& words, BlockId hit, BlockId miss) {
    Id hash = f_.constant(kHashSeed);
    for (const Id word : words) {
      hash = binary(block, IrOp::kCrc32c, hash, word);
    }
    const Id bucket = binary(block, IrOp::kAnd, hash, f_.constant(d.bucket_mask), 32);
    const Id first = emit(block, {.op = IrOp::kLoad, .size = 4, .scale = 2, .region = kInside,
                                  .in = {f_.constant(arena_ + d.buckets), bucket, kNone}});
    const BlockId look = new_block(block), next = new_block(look);
    order_.insert(order_.end() - 1, look);  // right before the hit
    tail_.push_back(next);
    branch(block, ir::Cond::kEq, 32, first, f_.constant(0), miss, look);
    f_.blocks[look].preds.push_back(next);
    const Id link = f_.add(look, {.op = IrOp::kPhi, .slot = slot_, .maybe = 0xffff'ffff});
    const Id scaled = binary(look, IrOp::kMul, link, f_.constant(d.entry_stride));
    const Id entry = binary(look, IrOp::kAdd, scaled, f_.constant(arena_ + d.entries - d.entry_stride));
    compare_key(look, entry, words, hit, next);
    f_.blocks[hit].preds = {look};
    const Id chain = load(next, entry, 0, 4, kInside);
    const Id second = binary(next, IrOp::kAnd, chain, f_.constant(kEntryNextMask), 32);
    branch(next, ir::Cond::kEq, 32, second, f_.constant(0), miss, look);
    f_.blocks[miss].preds = {block, next};
    const std::array<Id, 2> links = {first, second};
    f_.nodes[link].list = f_.add_list(links);
    f_.nodes[link].count = 2;
    return binary(hit, IrOp::kAdd, entry, f_.constant(d.value_offset + own_value(d)));
  }

  void compare_key(BlockId block, Id entry, const ir::List<Id>& words, BlockId equal, BlockId differs) {
    Id difference = kNone;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const Id stored = load(block, entry, static_cast<std::int64_t>(sizeof(MapEntry) + 8 * i), 8, kInside);
      if (words.size() == 1) {
        branch(block, ir::Cond::kEq, 64, stored, words[0], equal, differs);
        return;
      }
      const Id one = binary(block, IrOp::kXor, words[i], stored);
      difference = difference == kNone ? one : binary(block, IrOp::kOr, difference, one);
    }
    branch(block, ir::Cond::kEq, 64, difference, f_.constant(0), equal, differs);
  }

  /// LRU: the bit is written only where it is clear. \return the block in which the value is at hand.
  BlockId mark_referenced(BlockId hit, Id value, const MapDescriptor& d) {
    const std::int64_t entry = -static_cast<std::int64_t>(d.value_offset + own_value(d));
    const Id state = load(hit, value, entry, 4, kInside);
    const BlockId mark = new_block(hit), done = new_block(hit);
    f_.blocks[done].preds.push_back(mark);
    branch(hit, ir::Cond::kSet, 32, state, f_.constant(kEntryReferenced), done, mark);
    // Atomically, as the link beside it may be changed by another thread.
    emit(mark, {.op = IrOp::kAtomic, .bits = 32, .size = 4, .region = kInside, .aux = 0x40,
                .in = {value, f_.constant(kEntryReferenced), kNone}, .imm = entry});
    jump(mark, done);
    order_.push_back(done);
    tail_.push_back(mark);
    return done;
  }

  void rewrite_uses(std::size_t begin, std::size_t end) {
    ir::VariableBuilder variables(f_, static_cast<std::uint32_t>(end - begin));
    ir::List<std::uint32_t> variable(f_.nodes.size(), kNone);
    for (std::size_t i = begin; i < end; ++i) {
      const auto v = static_cast<std::uint32_t>(i - begin);
      variable[done_[i].call] = v;
      variables.write(done_[i].hit, v, done_[i].address);
      variables.write(done_[i].miss, v, f_.constant(0));
    }
    const auto of = [&](Id id) { return id < variable.size() ? variable[id] : kNone; };
    for (const BlockId block : ir::List<BlockId>(f_.order)) {
      for (const Id id : ir::List<Id>(f_.blocks[block].nodes)) {
        if (f_.nodes[id].op == IrOp::kPhi) {
          for (std::uint32_t i = 0; i < f_.nodes[id].count; ++i) {
            if (const std::uint32_t v = of(f_.operands[f_.nodes[id].list + i]); v != kNone) {
              const Id now = variables.read_end(f_.blocks[block].preds[i], v);
              f_.operands[f_.nodes[id].list + i] = now;
            }
          }
        } else {
          ir::change_operands(f_, id, [&](Id in) { return of(in) == kNone ? in : variables.read_start(block, of(in)); });
        }
      }
      ir::Terminator terminator = f_.blocks[block].end;
      ir::for_operands(terminator, [&](Id& in) { in = of(in) == kNone ? in : variables.read_start(block, of(in)); });
      f_.blocks[block].end = terminator;
    }
  }

  ir::Function& f_;
  const MapSet& maps_;
  std::uint32_t cpu_;
  bool has_crc32_;
  std::uint64_t arena_;
  std::uint32_t slot_ = 0;
  ir::List<BlockId> order_, tail_;
  ir::List<Done> done_;
};

}  // namespace

void inline_maps(ir::Function& f, const MapTargets& targets, bool has_crc32) { MapInliner(f, targets, has_crc32).run(); }

}  // namespace kiln
