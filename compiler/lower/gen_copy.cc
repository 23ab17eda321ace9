// SPDX-License-Identifier: Apache-2.0
//
// Bytes from one place to another, and the way out of a helper that fails.
#include "gen.h"

namespace kiln::lowering {
namespace {

constexpr std::uint32_t kUnrolled = 64;  // bytes that are copied without a loop

}  // namespace

void gen_copy(Gen& gen, Operand to, Operand from, std::uint32_t bytes, unsigned scratch) {
  for (std::uint32_t at = 0; at < bytes;) {
    const unsigned size = chunk(bytes - at);
    gen.e.emit(load(size, scratch, from.reg, from.offset + static_cast<std::int32_t>(at)));
    gen.e.emit(store(size, to.reg, to.offset + static_cast<std::int32_t>(at), scratch));
    at += size;
  }
}

void gen_copy_loop(Gen& gen, unsigned to, unsigned from, unsigned count, unsigned scratch) {
  const Label tail = gen.e.make_label(), done = gen.e.make_label();
  const auto turn = [&](unsigned bytes, Label again) {
    const auto step = static_cast<std::int32_t>(bytes);
    gen.e.emit(load(bytes, scratch, from, 0));
    gen.e.emit(store(bytes, to, 0, scratch));
    gen.e.emit(reg_imm(Op::ADD64_IMM, from, step));
    gen.e.emit(reg_imm(Op::ADD64_IMM, to, step));
    gen.e.emit(reg_imm(Op::ADD64_IMM, count, -step));
    gen.e.branch(jump_imm(Op::JGE64_IMM, count, step), again);
  };
  gen.e.branch(jump_imm(Op::JLT64_IMM, count, 8), tail);
  turn(8, gen.e.here());
  gen.e.bind(tail);
  gen.e.branch(jump_imm(Op::JEQ64_IMM, count, 0), done);
  turn(1, gen.e.here());
  gen.e.bind(done);
}

void gen_copy_any(Gen& gen, Operand to, Operand from, std::uint32_t bytes) {
  if (bytes <= kUnrolled) {
    return gen_copy(gen, to, from, bytes, kScratch1);
  }
  constexpr unsigned kTo = 0, kFrom = kScratch1, kCount = kScratch2, kWord = 5;
  if (to.reg != kTo) {
    gen.e.emit(reg_reg(Op::MOV64_REG, kTo, to.reg));
  }
  gen.e.emit(reg_imm(Op::ADD64_IMM, kTo, to.offset));
  gen.e.emit(reg_reg(Op::MOV64_REG, kFrom, from.reg));
  gen.e.emit(reg_imm(Op::ADD64_IMM, kFrom, from.offset));
  gen.e.constant(kCount, bytes);
  gen_copy_loop(gen, kTo, kFrom, kCount, kWord);
}

void gen_stage(Gen& gen, const CallPlan& plan, unsigned reg) {
  const LowerOptions& options = gen.view.options();
  const ContextBase context = context_base(gen, plan, kScratch1);
  gen.e.emit(load(4, reg, context.reg, context.bias + static_cast<std::int32_t>(address::kCtxCpu)));
  gen_scale(gen, reg, options.stage_bytes);
  gen.e.emit(reg_imm(Op::ADD64_IMM, reg, static_cast<std::int32_t>(address::kMap + options.stage)));
}

Label gen_fail(Gen& gen, int error_number, Label done) {
  const Label fail = gen.e.make_label();
  gen.e.cold([&gen, fail, error_number, done] {
    gen.e.bind(fail);
    gen_error(gen, error_number);
    gen.e.jump(done);
  });
  return fail;
}

}  // namespace kiln::lowering
