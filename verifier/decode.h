// SPDX-License-Identifier: Apache-2.0
//
// The instruction table, looked up once per slot before exploring: what each instruction is, in the
// terms that the verifier branches on. Opcodes themselves stay in isa.def.
#pragma once

#include <vector>

#include <kiln/program.h>

#include "tnum.h"

namespace kiln::verifier {

enum class AluOp : u8 { kMov, kAdd, kSub, kMul, kDiv, kSdiv, kMod, kSmod, kOr, kAnd, kXor, kLsh, kRsh, kArsh };
enum class CmpOp : u8 { kEq, kNe, kSet, kNotSet, kGt, kGe, kLt, kLe, kSgt, kSge, kSlt, kSle };

struct Decoded {
  const InsnInfo* info = nullptr;  ///< null: second slot of a wide instruction, or no such instruction
  Form form = Form::kExit;
  Op op = Op::EXIT;
  AluOp alu = AluOp::kMov;
  CmpOp cmp = CmpOp::kEq;
  bool is64 = true;           ///< ALU64, JMP; false: ALU32, JMP32
  bool uses_source = false;   ///< the second operand is a register, not imm
  bool signed_load = false;   ///< LDXSW, LDXSH, LDXSB
  u8 bytes = 0;               ///< of a memory access
  u8 width = 0;               ///< bits of MOVSX and of byte swaps
  bool is_conditional() const { return form == Form::kJmpImm || form == Form::kJmpReg; }
  bool has_two_ways() const { return is_conditional() || form == Form::kMayGoto; }
  bool is_kfunc_call() const { return op == Op::CALL_KFUNC && form == Form::kCall; }
  bool is_subprogram_call() const { return op == Op::CALL_LOCAL; }
  bool is_helper_call() const { return op == Op::CALL_HELPER || op == Op::CALL_KFUNC; }
  bool is_atomic() const { return form == Form::kAtomic || form == Form::kAtomicFetch; }
};

std::vector<Decoded> decode_program(const Program& program);

/// Where a jump or subprogram call at `at` goes; may lie outside the program.
s64 jump_target(const Decoded& decoded, const Insn& insn, std::size_t at);

/// What holds when the comparison does not, and the comparison with its operands exchanged.
CmpOp negate(CmpOp op);
CmpOp exchange(CmpOp op);

}  // namespace kiln::verifier
