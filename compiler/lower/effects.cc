// SPDX-License-Identifier: Apache-2.0
#include "effects.h"

#include <bit>

#include "call_plan.h"

namespace kiln::lowering {
namespace {

/// A constant of a map that programs can't write (.rodata), at this address.
std::optional<std::uint64_t> read_only_data(const View& view, std::uint64_t address, unsigned bytes, bool sign) {
  for (std::size_t i = 0; i < view.maps().size(); ++i) {
    const MapSpec& spec = view.object().maps[i];
    const std::uint64_t start = std::uint64_t{address::kMap} + view.maps()[i].entries;
    const std::uint64_t size = spec.initial.size();
    if (!spec.is_readonly || address < start || address + bytes > start + size) {
      continue;
    }
    std::uint64_t value = 0;
    for (unsigned b = 0; b < bytes; ++b) {
      value |= std::to_integer<std::uint64_t>(spec.initial[address - start + b]) << 8 * b;
    }
    const unsigned unused = 64 - 8 * bytes;
    return sign ? static_cast<std::uint64_t>(static_cast<std::int64_t>(value << unused) >> unused) : value;
  }
  return std::nullopt;
}

/// Value loaded from a stack word or two.
Value filled(const At& at, std::int64_t offset, unsigned bytes) {
  const Word* low = at.state.word(offset);
  const Word* high = bytes == 8 ? at.state.word(offset + 4) : nullptr;
  if (bytes < 4 || low == nullptr || (bytes == 8 && high == nullptr)) {
    return {};
  }
  if (low->is_constant() && (bytes == 4 || high->is_constant())) {
    return Value::constant(low->min | (bytes == 8 ? std::uint64_t{high->min} << 32 : 0));
  }
  const bool whole = bytes == 8 && low->reg != kNoRegister && low->reg == high->reg && !low->high && high->high;
  return whole ? at.state.regs[low->reg] : Value{};
}

Value loaded(const At& at) {
  const Insn& insn = at.view.insn(at.slot);
  const unsigned bytes = access_bytes(insn.opcode);
  const Op op = at.view.op(at.slot);
  const bool sign = op == Op::LDXSB || op == Op::LDXSH || op == Op::LDXSW;
  if (const auto base = at.frame_offset(insn.src)) {
    return sign ? Value{} : filled(at, *base + insn.off, bytes);
  }
  if (const auto base = at.constant(insn.src)) {
    if (const auto value = read_only_data(at.view, *base + sign_extended(insn.off), bytes, sign)) {
      return Value::constant(*value);
    }
  }
  return {};
}

Value moved_by(const At& at, unsigned reg, std::uint64_t by) {
  if (const auto number = at.constant(reg)) {
    return Value::constant(*number + by);
  }
  if (const auto offset = at.frame_offset(reg)) {
    return Value::frame(*offset + static_cast<std::int64_t>(by));
  }
  return {};
}

/// Without looking at what the facts say of the next instruction.
Value computed(const At& at) {
  const Insn& insn = at.view.insn(at.slot);
  switch (at.view.op(at.slot)) {
    case Op::MOV64_IMM:
      return Value::constant(sign_extended(insn.imm));
    case Op::MOV32_IMM:
      return Value::constant(static_cast<std::uint32_t>(insn.imm));
    case Op::MOV64_REG:
      if (const auto number = at.constant(insn.src)) {
        return Value::constant(*number);
      }
      return at.state.regs[insn.src];
    case Op::MOV32_REG:
      if (const auto number = at.constant(insn.src)) {
        return Value::constant(static_cast<std::uint32_t>(*number));
      }
      return {};
    case Op::ADD64_IMM:
      return moved_by(at, insn.dst, sign_extended(insn.imm));
    case Op::SUB64_IMM:
      return moved_by(at, insn.dst, 0 - sign_extended(insn.imm));
    case Op::ADD64_REG:
      if (const auto by = at.constant(insn.src)) {
        return moved_by(at, insn.dst, *by);
      }
      return {};
    case Op::LD_IMM64:
      return Value::constant(at.view.wide_value(at.slot));
    case Op::LD_MAP_IDX:
      return Value::constant(address::kMapHandle | static_cast<std::uint32_t>(insn.imm));
    case Op::LD_MAP_IDX_VALUE: {
      const auto map = static_cast<std::size_t>(insn.imm);
      const auto offset = static_cast<std::uint32_t>(at.view.wide_value(at.slot) >> 32);
      return map < at.view.maps().size() ? Value::constant(address::kMap + at.view.maps()[map].entries + offset) : Value{};
    }
    case Op::LD_CODE_ADDR:
      return Value::constant(address::kCode | at.view.target(at.slot));
    default:
      return at.view.row(at.slot)->form == Form::kLoad ? loaded(at) : Value{};
  }
}

/// x + y for the highest possible x and y, or nothing if that overflows.
std::uint64_t sum_bits(std::uint64_t x, std::uint64_t y) {
  const std::uint64_t sum = x + y;
  return sum < x || sum == 0 ? ~std::uint64_t{0} : ~std::uint64_t{0} >> std::countl_zero(sum);
}

/// Bits that may be set in the result of arithmetic or a load.
std::uint64_t result_bits(const At& at) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0}, kLow = 0xffff'ffff;
  const Insn& insn = at.view.insn(at.slot);
  const InsnInfo& row = *at.view.row(at.slot);
  const auto dst = [&] { return at.possible_bits(insn.dst); };
  const auto src = [&] { return at.possible_bits(insn.src); };
  const std::uint64_t imm = sign_extended(insn.imm);
  const bool shift = row.form == Form::kAluImm && insn.imm >= 0 && insn.imm < 64;
  switch (row.op) {
    case Op::MOV64_REG:
      return src();
    case Op::MOV32_REG:
      return src() & kLow;
    case Op::AND64_IMM:
      return dst() & imm;
    case Op::AND32_IMM:
      return dst() & imm & kLow;
    case Op::AND64_REG:
      return dst() & src();
    case Op::AND32_REG:
      return dst() & src() & kLow;
    case Op::OR64_IMM:
    case Op::XOR64_IMM:
      return dst() | imm;
    case Op::OR64_REG:
    case Op::XOR64_REG:
      return dst() | src();
    case Op::LSH64_IMM:
      return shift ? dst() << insn.imm : kAll;
    case Op::RSH64_IMM:
      return shift ? dst() >> insn.imm : kAll;
    case Op::ADD64_IMM:
      return insn.imm >= 0 ? sum_bits(at.max(insn.dst), imm) : kAll;
    case Op::ADD64_REG:
      return sum_bits(at.max(insn.dst), at.max(insn.src));
    case Op::LDXB:
      return 0xff;
    case Op::LDXH:
    case Op::BE16:
    case Op::BSWAP16:
      return 0xffff;
    case Op::LE16:
      return dst() & 0xffff;
    case Op::LDXW:
    case Op::BE32:
    case Op::LE32:
    case Op::BSWAP32:
      return kLow;
    default:
      return insn.cls() == 0x04 && row.form != Form::kEnd ? kLow : kAll;  // 32-bit results are zero-extended
  }
}

/// A store or atomic: what the frame's words hold afterwards.
void apply_store(const At& at, State& after) {
  const Insn& insn = at.view.insn(at.slot);
  const Form form = at.view.row(at.slot)->form;
  const unsigned bytes = access_bytes(insn.opcode);
  if (const auto base = at.frame_offset(insn.dst)) {
    const std::int64_t offset = *base + insn.off;
    if (form == Form::kStoreImm) {
      after.store(offset, bytes, kNoRegister, sign_extended(insn.imm), 0);
    } else if (form == Form::kStoreReg) {
      after.store(offset, bytes, insn.src, at.constant(insn.src), at.max(insn.src));
    } else {
      after.forget_bytes(offset, offset + bytes);
    }
    return;
  }
  const InsnFact* fact = at.view.fact(at.slot);
  if (fact != nullptr && !has(fact->memory, ValueKind::kStack)) {
    return;
  }
  if (fact != nullptr && at.view.in_main(at.slot)) {
    after.forget_bytes(fact->offset_min, fact->offset_max + bytes);
    return;
  }
  after.forget_words();  // in a subprogram it may be its own frame or a caller's
}

void apply_call(const At& at, State& after) {
  Value result;
  if (callee_of(at)) {
    after.forget_words();
  } else {
    const CallPlan plan = plan_call(at);
    if (plan.problem.empty()) {
      result = plan.result;
    }
    for (const StackRange& range : plan.stack_writes) {
      after.forget_bytes(range.from, range.to);
    }
    if (plan.writes_any_stack) {
      after.forget_words();
    }
  }
  for (unsigned reg = 0; reg <= 5; ++reg) {
    after.set(reg, Value{});
  }
  after.set(0, result);
}

}  // namespace

std::optional<std::uint32_t> callee_of(const At& at) {
  const Op op = at.view.op(at.slot);
  if (op == Op::CALL_LOCAL) {
    return at.view.target(at.slot);
  }
  const auto target = op == Op::CALLX ? at.constant(at.view.insn(at.slot).dst) : std::nullopt;
  if (!target || *target < address::kCode || *target - address::kCode >= at.view.slots()) {
    return std::nullopt;
  }
  const auto slot = static_cast<std::uint32_t>(*target - address::kCode);
  return at.view.functions()[at.view.function_of(slot)].start == slot ? std::optional(slot) : std::nullopt;
}

Value result_of(const At& at) {
  Value value = computed(at);
  if (value.kind == Value::Kind::kConstant) {
    return value;
  }
  if (value.kind == Value::Kind::kUnknown) {
    value.bits &= result_bits(at);
    if (value.bits == 0) {
      return Value::constant(0);
    }
  }
  const RegFact* next = at.view.fact(at.view.next(at.slot), at.view.insn(at.slot).dst);
  return next != nullptr && next->is_constant() ? Value::constant(next->umin) : value;
}

State after(const At& at) {
  State state = at.state;
  const Insn& insn = at.view.insn(at.slot);
  switch (at.view.row(at.slot)->form) {
    case Form::kAluImm:
    case Form::kAluReg:
    case Form::kMovSx:
    case Form::kNeg:
    case Form::kEnd:
    case Form::kLoad:
    case Form::kLoadAcquire:
    case Form::kLd64:
      state.set(insn.dst, result_of(at));
      if (at.view.op(at.slot) == Op::MOV64_REG && insn.src != insn.dst) {
        state.note_copy(insn.dst, insn.src);
      }
      break;
    case Form::kStoreImm:
    case Form::kStoreReg:
    case Form::kStoreRelease:
    case Form::kAtomic:
      apply_store(at, state);
      break;
    case Form::kAtomicFetch: {
      apply_store(at, state);
      const Op op = at.view.op(at.slot);
      const bool compares = op == Op::ATOMIC_CMPXCHG32 || op == Op::ATOMIC_CMPXCHG64;
      state.set(compares ? 0 : insn.src, Value{});
      break;
    }
    case Form::kCall:
    case Form::kCallx:
      apply_call(at, state);
      break;
    case Form::kLdPacket:
      for (unsigned reg = 0; reg <= 5; ++reg) {
        state.set(reg, Value{});
      }
      break;
    case Form::kJmpImm:
    case Form::kJmpReg:
    case Form::kJa:
    case Form::kJa32:
    case Form::kExit:
    case Form::kMayGoto:
      break;
    case Form::kAddrSpaceCast:
      state.set(insn.dst, Value{});
      break;
  }
  return state;
}

}  // namespace kiln::lowering
