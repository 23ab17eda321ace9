// SPDX-License-Identifier: Apache-2.0
//
// Atomic operations on memory that no other thread has: a load, the operation, a store. Compare-and-exchange stays what it is.
#include <algorithm>

#include <kiln/ir_passes.h>

namespace kiln::ir {
namespace {

/// The operation of Node::aux; kConst: exchange.
Op operation(std::uint8_t aux) {
  switch (aux) {
    case 0x40: return Op::kOr;
    case 0x50: return Op::kAnd;
    case 0xa0: return Op::kXor;
    case 0xe0: return Op::kConst;
    default: return Op::kAdd;
  }
}

}  // namespace

void make_atomics_plain(Function& f) {
  if (!f.has_made(Op::kAtomic)) {
    return;
  }
  for (const BlockId block : f.order) {
    const auto is_atomic = [&f](Id id) { return f.nodes[id].op == Op::kAtomic; };
    if (std::none_of(f.blocks[block].nodes.begin(), f.blocks[block].nodes.end(), is_atomic)) {
      continue;
    }
    List<Id> nodes;
    const auto put = [&](Node node) {
      node.block = block;
      nodes.push_back(f.make(node));
      f.nodes[nodes.back()].maybe = node.size == 4 ? 0xffff'ffff : ~std::uint64_t{0};
      return nodes.back();
    };
    for (const Id id : List<Id>(f.blocks[block].nodes)) {
      if (!is_atomic(id)) {
        nodes.push_back(id);
        continue;
      }
      const Node n = f.nodes[id];
      const Id base = f.resolve(n.in[0]), by = f.resolve(n.in[1]);
      const Op op = operation(n.aux);
      const Id old = put({.op = Op::kLoad, .size = n.size, .region = n.region, .in = {base, kNone, kNone}, .imm = n.imm, .slot = n.slot});
      const Id now = op == Op::kConst ? by : put({.op = op, .bits = static_cast<std::uint8_t>(8 * n.size), .in = {old, by, kNone}, .slot = n.slot});
      put({.op = Op::kStore, .size = n.size, .region = n.region, .in = {base, kNone, now}, .imm = n.imm, .slot = n.slot});
      f.replace(id, old);
    }
    f.blocks[block].nodes = std::move(nodes);
  }
  f.sweep();
}

}  // namespace kiln::ir
