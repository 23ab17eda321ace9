// SPDX-License-Identifier: Apache-2.0
//
// Atomics, and the legacy packet loads of classic BPF.
//
// An atomic on a map is the core's own (done in the memory port); on the stack or a frame, which
// only this thread sees, it is a load, an operation and a store. Source: RFC 9669 sections 5.3, 5.5.
#include "gen.h"

namespace kiln::lowering {
namespace {

constexpr std::int32_t kTagShift = 30;  // bits 31:30 of an address are 01 in the map arena
constexpr std::int32_t kMapTag = 1;
static_assert(address::kMap >> kTagShift == kMapTag);

bool is_compare(Op op) { return op == Op::ATOMIC_CMPXCHG32 || op == Op::ATOMIC_CMPXCHG64; }
bool is_exchange(Op op) { return op == Op::ATOMIC_XCHG32 || op == Op::ATOMIC_XCHG64; }

/// The 64-bit operation of a fetching or plain atomic.
Op operation(Op op) {
  switch (op) {
    case Op::ATOMIC_ADD32:
    case Op::ATOMIC_ADD64:
    case Op::ATOMIC_FETCH_ADD32:
    case Op::ATOMIC_FETCH_ADD64:
      return Op::ADD64_REG;
    case Op::ATOMIC_OR32:
    case Op::ATOMIC_OR64:
    case Op::ATOMIC_FETCH_OR32:
    case Op::ATOMIC_FETCH_OR64:
      return Op::OR64_REG;
    case Op::ATOMIC_AND32:
    case Op::ATOMIC_AND64:
    case Op::ATOMIC_FETCH_AND32:
    case Op::ATOMIC_FETCH_AND64:
      return Op::AND64_REG;
    case Op::ATOMIC_XOR32:
    case Op::ATOMIC_XOR64:
    case Op::ATOMIC_FETCH_XOR32:
    case Op::ATOMIC_FETCH_XOR64:
      return Op::XOR64_REG;
    default:
      KILN_CHECK(!"not an atomic operation");
  }
}

void in_map(Gen& gen, const Insn& insn) {
  if (is_compare(find_insn(insn)->op)) {
    gen.e.emit(core(CoreOp::PUSHR, 0, 0, 0, 0));
  }
  gen.e.emit(insn);
}

void local_compare(Gen& gen, const Insn& insn, unsigned bytes) {
  const Label unequal = gen.e.make_label();
  gen.e.emit(load(bytes, kScratch0, insn.dst, insn.off));
  gen.e.branch(jump_reg(bytes == 8 ? Op::JNE64_REG : Op::JNE32_REG, kScratch0, 0), unequal);
  gen.e.emit(store(bytes, insn.dst, insn.off, insn.src));
  gen.e.bind(unequal);
  gen.e.emit(reg_reg(Op::MOV64_REG, 0, kScratch0));
}

void in_thread(Gen& gen, const Insn& insn) {
  const InsnInfo& row = *find_insn(insn);
  const unsigned bytes = access_bytes(insn.opcode);
  if (is_compare(row.op)) {
    return local_compare(gen, insn, bytes);
  }
  gen.e.emit(load(bytes, kScratch0, insn.dst, insn.off));
  if (is_exchange(row.op)) {
    gen.e.emit(store(bytes, insn.dst, insn.off, insn.src));
    gen.e.emit(reg_reg(Op::MOV64_REG, insn.src, kScratch0));
    return;
  }
  const bool fetch = row.form == Form::kAtomicFetch;
  const unsigned result = fetch ? kScratch1 : kScratch0;
  if (fetch) {
    gen.e.emit(reg_reg(Op::MOV64_REG, result, kScratch0));
  }
  gen.e.emit(reg_reg(operation(row.op), result, insn.src));
  gen.e.emit(store(bytes, insn.dst, insn.off, result));
  if (fetch) {
    gen.e.emit(reg_reg(Op::MOV64_REG, insn.src, kScratch0));
  }
}

}  // namespace

void gen_atomic(Gen& gen, const Step& step) {
  // Memory from helpers is a record of a ring buffer: what else there is has been handed over.
  constexpr auto kMap = static_cast<ValueKinds>(static_cast<unsigned>(ValueKind::kMapValue) | static_cast<unsigned>(ValueKind::kOther));
  constexpr auto kNull = static_cast<ValueKinds>(ValueKind::kNull);
  const bool may_be_map = (step.memory & kMap) != 0;
  const bool only_map = may_be_map && (step.memory & ~(kMap | kNull)) == 0;
  if (only_map) {
    return in_map(gen, step.insn);
  }
  if (!may_be_map) {
    return in_thread(gen, step.insn);
  }
  const Label map = gen.e.make_label();
  const Label done = gen.e.make_label();
  gen.e.emit(reg_reg(Op::MOV64_REG, kScratch0, step.insn.dst));
  gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch0, step.insn.off));
  gen.e.emit(reg_imm(Op::RSH32_IMM, kScratch0, kTagShift));
  gen.e.branch(jump_imm(Op::JEQ64_IMM, kScratch0, kMapTag), map);
  in_thread(gen, step.insn);
  gen.e.jump(done);
  gen.e.bind(map);
  in_map(gen, step.insn);
  gen.e.bind(done);
}

void gen_packet_load(Gen& gen, const Step& step, Label fail) {
  const Insn& insn = step.insn;
  const Op op = find_insn(insn)->op;
  const bool indirect = op == Op::LD_INDB || op == Op::LD_INDH || op == Op::LD_INDW;
  const auto bytes = static_cast<std::int32_t>(access_bytes(insn.opcode));
  gen.e.constant(kScratch2, static_cast<std::uint32_t>(insn.imm));
  if (indirect) {
    gen.e.emit(reg_reg(Op::ADD32_REG, kScratch2, insn.src));
  }
  gen.e.constant(0, 0);
  // Negative offsets, as unsigned 32-bit numbers, are beyond every frame.
  unsigned context = 6;
  if (step.number == 0) {
    context = kScratch1;
    gen.e.constant(context, address::kContext);
  }
  gen.e.emit(load(4, kScratch0, context, static_cast<std::int32_t>(address::kCtxData)));
  gen.e.emit(load(4, kScratch1, context, static_cast<std::int32_t>(address::kCtxDataEnd)));
  gen.e.emit(reg_reg(Op::ADD64_REG, kScratch0, kScratch2));
  gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch0, bytes));
  gen.e.branch(jump_reg(Op::JGT64_REG, kScratch0, kScratch1), fail);
  gen.e.emit(load(static_cast<unsigned>(bytes), 0, kScratch0, -bytes));
  if (bytes == 2) {
    gen.e.emit(bpf(Op::BE16, 0, 0, 0, 0));
  } else if (bytes == 4) {
    gen.e.emit(bpf(Op::BE32, 0, 0, 0, 0));
  }
}

}  // namespace kiln::lowering
