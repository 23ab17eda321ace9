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
#include <unordered_map>
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
bool is_pure(Op op);

/// Whether code of others runs: helpers, functions, programs.
constexpr bool is_call(Op op) { return op == Op::kCall || op == Op::kCallLocal || op == Op::kTailCall; }

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
  void touch() { swept = rpo_good = false; }  ///< after changing edges, or taking nodes or blocks out, by hand

  List<Id> forward;
  bool swept = false;
  mutable List<BlockId> rpo;      ///< of reverse_postorder(), kept until an edge changes
  mutable bool rpo_good = false;
  std::unordered_map<std::uint64_t, Id> constants;
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

/// Blocks in reverse postorder from the entry.
List<BlockId> reverse_postorder(const Function& f);
/// Immediate dominators by block (the entry's is itself), kNone for unreachable ones.
List<BlockId> dominators(const Function& f, std::span<const BlockId> rpo);

/// Both, and what passes over loops ask of them.
struct Dominance {
  explicit Dominance(const Function& f);
  /// REQUIRES: both are reachable.
  bool dominates(BlockId above, BlockId block) const;
  /// Whether the edge goes back to the header of a loop.
  bool goes_back(BlockId from, BlockId to) const { return rank[from] >= rank[to] && dominates(to, from); }

  List<BlockId> rpo, idom;
  List<std::uint32_t> rank;  ///< by block: its place in rpo
};

/// Sets Block::loop_depth.
void find_loops(Function& f);

}  // namespace kiln::ir
