// SPDX-License-Identifier: Apache-2.0
//
// From verified BPF instructions to SSA form: blocks, edges, and registers as values.
//
// M. Braun et al., Simple and Efficient Construction of Static Single Assignment Form, 2013: a register's value is
// looked up through the predecessors, and a phi is put where they differ. Blocks are visited in reverse
// postorder, so that only loop headers have predecessors still to come.
#include "build.h"

#include <algorithm>

#include <fmt/format.h>

namespace kiln::ir {

using Bpf = kiln::Op;
namespace {

constexpr std::int32_t kDynptrData = 203;
constexpr std::uint32_t kMaxRounds = 8 * 1024 * 1024;  // BPF_MAX_LOOPS: of may_goto, for each run of a function

bool is_conditional(Form form) { return form == Form::kJmpImm || form == Form::kJmpReg || form == Form::kMayGoto; }
bool ends_block(Form form) {
  return is_conditional(form) || form == Form::kJa || form == Form::kJa32 || form == Form::kExit || form == Form::kLdPacket;
}
std::uint32_t jump_target(const Insn& insn, Form form, std::uint32_t slot) {
  return slot + 1 + static_cast<std::uint32_t>(form == Form::kJa32 ? insn.imm : insn.off);
}

}  // namespace

Result<Function> build_ir(const Program& program, const Facts& facts, std::uint32_t function,
                          std::span<const std::uint32_t> frame_bytes, PassSet passes) {
  KILN_CHECK(facts.insns.size() == program.insns.size());
  return Builder(program, facts, frame_bytes, passes).build(function);
}

Result<Function> Builder::build(std::uint32_t function) {
  constexpr std::size_t kNodesPerSlot = 3;
  f_.nodes.reserve(kNodesPerSlot * program_.insns.size());
  f_.forward.reserve(kNodesPerSlot * program_.insns.size());
  f_.settled.reserve(kNodesPerSlot * program_.insns.size());
  f_.program = &program_;
  f_.number = function;
  f_.frame_bytes = frame_bytes_[function];
  // Other contexts than XDP's can be stored to, by the program and by helpers.
  f_.context_changes = facts_.changes_packet || program_.type != ProgramType::kXdp;
  calls_.assign(program_.subprograms.size(), 0);
  infos_.assign(program_.insns.size(), nullptr);
  for (std::uint32_t slot = 0; slot < program_.insns.size(); ++slot) {
    const InsnInfo* info = reachable(slot) ? find_insn(at(slot)) : nullptr;
    infos_[slot] = info;
    may_go_round_ |= info != nullptr && info->form == Form::kMayGoto;
    lends_memory_ |= info != nullptr && (info->op == Bpf::CALL_KFUNC || (info->op == Bpf::CALL_HELPER && at(slot).imm == kDynptrData));
    if (info != nullptr && info->op == Bpf::CALL_LOCAL) {
      ++calls_[static_cast<std::size_t>(&program_.subprogram_of(slot + 1 + static_cast<std::uint32_t>(at(slot).imm)) - program_.subprograms.data())];
    }
  }
  const Subprogram& sub = program_.subprograms[function];
  Scope scope{.number = function, .start = sub.start, .end = sub.end, .step = std::uint64_t{1} << 40};
  scope.frame = f_.frame = f_.make({.op = ir::Op::kFrame});
  at_ = new_block(0);
  expected_[at_] = 0;
  sealed_[at_] = true;
  for (unsigned i = 1; i <= 5; ++i) {
    write(i, f_.make({.op = ir::Op::kArgument, .imm = i}));
  }
  begin_rounds();
  KILN_TRY(build_scope(scope, at_));
  f_.order.resize(f_.blocks.size());
  for (BlockId id = 0; id < f_.blocks.size(); ++id) {
    f_.order[id] = id;
  }
  std::stable_sort(f_.order.begin(), f_.order.end(), [this](BlockId a, BlockId b) { return keys_[a] < keys_[b]; });
  f_.touch();
  f_.sweep();
  return std::move(f_);
}

BlockId Builder::new_block(std::uint64_t key) {
  const auto id = static_cast<BlockId>(f_.blocks.size());
  f_.blocks.emplace_back();
  defs_.emplace_back().fill(kNone);
  expected_.push_back(0);
  sealed_.push_back(false);
  incomplete_.emplace_back();
  keys_.push_back(key);
  return id;
}

/// After the instruction at `slot`.
Builder::NextSlots Builder::next_slots(std::uint32_t slot) const {
  const InsnInfo& info = this->info(slot);
  if (info.form == Form::kExit) {
    return {};
  }
  if (info.form == Form::kJa || info.form == Form::kJa32) {
    return {{jump_target(at(slot), info.form, slot)}, 1};
  }
  const std::uint32_t next = slot + (at(slot).is_wide() ? 2 : 1);
  if (!is_conditional(info.form)) {
    return {{next}, 1};
  }
  const std::uint32_t target = jump_target(at(slot), info.form, slot);
  const InsnFact& fact = facts_.insns[slot];
  const bool known = info.form != Form::kMayGoto && fact.branch_taken != fact.branch_not_taken && passes_.has(Pass::kFacts);
  if (target == next || (known && fact.branch_not_taken) || !reachable(target)) {
    return {{next}, 1};
  }
  if ((known && fact.branch_taken) || !reachable(next)) {
    return {{target}, 1};
  }
  return {{target, next}, 2};
}

/// The last slot of the block that starts at `slot`.
std::uint32_t Builder::block_end(const Scope& scope, std::uint32_t slot) const {
  for (;;) {
    const std::uint32_t next = slot + (at(slot).is_wide() ? 2 : 1);
    if (ends_block(info(slot).form) || next >= scope.end || scope.blocks[next - scope.start] != kNone) {
      return slot;
    }
    slot = next;
  }
}

void Builder::find_blocks(Scope& scope) {
  scope.blocks.assign(scope.end - scope.start, kNone);
  List<bool> leader(scope.end - scope.start);
  leader[0] = true;
  for (std::uint32_t slot = scope.start; slot < scope.end; ++slot) {
    if (!reachable(slot)) {
      continue;
    }
    if (ends_block(info(slot).form)) {
      for (const std::uint32_t next : next_slots(slot)) {
        leader[next - scope.start] = true;
      }
    }
    slot += at(slot).is_wide() ? 1 : 0;
  }
  for (std::uint32_t i = 0; i < leader.size(); ++i) {
    if (leader[i]) {
      scope.blocks[i] = new_block(scope.key + (i + 1) * scope.step);
    }
  }
}

/// First slots of the blocks, in reverse postorder.
List<std::uint32_t> Builder::visit_order(const Scope& scope) const {
  List<std::uint32_t> order;
  List<bool> seen(scope.end - scope.start);
  List<std::pair<std::uint32_t, NextSlots>> stack;
  const auto enter = [&](std::uint32_t slot) {
    seen[slot - scope.start] = true;
    stack.emplace_back(slot, next_slots(block_end(scope, slot)));
  };
  enter(scope.start);
  while (!stack.empty()) {
    auto& [slot, next] = stack.back();
    if (next.count == 0) {
      order.push_back(slot);
      stack.pop_back();
      continue;
    }
    const std::uint32_t to = next[--next.count];
    if (!seen[to - scope.start]) {
      enter(to);
    }
  }
  std::reverse(order.begin(), order.end());
  return order;
}

void Builder::connect(BlockId from, BlockId to) {
  f_.blocks[to].preds.push_back(from);
  if (f_.blocks[to].preds.size() == expected_[to]) {
    seal(to);
  }
}

/// All predecessors are there: phis get their operands.
void Builder::seal(BlockId block) {
  sealed_[block] = true;
  for (const auto& [variable, phi] : incomplete_[block]) {
    List<Id> operands;
    for (const BlockId pred : f_.blocks[block].preds) {
      operands.push_back(read(pred, variable));
    }
    complete_phi(f_, phi, operands, passes_);
  }
  incomplete_[block].clear();
}

Id Builder::read(BlockId block, unsigned variable) {
  const Id id = defs_[block][variable];
  return id < kBusy ? f_.resolve(id) : read_slow(block, variable);
}

/// A phi is also made where predecessors are still to come.
Id Builder::read_slow(BlockId block, unsigned variable) {
  const List<BlockId>& preds = f_.blocks[block].preds;
  Id id = kNone;
  if (defs_[block][variable] == kBusy) {
    id = make_phi(f_, block);
  } else if (!sealed_[block]) {
    id = make_phi(f_, block);
    incomplete_[block].emplace_back(variable, id);
  } else if (preds.size() == 1) {
    id = read(preds[0], variable);
  } else if (preds.empty()) {
    id = f_.constant(0);  // never written: the verifier lets nobody read it
  } else {
    return join_values(f_, block, defs_[block][variable], passes_, [&](BlockId pred) { return read(pred, variable); });
  }
  return defs_[block][variable] = id;
}

const RegFact* Builder::fact(std::uint32_t slot, unsigned number) const {
  const RegFact& found = facts_.insns[slot].regs[number];
  return passes_.has(Pass::kFacts) && only(found.kinds, ValueKind::kScalar) ? &found : nullptr;
}

/// A register that the instruction at `slot` reads.
Id Builder::reg(const Scope& scope, unsigned number, std::uint32_t slot) {
  if (number == kFramePointer) {
    return scope.frame;
  }
  if (const RegFact* known = fact(slot, number); known != nullptr && known->umin == known->umax) {
    return f_.constant(known->umin);
  }
  return read(at_, number);
}

Result<void> Builder::build_scope(Scope& scope, BlockId from) {
  find_blocks(scope);
  const List<std::uint32_t> order = visit_order(scope);
  for (const std::uint32_t slot : order) {
    for (const std::uint32_t next : next_slots(block_end(scope, slot))) {
      ++expected_[scope.blocks[next - scope.start]];
    }
  }
  const BlockId entry = scope.blocks[0];
  ++expected_[entry];
  f_.blocks[from].end = {.kind = Terminator::kJump, .to = {entry, kNone}, .slot = scope.start};
  connect(from, entry);
  for (const std::uint32_t slot : order) {
    KILN_TRY(fill(scope, slot));
  }
  return {};
}

Result<void> Builder::fill(Scope& scope, std::uint32_t slot) {
  at_ = scope.blocks[slot - scope.start];
  const std::uint32_t last = block_end(scope, slot);
  constexpr std::uint32_t kAhead = 3;  // slots; what is known of one takes several lines of the cache
  for (; slot < last || (slot == last && !ends_block(info(slot).form)); slot += at(slot).is_wide() ? 2 : 1) {
    if (const std::uint32_t soon = slot + kAhead; soon < scope.end) {
      __builtin_prefetch(&facts_.insns[soon].regs[at(soon).dst % kVariables]);
      __builtin_prefetch(&facts_.insns[soon].regs[at(soon).src % kVariables]);
    }
    KILN_TRY(insn(scope, slot));
  }
  return end_block(scope, last);
}

Result<void> Builder::end_block(Scope& scope, std::uint32_t slot) {
  const InsnInfo& info = this->info(slot);
  f_.blocks[at_].end.slot = slot;
  if (info.form == Form::kExit) {
    leave(scope, reg(scope, 0, slot), slot);
    return {};
  }
  const NextSlots next = next_slots(slot);
  if (info.form == Form::kLdPacket) {
    load_packet(scope, next[0], slot);
    return {};
  }
  if (info.form == Form::kMayGoto && next.count == 2) {
    may_goto(scope, next, slot);
    return {};
  }
  Terminator made{.kind = next.count == 2 ? Terminator::kBranch : Terminator::kJump, .slot = slot};
  if (next.count == 2) {
    static constexpr std::pair<std::string_view, Cond> kConds[] = {
        {"==", Cond::kEq}, {"!=", Cond::kNe}, {">", Cond::kUgt}, {">=", Cond::kUge}, {"<", Cond::kUlt}, {"<=", Cond::kUle},
        {"s>", Cond::kSgt}, {"s>=", Cond::kSge}, {"s<", Cond::kSlt}, {"s<=", Cond::kSle}, {"&", Cond::kSet}};
    made.cond = std::find_if(std::begin(kConds), std::end(kConds), [&](const auto& row) { return row.first == info.text; })->second;
    made.bits = at(slot).cls() == 5 ? 64 : 32;
    made.a = reg(scope, at(slot).dst, slot);
    const auto imm = static_cast<std::uint64_t>(std::int64_t{at(slot).imm});
    made.b = info.form == Form::kJmpReg ? reg(scope, at(slot).src, slot)
                                        : f_.constant(made.bits == 32 ? static_cast<std::uint32_t>(imm) : imm);
  }
  const BlockId from = at_;
  for (std::size_t i = 0; i < next.count; ++i) {
    made.to[i] = scope.blocks[next[i] - scope.start];
  }
  f_.blocks[from].end = made;
  for (std::size_t i = 0; i < next.count; ++i) {
    connect(from, made.to[i]);
  }
  return {};
}

/// The end of the function, from the block at hand.
void Builder::leave(Scope& scope, Id value, std::uint32_t slot) {
  if (scope.continuation == kNone) {
    f_.blocks[at_].end = {.kind = Terminator::kReturn, .a = value, .slot = slot};
  } else {
    f_.blocks[at_].end = {.kind = Terminator::kJump, .to = {scope.continuation, kNone}, .slot = slot};
    scope.returns.emplace_back(at_, value);
  }
}

/// A function begins: may_goto has all its rounds.
void Builder::begin_rounds() {
  if (may_go_round_) {
    write(kRounds, f_.constant(kMaxRounds));
  }
}

void Builder::may_goto(const Scope& scope, const NextSlots& next, std::uint32_t slot) {
  const Id left = emit({.op = ir::Op::kAdd, .in = {read(at_, kRounds), f_.constant(~std::uint64_t{0}), kNone}, .slot = slot});
  write(kRounds, left);
  const BlockId from = at_, out = scope.blocks[next[0] - scope.start], on = scope.blocks[next[1] - scope.start];
  f_.blocks[from].end = {.kind = Terminator::kBranch, .cond = Cond::kSlt, .bits = 64, .a = left, .b = f_.constant(0), .to = {out, on}, .slot = slot};
  connect(from, out);
  connect(from, on);
}

/// LD_ABS, LD_IND: where there are no such bytes, the function returns 0.
void Builder::load_packet(Scope& scope, std::uint32_t next, std::uint32_t slot) {
  const Insn& i = at(slot);
  const Bpf op = info(slot).op;
  const bool indirect = op == Bpf::LD_INDB || op == Bpf::LD_INDH || op == Bpf::LD_INDW;
  Id offset = f_.constant(static_cast<std::uint64_t>(std::int64_t{i.imm}));
  if (indirect) {
    offset = emit({.op = ir::Op::kAdd, .in = {reg(scope, i.src, slot), offset, kNone}, .slot = slot});
  }
  const std::array<Id, 3> arguments = {reg(scope, 6, slot), offset, f_.constant(access_bytes(i.opcode))};
  const Id value = emit({.op = ir::Op::kLoadPacket, .list = f_.add_list(arguments), .count = 3, .slot = slot});
  write(0, value);
  const BlockId from = at_, on = scope.blocks[next - scope.start], none = new_block(~std::uint64_t{0});
  expected_[none] = 1;
  f_.blocks[from].end = {.kind = Terminator::kBranch, .cond = Cond::kEq, .bits = 64, .a = value, .b = f_.constant(~std::uint64_t{0}), .to = {none, on}, .slot = slot};
  connect(from, none);
  at_ = none;
  leave(scope, f_.constant(0), slot);
  at_ = from;
  connect(from, on);
}

}  // namespace kiln::ir
