// SPDX-License-Identifier: Apache-2.0
//
// Map operations: arrays are done here, by address; hash kinds by the map engine's services.
//
// Source of the rules: maps/layout.md (Operations), which follows kernel/bpf/arraymap.c and hashtab.c.
#include <cerrno>

#include "gen.h"

namespace kiln::lowering {
namespace {

// A key that may lie in a map is copied here first: PUSHM reads thread-local memory only. Below what
// the deepest call chain saves (calls.h).
constexpr std::int32_t kStage = address::kCtxSave;
constexpr std::int32_t kStagedAddress = address::kCtxReserved;  // a long copy keeps PREPARE's result here
constexpr std::uint32_t kUnrolled = 8;                          // words of 8 bytes in one turn of a long copy

constexpr std::uint64_t kNoExist = 1;
constexpr std::uint64_t kLock = 4;
constexpr std::uint64_t kLastFlag = 2;  // BPF_EXIST

const CoreMap& map_of(const Gen& gen, const CallPlan& plan) { return gen.view.maps()[plan.map]; }

bool has_cpu_values(const CoreMap& map) { return is_per_cpu(map.type) && map.cpu_count > 1; }

bool holds_maps(MapType type) { return type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps; }

/// reg = the handle of the map whose number plus one is in `from`, 32 bits.
void to_handle(Gen& gen, unsigned reg, unsigned from) {
  if (reg != from) {
    gen.e.emit(reg_reg(Op::MOV64_REG, reg, from));
  }
  gen.e.emit(reg_imm(Op::ADD32_IMM, reg, static_cast<std::int32_t>(address::kMapHandle - 1)));
}

/// reg += this processor's number * value_stride.
void add_cpu(Gen& gen, const CallPlan& plan, unsigned reg) {
  const CoreMap& map = map_of(gen, plan);
  if (!has_cpu_values(map)) {
    return;
  }
  const ContextBase context = context_base(gen, plan, kScratch0);
  gen.e.emit(load(4, kScratch0, context.reg, context.bias + static_cast<std::int32_t>(address::kCtxCpu)));
  gen_scale(gen, kScratch0, map.value_stride);
  gen.e.emit(reg_reg(Op::ADD64_REG, reg, kScratch0));
}

void lookup_array(Gen& gen, const CallPlan& plan) {
  const CoreMap& map = map_of(gen, plan);
  const Label done = gen.e.make_label();
  const auto missing = [&gen, done] {
    gen.e.constant(0, 0);
    gen.e.jump(done);
  };
  if (plan.index.constant) {
    gen.e.constant(0, plan.index.in_range
                          ? std::uint64_t{address::kMap} + map.entries + *plan.index.constant * map.entry_stride
                          : 0);
    if (!plan.index.in_range) {
      gen.e.bind(done);
      return;
    }
  } else {
    gen_index(gen, plan, 0);
    if (!plan.index.in_range) {
      const Label miss = gen.e.make_label();
      gen.e.branch(jump_imm(Op::JGE32_IMM, 0, static_cast<std::int32_t>(map.max_entries)), miss);
      gen.e.cold([&gen, miss, missing] {
        gen.e.bind(miss);
        missing();
      });
    }
    gen_entry_address(gen, map, 0);
  }
  add_cpu(gen, plan, 0);
  if (is_slot_array(map.type)) {
    const Label empty = gen.e.make_label();
    gen.e.emit(load(4, kScratch0, 0, 0));
    gen.e.branch(jump_imm(Op::JEQ64_IMM, kScratch0, 0), empty);
    gen.e.cold([&gen, empty, missing] {
      gen.e.bind(empty);
      missing();
    });
    if (holds_maps(map.type)) {
      to_handle(gen, 0, kScratch0);
    }
  }
  gen.e.bind(done);
}

/// Copies a key that may lie in a map into the context region. \return its base register and offset.
ContextBase stage_key(Gen& gen, const CallPlan& plan) {
  const std::uint32_t bytes = plan.key_pieces.back().at + plan.key_pieces.back().bytes;
  const ContextBase context = context_base(gen, plan, kScratch1);
  for (std::uint32_t at = 0; at < bytes;) {
    const unsigned size = chunk(bytes - at);
    const auto offset = static_cast<std::int32_t>(at);
    gen.e.emit(load(size, kScratch0, plan.key.reg, plan.key.offset + offset));
    gen.e.emit(store(size, context.reg, context.bias + kStage + offset, kScratch0));
    at += size;
  }
  return {context.reg, context.bias + kStage};
}

ContextBase key_base(Gen& gen, const CallPlan& plan) {
  return plan.key.local ? ContextBase{plan.key.reg, plan.key.offset} : stage_key(gen, plan);
}

void push_key(Gen& gen, const CallPlan& plan, ContextBase base) {
  for (const Piece& piece : plan.key_pieces) {
    if (piece.from == Piece::From::kRegister) {
      gen.e.emit(core(CoreOp::PUSHR, 0, piece.reg, 0, 0));
    } else {
      gen.e.emit(core(CoreOp::PUSHM, 0, base.reg, base.bias + static_cast<std::int32_t>(piece.at), piece.bytes));
    }
  }
}

/// Copies the value to [to]. Changes R12 only.
void copy_pieces(Gen& gen, const CallPlan& plan, unsigned to) {
  for (const Piece& piece : plan.value_pieces) {
    const auto at = static_cast<std::int32_t>(piece.at);
    switch (piece.from) {
      case Piece::From::kConstant:
        gen.e.emit(store_imm(piece.bytes, to, at, static_cast<std::int32_t>(piece.number)));
        break;
      case Piece::From::kRegister:
        gen.e.emit(store(piece.bytes, to, at, piece.reg));
        break;
      case Piece::From::kMemory:
        gen.e.emit(load(piece.bytes, kScratch0, plan.value.reg, plan.value.offset + at));
        gen.e.emit(store(piece.bytes, to, at, kScratch0));
        break;
    }
  }
}

/// A value too long to unroll: R0, kept in the context meanwhile, points to where it goes.
/// Changes R12..R14; R0 is as before.
void copy_loop(Gen& gen, const CallPlan& plan, unsigned to) {
  constexpr std::int32_t kTurn = kUnrolled * 8;
  const std::uint32_t bytes = map_of(gen, plan).value_size;
  {
    const ContextBase context = context_base(gen, plan, kScratch0);
    gen.e.emit(store(4, context.reg, context.bias + kStagedAddress, 0));
  }
  if (to != 0) {
    gen.e.emit(reg_reg(Op::MOV64_REG, 0, to));
  }
  const auto turns = static_cast<std::int32_t>(bytes / kTurn * kTurn);
  gen.e.emit(reg_reg(Op::MOV64_REG, kScratch1, plan.value.reg));
  if (plan.value.offset != 0) {
    gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch1, plan.value.offset));
  }
  gen.e.emit(reg_reg(Op::MOV64_REG, kScratch2, kScratch1));
  gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch2, turns));
  const Label again = gen.e.here();
  for (std::int32_t at = 0; at < kTurn; at += 8) {
    gen.e.emit(load(8, kScratch0, kScratch1, at));
    gen.e.emit(store(8, 0, at, kScratch0));
  }
  gen.e.emit(reg_imm(Op::ADD64_IMM, 0, kTurn));
  gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch1, kTurn));
  gen.e.branch(jump_reg(Op::JLT64_REG, kScratch1, kScratch2), again);
  for (std::uint32_t at = 0, rest = bytes % kTurn; at < rest;) {
    const unsigned size = chunk(rest - at);
    gen.e.emit(load(size, kScratch0, kScratch1, static_cast<std::int32_t>(at)));
    gen.e.emit(store(size, 0, static_cast<std::int32_t>(at), kScratch0));
    at += size;
  }
  const ContextBase context = context_base(gen, plan, kScratch0);
  gen.e.emit(load(4, 0, context.reg, context.bias + kStagedAddress));
}

/// Copies the value to the address in R0, plus this processor's offset.
void copy_value(Gen& gen, const CallPlan& plan) {
  unsigned to = 0;
  if (has_cpu_values(map_of(gen, plan))) {
    to = kScratch2;
    gen.e.emit(reg_reg(Op::MOV64_REG, to, 0));
    add_cpu(gen, plan, to);
  }
  if (plan.value_pieces.empty()) {
    copy_loop(gen, plan, to);
  } else {
    copy_pieces(gen, plan, to);
  }
}

void update_array(Gen& gen, const CallPlan& plan) {
  const CoreMap& map = map_of(gen, plan);
  const auto flags = plan.constant[4];
  if (flags && (*flags & ~kLock) > kLastFlag) {
    return gen_error(gen, EINVAL);
  }
  const Label done = gen.e.make_label();
  if (!flags) {
    gen.e.emit(reg_reg(Op::MOV64_REG, kScratch0, 4));
    gen.e.emit(reg_imm(Op::AND64_IMM, kScratch0, ~static_cast<std::int32_t>(kLock)));
    gen.e.branch(jump_imm(Op::JGT64_IMM, kScratch0, kLastFlag), gen_fail(gen, EINVAL, done));
  }
  const bool outside = plan.index.constant && !plan.index.in_range;
  if (!plan.index.constant) {
    gen_index(gen, plan, 0);
    if (!plan.index.in_range) {
      gen.e.branch(jump_imm(Op::JGE32_IMM, 0, static_cast<std::int32_t>(map.max_entries)),
                   gen_fail(gen, E2BIG, done));
    }
  }
  if (outside) {
    gen_error(gen, E2BIG);
  } else if (flags && (*flags & (kNoExist | kLock)) != 0) {
    gen_error(gen, (*flags & kNoExist) != 0 ? EEXIST : EINVAL);
  } else {
    if (!flags) {
      gen.e.branch(jump_imm(Op::JSET64_IMM, 4, kNoExist), gen_fail(gen, EEXIST, done));
      gen.e.branch(jump_imm(Op::JSET64_IMM, 4, kLock), gen_fail(gen, EINVAL, done));
    }
    if (plan.index.constant) {
      gen.e.constant(0, std::uint64_t{address::kMap} + map.entries + *plan.index.constant * map.entry_stride);
    } else {
      gen_entry_address(gen, map, 0);
    }
    copy_value(gen, plan);
    gen.e.constant(0, 0);
  }
  gen.e.bind(done);
}

void update_hash(Gen& gen, const CallPlan& plan) {
  const auto number = static_cast<std::int32_t>(plan.map);
  const Label prepare = gen.e.make_label();
  const Label refused = gen.e.make_label();
  const Label done = gen.e.make_label();
  const ContextBase base = key_base(gen, plan);
  push_key(gen, plan, base);
  gen.e.bind(prepare);
  gen.e.emit(service(Service::MAP_PREPARE, 0, 4, number));
  gen.e.branch(jump_imm(Op::JSLE64_IMM, 0, 0), refused);
  gen.e.cold([&gen, &plan, prepare, refused, done, base] {
    gen.e.bind(refused);
    gen.e.branch(jump_imm(Op::JNE64_IMM, 0, 0), done);
    push_key(gen, plan, base);  // 0: every spare entry is in use at this instant
    gen.e.jump(prepare);
  });
  copy_value(gen, plan);
  const bool lost_base = !plan.key.local && plan.value_pieces.empty() && base.reg == kScratch1;
  push_key(gen, plan, lost_base ? ContextBase{context_base(gen, plan, kScratch1).reg, base.bias} : base);
  gen.e.emit(service(Service::MAP_COMMIT, 0, 0, number));
  gen.e.bind(done);
}

}  // namespace

void gen_push_key(Gen& gen, const CallPlan& plan) { push_key(gen, plan, key_base(gen, plan)); }

void gen_map_lookup(Gen& gen, const CallPlan& plan) {
  const CoreMap& map = map_of(gen, plan);
  if (is_array_like(map.type)) {
    return lookup_array(gen, plan);
  }
  push_key(gen, plan, key_base(gen, plan));
  gen.e.emit(service(Service::MAP_LOOKUP, 0, 0, static_cast<std::int32_t>(plan.map)));
  if (has_cpu_values(map) || holds_maps(map.type)) {
    const Label done = gen.e.make_label();
    gen.e.branch(jump_imm(Op::JEQ64_IMM, 0, 0), done);
    if (holds_maps(map.type)) {
      gen.e.emit(load(4, 0, 0, 0));
      to_handle(gen, 0, 0);
    } else {
      add_cpu(gen, plan, 0);
    }
    gen.e.bind(done);
  }
}

void gen_map_update(Gen& gen, const CallPlan& plan) {
  if (is_array_like(map_of(gen, plan).type)) {
    update_array(gen, plan);
  } else {
    update_hash(gen, plan);
  }
}

void gen_map_delete(Gen& gen, const CallPlan& plan) {
  if (is_array_like(map_of(gen, plan).type)) {
    return gen_error(gen, EINVAL);
  }
  push_key(gen, plan, key_base(gen, plan));
  gen.e.emit(service(Service::MAP_DELETE, 0, 0, static_cast<std::int32_t>(plan.map)));
}

}  // namespace kiln::lowering
