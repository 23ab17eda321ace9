// SPDX-License-Identifier: Apache-2.0
//
// What each instruction becomes. Calls of small functions become the function.
#include <algorithm>

#include <fmt/format.h>

#include <kiln/address.h>
#include <kiln/helpers.h>

#include "build.h"

namespace kiln::ir {

using Bpf = kiln::Op;
namespace {

constexpr std::uint32_t kTailCallHelper = 12;
constexpr std::uint32_t kSmall = 64;          // slots of a function that is inlined wherever it is called
constexpr std::uint32_t kCalledOnce = 1000;   // ... if there is but one call
constexpr std::uint32_t kMostInlined = 4000;  // slots, all together
constexpr unsigned kDepth = 2;                // layout keys have room for that

bool is_64(const Insn& insn) { return insn.cls() == 5 || insn.cls() == 7; }

}  // namespace

Error Builder::refuse(std::uint32_t slot, std::string_view what) const {
  return Error{Errc::kUnsupported, fmt::format("slot {}: the intermediate form has no {}", slot, what), slot};
}

Id Builder::emit(Node node) {
  const Id id = f_.add(at_, node);
  const Id now = simplify(f_, id, passes_);
  if (now != id) {
    f_.blocks[at_].nodes.pop_back();
  } else {
    f_.settled.resize(f_.nodes.size());
    f_.settled[id] = signature(f_, id);
  }
  return now;
}

Result<void> Builder::insn(Scope& scope, std::uint32_t slot) {
  const InsnInfo* info = infos_[slot];
  KILN_CHECK(info != nullptr);
  switch (info->form) {
    case Form::kAluImm:
    case Form::kAluReg:
      alu(scope, *info, slot);
      return {};
    case Form::kMovSx:
    case Form::kNeg:
    case Form::kEnd:
      unary(scope, *info, slot);
      return {};
    case Form::kLoad:
    case Form::kStoreImm:
    case Form::kStoreReg:
    case Form::kLoadAcquire:
    case Form::kStoreRelease:
      load_store(scope, *info, slot);
      return {};
    case Form::kAtomic:
    case Form::kAtomicFetch:
      atomic(scope, slot);
      return {};
    case Form::kLd64:
      return wide(scope, *info, slot);
    case Form::kCall:
      return call(scope, *info, slot);
    default:
      return refuse(slot, info->name);
  }
}

void Builder::alu(const Scope& scope, const InsnInfo& info, std::uint32_t slot) {
  const Insn& i = at(slot);
  const bool wide64 = is_64(i), by_imm = info.form == Form::kAluImm;
  const auto imm = static_cast<std::uint64_t>(std::int64_t{i.imm});
  const auto fits = [&](unsigned number) {
    const RegFact* known = fact(slot, number);
    return known != nullptr && known->umax <= 0xffff'ffff;
  };
  const Id src = by_imm ? f_.constant(wide64 ? imm : static_cast<std::uint32_t>(imm)) : reg(scope, i.src, slot);
  Node node{.op = ir::Op::kAdd, .bits = static_cast<std::uint8_t>(wide64 ? 64 : 32), .slot = slot};
  switch (info.op) {
#define KILN_CASES(NAME, op_)                                                              \
  case Bpf::NAME##64_IMM:                                                                   \
  case Bpf::NAME##64_REG:                                                                   \
  case Bpf::NAME##32_IMM:                                                                   \
  case Bpf::NAME##32_REG:                                                                   \
    node.op = ir::Op::op_;                                                                 \
    break;
    KILN_CASES(ADD, kAdd)
    KILN_CASES(SUB, kSub)
    KILN_CASES(MUL, kMul)
    KILN_CASES(DIV, kDiv)
    KILN_CASES(SDIV, kSdiv)
    KILN_CASES(MOD, kMod)
    KILN_CASES(SMOD, kSmod)
    KILN_CASES(OR, kOr)
    KILN_CASES(AND, kAnd)
    KILN_CASES(XOR, kXor)
    KILN_CASES(LSH, kShl)
    KILN_CASES(RSH, kShr)
    KILN_CASES(ARSH, kSar)
#undef KILN_CASES
    default:  // MOV
      if (wide64 || by_imm || fits(i.src)) {
        write(i.dst, src);
        return;
      }
      write(i.dst, emit({.op = ir::Op::kZext, .size = 4, .in = {src, kNone, kNone}, .slot = slot}));
      return;
  }
  node.in = {reg(scope, i.dst, slot), src, kNone};
  const bool unsigned_division = node.op == ir::Op::kDiv || node.op == ir::Op::kMod;
  if (unsigned_division && wide64 && fits(i.dst) && (by_imm ? i.imm >= 0 : fits(i.src))) {
    node.bits = 32;
  }
  if (node.op >= ir::Op::kDiv && node.op <= ir::Op::kSmod && !by_imm) {
    // The low half is what a 32-bit division looks at, and ranges are of all 64 bits.
    const RegFact* divisor = fact(slot, i.src);
    node.aux = divisor != nullptr && divisor->umin > 0 && (node.bits == 64 || divisor->umax <= 0xffff'ffff) ? 1 : 0;
  }
  write(i.dst, emit(node));
}

void Builder::unary(const Scope& scope, const InsnInfo& info, std::uint32_t slot) {
  const Insn& i = at(slot);
  Node node{.op = ir::Op::kSwap, .slot = slot};
  node.in[0] = reg(scope, info.form == Form::kMovSx ? i.src : i.dst, slot);
  if (info.form == Form::kMovSx) {
    node.op = ir::Op::kSext;
    node.size = static_cast<std::uint8_t>(i.off / 8);
    node.bits = is_64(i) ? 64 : 32;
  } else if (info.form == Form::kNeg) {
    node.op = ir::Op::kNeg;
    node.bits = is_64(i) ? 64 : 32;
  } else {
    node.size = static_cast<std::uint8_t>(i.imm / 8);
    if (info.op == Bpf::LE64) {
      return;
    }
    if (info.op == Bpf::LE16 || info.op == Bpf::LE32) {  // the address space is little-endian
      node.op = ir::Op::kZext;
    }
  }
  write(i.dst, emit(node));
}

void Builder::load_store(const Scope& scope, const InsnInfo& info, std::uint32_t slot) {
  const Insn& i = at(slot);
  Node node{.op = ir::Op::kLoad,
            .size = static_cast<std::uint8_t>(access_bytes(i.opcode)),
            .region = facts_.insns[slot].memory,
            .imm = i.off,
            .slot = slot};
  if (lends_memory_ && has(node.region, ValueKind::kOther)) {
    node.region = 0;
  }
  if (info.form == Form::kLoad || info.form == Form::kLoadAcquire) {
    node.op = info.form == Form::kLoad ? ir::Op::kLoad : ir::Op::kLoadAcquire;
    node.in[0] = reg(scope, i.src, slot);
    node.is_signed = info.op == Bpf::LDXSB || info.op == Bpf::LDXSH || info.op == Bpf::LDXSW;
    write(i.dst, emit(node));
    return;
  }
  node.op = info.form == Form::kStoreRelease ? ir::Op::kStoreRelease : ir::Op::kStore;
  f_.context_changes |= has(facts_.insns[slot].memory, ValueKind::kContext);
  node.in[0] = reg(scope, i.dst, slot);
  node.in[2] = info.form == Form::kStoreImm ? f_.constant(static_cast<std::uint64_t>(std::int64_t{i.imm})) : reg(scope, i.src, slot);
  emit(node);
}

void Builder::atomic(const Scope& scope, std::uint32_t slot) {
  constexpr std::int32_t kFetch = 1, kCmpxchg = 0xf1;
  const Insn& i = at(slot);
  Node node{.op = ir::Op::kAtomic,
            .size = static_cast<std::uint8_t>(access_bytes(i.opcode)),
            .fetches = (i.imm & kFetch) != 0,
            .region = facts_.insns[slot].memory,
            .aux = static_cast<std::uint8_t>(i.imm & 0xf0),
            .imm = i.off,
            .slot = slot};
  node.bits = node.size == 8 ? 64 : 32;
  node.in = {reg(scope, i.dst, slot), reg(scope, i.src, slot), kNone};
  if (i.imm == kCmpxchg) {
    node.op = ir::Op::kCmpxchg;
    node.in[2] = reg(scope, 0, slot);
    write(0, emit(node));
    return;
  }
  const Id old = emit(node);
  if (node.fetches) {
    write(i.src, old);
  }
}

Result<void> Builder::wide(const Scope&, const InsnInfo& info, std::uint32_t slot) {
  const Insn& i = at(slot);
  const std::uint64_t low = static_cast<std::uint32_t>(i.imm), high = static_cast<std::uint32_t>(at(slot + 1).imm);
  switch (info.op) {
    case Bpf::LD_IMM64:
      write(i.dst, f_.constant(high << 32 | low));
      return {};
    case Bpf::LD_CODE_ADDR:
      write(i.dst, f_.constant(address::kCode | (slot + 1 + i.imm)));
      return {};
    case Bpf::LD_MAP_IDX:
      write(i.dst, f_.make({.op = ir::Op::kMapHandle, .imm = i.imm, .slot = slot, .maybe = 0xffff'ffff}));
      return {};
    case Bpf::LD_MAP_IDX_VALUE:
      write(i.dst, f_.make({.op = ir::Op::kMapAddress, .imm = static_cast<std::int64_t>(high << 32 | low), .slot = slot}));
      return {};
    default:
      return refuse(slot, info.name);
  }
}

Result<void> Builder::call(Scope& scope, const InsnInfo& info, std::uint32_t slot) {
  if (info.op == Bpf::CALL_LOCAL) {
    return call_local(scope, slot);
  }
  if (info.op == Bpf::CALL_KFUNC) {
    call_kernel(scope, slot);
    return {};
  }
  const HelperInfo* helper = find_helper(static_cast<std::uint32_t>(at(slot).imm));
  if (info.op != Bpf::CALL_HELPER || helper == nullptr) {
    return refuse(slot, info.name);
  }
  List<Id> arguments;
  for (unsigned i = 0; i < helper->args.size() && helper->args[i] != HelperArg::kNone; ++i) {
    arguments.push_back(reg(scope, i + 1, slot));
  }
  if (helper->has(kCallsBack)) {
    arguments.push_back(callee_frame(scope, slot));
  }
  const auto list = f_.add_list(arguments);
  const bool tail = helper->number == kTailCallHelper;
  write(0, emit({.op = tail ? ir::Op::kTailCall : ir::Op::kCall,
                 .imm = helper->number,
                 .list = list,
                 .count = static_cast<std::uint32_t>(arguments.size()),
                 .slot = slot}));
  return {};
}

/// Its arguments are the registers that it is known to read.
void Builder::call_kernel(const Scope& scope, std::uint32_t slot) {
  List<Id> arguments;
  for (unsigned i = 1; i <= 5 && !has(facts_.insns[slot].regs[i].kinds, ValueKind::kUninit); ++i) {
    arguments.push_back(reg(scope, i, slot));
  }
  const auto list = f_.add_list(arguments);
  write(0, emit({.op = ir::Op::kCallKernel, .list = list, .count = static_cast<std::uint32_t>(arguments.size()), .slot = slot}));
}

/// R10 of a function that is called from the scope.
Id Builder::callee_frame(const Scope& scope, std::uint32_t slot) {
  return emit({.op = ir::Op::kAdd, .in = {scope.frame, f_.constant(0 - std::uint64_t{frame_bytes_[scope.number]}), kNone}, .slot = slot});
}

bool Builder::inlinable(const Scope& scope, std::uint32_t callee) const {
  const Subprogram& sub = program_.subprograms[callee];
  const std::uint32_t slots = sub.end - sub.start;
  if (!passes_.has(Pass::kInline) || scope.depth >= kDepth || callee == scope.number || inlined_ + slots > kMostInlined ||
      slots > (calls_[callee] == 1 ? kCalledOnce : kSmall)) {
    return false;
  }
  bool returns = false;
  for (std::uint32_t slot = sub.start; slot < sub.end; ++slot) {
    if (!reachable(slot)) {
      continue;
    }
    const InsnInfo* info = infos_[slot];
    returns |= info->form == Form::kExit;
    if (info->op == Bpf::CALL_HELPER && at(slot).imm == static_cast<std::int32_t>(kTailCallHelper)) {
      return false;  // the program that is called so takes the function's place
    }
    slot += at(slot).is_wide() ? 1 : 0;
  }
  return returns;
}

Result<void> Builder::call_local(Scope& scope, std::uint32_t slot) {
  const std::uint32_t target = slot + 1 + static_cast<std::uint32_t>(at(slot).imm);
  const auto callee = static_cast<std::uint32_t>(&program_.subprogram_of(target) - program_.subprograms.data());
  if (inlinable(scope, callee)) {
    return inline_call(scope, slot, callee);
  }
  List<Id> arguments;
  for (unsigned i = 1; i <= 5; ++i) {
    arguments.push_back(read(at_, i));
  }
  arguments.push_back(callee_frame(scope, slot));
  const auto list = f_.add_list(arguments);
  write(0, emit({.op = ir::Op::kCallLocal, .imm = callee, .list = list, .count = 6, .slot = slot}));
  return {};
}

Result<void> Builder::inline_call(Scope& scope, std::uint32_t slot, std::uint32_t callee) {
  const Subprogram& sub = program_.subprograms[callee];
  inlined_ += sub.end - sub.start;
  std::array<Id, kVariables> before;
  before[kRounds] = may_go_round_ ? read(at_, kRounds) : kNone;
  for (unsigned i = 1; i < kRounds; ++i) {
    before[i] = read(at_, i);
  }
  const std::uint64_t key = scope.key + (slot - scope.start + 1) * scope.step;
  Scope inner{.number = callee, .start = sub.start, .end = sub.end, .key = key, .step = scope.step >> 20, .depth = scope.depth + 1};
  inner.frame = callee_frame(scope, slot);
  inner.continuation = new_block(key + scope.step - 1);
  begin_rounds();
  // A block of its own, so that the arguments are what its registers start with.
  KILN_TRY(build_scope(inner, at_));
  at_ = inner.continuation;
  List<Id> results;
  for (const auto& [from, value] : inner.returns) {
    f_.blocks[at_].preds.push_back(from);
    results.push_back(value);
  }
  sealed_[at_] = true;
  const auto list = f_.add_list(results);
  before[0] = emit({.op = ir::Op::kPhi, .list = list, .count = static_cast<std::uint32_t>(results.size()), .slot = slot});
  defs_[at_] = before;
  return {};
}

}  // namespace kiln::ir
