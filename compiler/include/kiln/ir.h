// SPDX-License-Identifier: Apache-2.0
//
// The intermediate form of one BPF function: static single assignment over basic blocks, independent of any target.
//
// Built from a verified program (build_ir), changed by passes (ir_passes.h), lowered by a back end. Constants and what is
// known from the function's start belong to no block. Values are 64 bits wide. Ids never move: a node that
// was replaced forwards to its replacement (Function::resolve), and is left in no block.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kiln/compile_memory.h>
#include <kiln/facts.h>
#include <kiln/program.h>

namespace kiln::ir {

using Id = std::uint32_t;       ///< of a node
using BlockId = std::uint32_t;  ///< index into Function::blocks
inline constexpr std::uint32_t kNone = 0xffff'ffff;

/// A vector whose memory comes from the thread's CompileMemory, if there is one: what a function consists of, and what passes need meanwhile.
template <typename T>
using List = std::vector<T, CompileAllocator<T>>;

enum class Op : std::uint8_t {
#define KILN_IR_OP(name, ...) name,
#include <kiln/ir_ops.def>
};
std::string_view op_text(Op op);
constexpr bool is_pure(Op op) {
  constexpr bool kPure[] = {
#define KILN_IR_OP(name, text, operands, pure) pure,
#include <kiln/ir_ops.def>
  };
  return kPure[static_cast<std::size_t>(op)];
}

/// Whether code of others runs: helpers, functions, programs.
constexpr bool is_call(Op op) {
  return op == Op::kCall || op == Op::kCallKernel || op == Op::kLoadPacket || op == Op::kCallLocal || op == Op::kTailCall;
}
/// Whether accesses of memory stay on the side of it on which they are.
constexpr bool is_barrier(Op op) { return is_call(op) || op == Op::kLoadAcquire || op == Op::kStoreRelease; }

enum class Cond : std::uint8_t { kEq, kNe, kUgt, kUge, kUlt, kUle, kSgt, kSge, kSlt, kSle, kSet, kNotSet };
Cond negated(Cond cond);
std::string_view cond_text(Cond cond);

struct Node {
  Op op = Op::kConst;
  std::uint8_t bits = 64;
  std::uint8_t size = 0;      ///< bytes: memory access, kSwap, kZext, kSext
  std::uint8_t scale = 0;     ///< of the index, as a shift
  bool is_signed = false;     ///< kLoad: sign-extends
  bool fetches = false;       ///< kAtomic: the old value is wanted
  ValueKinds region = 0;      ///< memory access: what the base points at, 0 unknown
  std::uint8_t aux = 0;       ///< kAtomic: low byte of isa.def's imm; divisions: 1 if the divisor is never 0; kCall: the back end's
  std::array<Id, 3> in = {kNone, kNone, kNone};
  std::int64_t imm = 0;
  std::uint32_t list = 0, count = 0;  ///< operands of kPhi and calls: a part of Function::operands
  BlockId block = kNone;              ///< kNone: in no block (constants, or deleted)
  std::uint32_t slot = 0;             ///< BPF slot it came from
  std::uint64_t maybe = ~std::uint64_t{0};  ///< bits that may be set
};

struct Terminator {
  enum Kind : std::uint8_t { kJump, kBranch, kReturn, kTrap };
  Kind kind = kTrap;
  Cond cond = Cond::kEq;
  std::uint8_t bits = 64;
  Id a = kNone, b = kNone;                      ///< kBranch: compared; kReturn: a
  std::array<BlockId, 2> to = {kNone, kNone};  ///< kJump: to[0]; kBranch: to[0] if the condition holds
  std::uint32_t slot = 0;
  unsigned targets() const { return kind == kJump ? 1 : kind == kBranch ? 2 : 0; }
};

struct Block {
  List<Id> nodes;  ///< phis first
  List<BlockId> preds;
  Terminator end;
  std::uint32_t loop_depth = 0;
};

/// Orders over blocks. Kept by the function until an edge changes.
struct BlockOrders {
  List<BlockId> rpo;          ///< reverse postorder from the entry
  List<std::uint32_t> rank;   ///< by block: its place in rpo; kNone: not reached
  List<BlockId> idom;         ///< by block: immediate dominator; the entry's is itself. Empty until somebody asks
  List<std::uint32_t> enter, size;  ///< by block: its place in a preorder of the dominator tree, and how many blocks it dominates
  bool loops = false;         ///< some edge goes back in rpo
};

/// What passes need to know of a map.
struct MapSizes {
  std::uint32_t key = 0, value = 0;  ///< bytes
};

/// One function of a program, with what was inlined into it.
struct Function {
  const Program* program = nullptr;
  std::uint32_t number = 0;       ///< in Program order
  Id frame = kNone;               ///< its kFrame
  std::uint32_t frame_bytes = 0;  ///< a callee's R10 lies this far below
  List<Node> nodes;
  List<Block> blocks;      ///< [0] is the entry
  List<BlockId> order;     ///< layout; reachable blocks only
  List<Id> operands;
  bool context_changes = true;    ///< some helper moves the packet's ends: context words may differ after calls
  List<MapSizes> maps;     ///< by map index; empty: unknown

  // Making and replacing.
  Id constant(std::uint64_t value);
  Id add(BlockId block, const Node& node);  ///< at the block's end
  Id make(const Node& node);                ///< in no list of nodes yet
  std::uint32_t add_list(std::span<const Id> ids);
  void replace(Id old, Id by);              ///< all uses; `old` is removed from its block by sweep()
  Id resolve(Id id) {
    while (forward[id] != id) {
      id = forward[id] = forward[forward[id]];
    }
    return id;
  }
  /// Whether there has ever been such a node that was not changed into it.
  bool has_made(Op op) const { return (made_ >> static_cast<unsigned>(op) & 1) != 0; }
  bool is_replaced(Id id) const { return forward[id] != id; }
  std::span<Id> list(Id id) { return {operands.data() + nodes[id].list, nodes[id].count}; }
  std::span<const Id> list(Id id) const { return {operands.data() + nodes[id].list, nodes[id].count}; }

  bool is_constant(Id id) const { return nodes[id].op == Op::kConst; }
  std::uint64_t value(Id id) const { return static_cast<std::uint64_t>(nodes[id].imm); }

  /// The operand of a phi that comes along the edge from `pred`. REQUIRES: there is such an edge.
  Id& phi_operand(Id phi, BlockId pred);
  std::size_t pred_index(BlockId block, BlockId pred) const;
  void remove_pred(BlockId block, BlockId pred);   ///< with the phis' operands
  void add_pred(BlockId block, BlockId pred);      ///< phis must be given their operand by the caller (last)
  void replace_pred(BlockId block, BlockId old, BlockId by);
  /// Resolves every operand, drops replaced nodes and unreachable blocks; nothing if nothing was replaced and no edge changed.
  void sweep();
  void touch() { swept = edges_swept = orders_good = false, ++changes; }  ///< after changing edges or blocks by hand
  void touch_nodes() { swept = false, ++changes; }                        ///< after taking nodes out, or changing operands, by hand
  /// sweep() where all that is left of replaced nodes is operands of phis that come along edges back: after a pass that resolved the
  /// operands of every node, in reverse postorder, and replaced each node when it came by, if at all.
  void sweep_loops();

  List<Id> forward;
  bool swept = false, edges_swept = false;
  std::uint32_t changes = 1;                 ///< counts what may give a pass something to do
  std::uint32_t dead_at = 0, common_at = 0, branches_at = 0;  ///< changes when remove_dead(), eliminate_common(), branches() had nothing left to do
  List<std::uint64_t> settled;               ///< by node: what simplify() saw when it had nothing left to do (signature()); 0: it was not there
  mutable BlockOrders orders;                ///< of reverse_postorder() and dominators()
  mutable bool orders_good = false;

 private:
  void sweep_edges();
  std::uint64_t made_ = 0;  ///< bits: operations
  List<Id> constants_;  ///< by value: open addressing, half full at most
  std::uint32_t constant_count_ = 0;
};

/// Calls visit(Id&) for every operand of a node.
template <typename Visit>
void for_operands(Function& f, Id id, Visit&& visit) {
  Node& node = f.nodes[id];
  for (Id& in : node.in) {
    if (in != kNone) {
      visit(in);
    }
  }
  for (std::uint32_t i = 0; i < node.count; ++i) {
    visit(f.operands[node.list + i]);
  }
}
/// Replaces every operand of a node by change(operand), which may make nodes.
template <typename Change>
void change_operands(Function& f, Id id, Change&& change) {
  for (unsigned i = 0; i < 3; ++i) {
    if (const Id in = f.nodes[id].in[i]; in != kNone) {
      const Id now = change(in);
      f.nodes[id].in[i] = now;
    }
  }
  for (std::uint32_t i = 0; i < f.nodes[id].count; ++i) {
    const Id now = change(f.operands[f.nodes[id].list + i]);
    f.operands[f.nodes[id].list + i] = now;
  }
}
template <typename Visit>
void for_operands(Terminator& end, Visit&& visit) {
  if (end.a != kNone) {
    visit(end.a);
  }
  if (end.b != kNone) {
    visit(end.b);
  }
}

/// Text, one node per line, with BPF instructions and source lines in between.
std::string to_text(Function& function);

/// Blocks in reverse postorder from the entry. Good until an edge changes.
const List<BlockId>& reverse_postorder(const Function& f);
/// Immediate dominators by block (the entry's is itself), kNone for unreachable ones. Good until an edge changes.
const List<BlockId>& dominators(const Function& f);
/// Whether some edge goes back.
bool has_loops(const Function& f);

/// What passes over loops ask of the orders. Good until an edge changes.
struct Dominance {
  explicit Dominance(const Function& f) : rpo(reverse_postorder(f)), idom(dominators(f)), rank(f.orders.rank), orders(f.orders) {}
  /// REQUIRES: both are reachable.
  bool dominates(BlockId above, BlockId block) const { return orders.enter[block] - orders.enter[above] < orders.size[above]; }
  /// Whether the edge goes back to the header of a loop.
  bool goes_back(BlockId from, BlockId to) const { return rank[from] >= rank[to] && dominates(to, from); }

  const List<BlockId>&rpo, &idom;
  const List<std::uint32_t>& rank;  ///< by block: its place in rpo

 private:
  const BlockOrders& orders;
};

/// Calls visit(id) for every node, in reverse postorder, and visit_end(terminator) for every block's end, their operands resolved, and takes out
/// what was replaced. REQUIRES: visit replaces at most the node that it is given, and puts none into a block; edges stay.
template <typename Visit, typename VisitEnd>
void rewrite_nodes(Function& f, Visit&& visit, VisitEnd&& visit_end) {
  if (!f.edges_swept) {
    f.sweep();
  }
  const auto fix = [&f](Id& operand) { operand = f.resolve(operand); };
  for (const BlockId block : reverse_postorder(f)) {
    List<Id>& nodes = f.blocks[block].nodes;
    std::size_t kept = 0;
    for (const Id id : nodes) {
      if (f.is_replaced(id) || f.nodes[id].block != block) {
        continue;
      }
      for_operands(f, id, fix);
      visit(id);
      if (!f.is_replaced(id)) {
        nodes[kept++] = id;
      }
    }
    nodes.resize(kept);
    for_operands(f.blocks[block].end, fix);
    visit_end(f.blocks[block].end);
  }
  f.sweep_loops();
}

/// Sets Block::loop_depth.
void find_loops(Function& f);

}  // namespace kiln::ir
