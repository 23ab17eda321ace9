// SPDX-License-Identifier: Apache-2.0
//
// Emits arithmetic. Operations on 32-bit registers zero the upper half, which is what class ALU asks for.
#include "jit_emitter.h"

#include <cstddef>

namespace kiln {

namespace x86 = asmjit::x86;
using asmjit::imm;

void JitEmitter::alu(const CodeInsn& insn) {
  const bool is64 = is_64_bit(insn.op);
  const Gp dst = host_register(insn.dst, is64);
  Gp src = host_register(insn.src, is64);
  const bool by_imm = insn.form == Form::kAluImm && !hidden(insn, is64, src);
  switch (insn.op) {
#define KILN_CASES(NAME)  \
  case Op::NAME##64_IMM:  \
  case Op::NAME##64_REG:  \
  case Op::NAME##32_IMM:  \
  case Op::NAME##32_REG:
    KILN_CASES(ADD)
    by_imm ? as_.add(dst, imm(insn.imm)) : as_.add(dst, src);
    return;
    KILN_CASES(SUB)
    by_imm ? as_.sub(dst, imm(insn.imm)) : as_.sub(dst, src);
    return;
    KILN_CASES(OR)
    by_imm ? as_.or_(dst, imm(insn.imm)) : as_.or_(dst, src);
    return;
    KILN_CASES(AND)
    by_imm ? as_.and_(dst, imm(insn.imm)) : as_.and_(dst, src);
    return;
    KILN_CASES(XOR)
    by_imm ? as_.xor_(dst, imm(insn.imm)) : as_.xor_(dst, src);
    return;
    KILN_CASES(MUL)
    by_imm ? as_.imul(dst, dst, imm(insn.imm)) : as_.imul(dst, src);
    return;
    KILN_CASES(MOV)
    if (by_imm) {
      const std::int64_t value = insn.imm;
      load_constant(host_register(insn.dst), is64 ? static_cast<std::uint64_t>(value) : static_cast<std::uint32_t>(value));
    } else {
      as_.mov(dst, src);
    }
    return;
    KILN_CASES(LSH)
    KILN_CASES(RSH)
    KILN_CASES(ARSH)
    return shift(insn, is64);
    KILN_CASES(DIV)
    KILN_CASES(SDIV)
    KILN_CASES(MOD)
    KILN_CASES(SMOD)
    return divide(insn, is64);
#undef KILN_CASES
    default:
      KILN_CHECK(!"a two-operand instruction without a rule");
  }
}

void JitEmitter::alu_unary(const CodeInsn& insn) {
  const Gp& dst = host_register(insn.dst);
  const Gp& src = host_register(insn.src);
  switch (insn.op) {
    case Op::MOVSX64_8:
      as_.movsx(dst, src.r8());
      return;
    case Op::MOVSX64_16:
      as_.movsx(dst, src.r16());
      return;
    case Op::MOVSX64_32:
      as_.movsxd(dst, src.r32());
      return;
    case Op::MOVSX32_8:
      as_.movsx(dst.r32(), src.r8());
      return;
    case Op::MOVSX32_16:
      as_.movsx(dst.r32(), src.r16());
      return;
    case Op::NEG64:
      as_.neg(dst);
      return;
    case Op::NEG32:
      as_.neg(dst.r32());
      return;
    case Op::LE16:
      as_.movzx(dst.r32(), dst.r16());
      return;
    case Op::LE32:
      as_.mov(dst.r32(), dst.r32());
      return;
    case Op::LE64:
      return;
    case Op::BE16:
    case Op::BSWAP16:
      as_.rol(dst.r16(), 8);
      as_.movzx(dst.r32(), dst.r16());
      return;
    case Op::BE32:
    case Op::BSWAP32:
      as_.bswap(dst.r32());
      return;
    case Op::BE64:
    case Op::BSWAP64:
      as_.bswap(dst);
      return;
    default:
      KILN_CHECK(!"a one-operand instruction without a rule");
  }
}

void JitEmitter::shift(const CodeInsn& insn, bool is64) {
  // One rule each for LSH, RSH, ARSH, whatever the width and source.
  const std::string_view text = isa_table()[static_cast<std::size_t>(insn.op)].text;
  const Op rule = text == "<<=" ? Op::LSH64_REG : text == ">>=" ? Op::RSH64_REG : Op::ARSH64_REG;
  if (insn.form == Form::kAluReg) {
    return shift_by_register(insn, is64, rule);
  }
  const Gp dst = host_register(insn.dst, is64);
  const int count = insn.imm & (is64 ? 63 : 31);
  if (count == 0) {
    if (!is64) {
      as_.mov(dst, dst);  // the upper half goes all the same
    }
    return;
  }
  switch (rule) {
    case Op::LSH64_REG:
      as_.shl(dst, count);
      return;
    case Op::RSH64_REG:
      as_.shr(dst, count);
      return;
    default:
      as_.sar(dst, count);
  }
}

void JitEmitter::shift_by_register(const CodeInsn& insn, bool is64, Op rule) {
  const Gp dst = host_register(insn.dst, is64), src = host_register(insn.src, is64);
  if (bmi2_) {
    switch (rule) {
      case Op::LSH64_REG:
        as_.shlx(dst, dst, src);
        return;
      case Op::RSH64_REG:
        as_.shrx(dst, dst, src);
        return;
      default:
        as_.sarx(dst, dst, src);
        return;
    }
  }
  // Older processors take the count in cl, which is R4's.
  const Gp value = is64 ? Gp(x86::r10) : Gp(x86::r10d);
  as_.mov(value, dst);
  as_.mov(x86::r11, x86::rcx);
  as_.mov(x86::ecx, src.r32());
  switch (rule) {
    case Op::LSH64_REG:
      as_.shl(value, x86::cl);
      break;
    case Op::RSH64_REG:
      as_.shr(value, x86::cl);
      break;
    default:
      as_.sar(value, x86::cl);
  }
  as_.mov(x86::rcx, x86::r11);
  as_.mov(dst, value);
}

/// rdx:rax are R3 and R0; they are kept in scratch registers around the division. Zero and -1 as divisors go
/// ways of their own: x86 traps on the first, and on the most negative number divided by the second.
void JitEmitter::divide(const CodeInsn& insn, bool is64) {
  const std::string_view text = isa_table()[static_cast<std::size_t>(insn.op)].text;
  const bool is_signed = text.front() == 's', is_modulo = text.find('%') != std::string_view::npos;
  const auto wide = [is64](const Gp& reg) { return is64 ? reg : reg.r32(); };
  const Gp dst = host_register(insn.dst, is64), divisor = wide(x86::r11);
  const asmjit::Label zero = as_.newLabel(), minus_one = as_.newLabel(), done = as_.newLabel();
  if (insn.form == Form::kAluImm) {
    load_constant(x86::r11, is64 ? static_cast<std::uint64_t>(std::int64_t{insn.imm}) : static_cast<std::uint32_t>(insn.imm));
  } else {
    as_.mov(divisor, host_register(insn.src, is64));
  }
  as_.test(divisor, divisor);
  as_.jz(zero);
  if (is_signed) {
    as_.cmp(divisor, -1);
    as_.je(minus_one);
  }
  as_.mov(x86::r9, x86::rax);
  as_.mov(x86::r10, x86::rdx);
  as_.mov(wide(x86::rax), dst);
  if (is_signed) {
    is64 ? as_.cqo() : as_.cdq();
    as_.idiv(divisor);
  } else {
    as_.xor_(x86::edx, x86::edx);
    as_.div(divisor);
  }
  as_.mov(divisor, wide(is_modulo ? x86::rdx : x86::rax));
  as_.mov(x86::rax, x86::r9);
  as_.mov(x86::rdx, x86::r10);
  as_.mov(dst, divisor);
  as_.jmp(done);
  if (is_signed) {
    as_.bind(minus_one);
    is_modulo ? as_.xor_(dst.r32(), dst.r32()) : as_.neg(dst);
    as_.jmp(done);
  }
  as_.bind(zero);
  if (!is_modulo) {
    as_.xor_(dst.r32(), dst.r32());
  } else if (!is64) {
    as_.mov(dst, dst);
  }
  as_.bind(done);
}

}  // namespace kiln
