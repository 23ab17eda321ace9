// SPDX-License-Identifier: Apache-2.0
#include "decode.h"

#include <utility>

namespace kiln::verifier {
namespace {

constexpr u8 kClassAlu32 = 0x04, kClassJmp32 = 0x06;  // RFC 9669 section 3.1

constexpr std::pair<std::string_view, AluOp> kAluOps[] = {
    {"=", AluOp::kMov},    {"+=", AluOp::kAdd},   {"-=", AluOp::kSub},   {"*=", AluOp::kMul},
    {"/=", AluOp::kDiv},   {"s/=", AluOp::kSdiv}, {"%=", AluOp::kMod},   {"s%=", AluOp::kSmod},
    {"|=", AluOp::kOr},    {"&=", AluOp::kAnd},   {"^=", AluOp::kXor},   {"<<=", AluOp::kLsh},
    {">>=", AluOp::kRsh},  {"s>>=", AluOp::kArsh}};

constexpr std::pair<std::string_view, CmpOp> kCmpOps[] = {
    {"==", CmpOp::kEq}, {"!=", CmpOp::kNe},   {"&", CmpOp::kSet},    {">", CmpOp::kGt},
    {">=", CmpOp::kGe}, {"<", CmpOp::kLt},    {"<=", CmpOp::kLe},    {"s>", CmpOp::kSgt},
    {"s>=", CmpOp::kSge}, {"s<", CmpOp::kSlt}, {"s<=", CmpOp::kSle}};

template <typename T, std::size_t N>
T by_text(const std::pair<std::string_view, T> (&table)[N], std::string_view text) {
  for (const auto& [name, value] : table) {
    if (name == text) {
      return value;
    }
  }
  KILN_CHECK(!"operator of isa.def that the verifier does not know");
}

Decoded decode_one(const Insn& insn) {
  Decoded d;
  d.info = find_insn(insn);
  if (d.info == nullptr) {
    return d;
  }
  d.form = d.info->form;
  d.op = d.info->op;
  switch (d.form) {
    case Form::kAluReg:
    case Form::kAluImm:
      d.alu = by_text(kAluOps, d.info->text);
      d.uses_source = d.form == Form::kAluReg;
      d.is64 = insn.cls() != kClassAlu32;
      break;
    case Form::kMovSx:
      d.uses_source = true;
      d.is64 = insn.cls() != kClassAlu32;
      d.width = static_cast<u8>(insn.off);
      break;
    case Form::kNeg:
      d.is64 = insn.cls() != kClassAlu32;
      break;
    case Form::kEnd:
      d.width = static_cast<u8>(insn.imm);
      break;
    case Form::kJmpReg:
    case Form::kJmpImm:
      d.cmp = by_text(kCmpOps, d.info->text);
      d.uses_source = d.form == Form::kJmpReg;
      d.is64 = insn.cls() != kClassJmp32;
      break;
    case Form::kLoad:
    case Form::kStoreImm:
    case Form::kStoreReg:
    case Form::kAtomic:
    case Form::kAtomicFetch:
    case Form::kLdPacket:
    case Form::kLoadAcquire:
    case Form::kStoreRelease:
      d.bytes = static_cast<u8>(access_bytes(insn.opcode));
      d.signed_load = d.form == Form::kLoad && d.info->text.front() == 's';
      break;
    case Form::kJa:
    case Form::kJa32:
    case Form::kCall:
    case Form::kCallx:
    case Form::kExit:
    case Form::kLd64:
    case Form::kMayGoto:
    case Form::kAddrSpaceCast:
      break;
  }
  return d;
}

}  // namespace

std::vector<Decoded> decode_program(const Program& program) {
  std::vector<Decoded> result(program.insns.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = decode_one(program.insns[i]);
    if (program.insns[i].is_wide()) {
      ++i;  // the second slot stays without info
    }
  }
  return result;
}

s64 jump_target(const Decoded& decoded, const Insn& insn, std::size_t at) {
  const bool by_imm = decoded.form == Form::kJa32 || decoded.form == Form::kCall;
  return static_cast<s64>(at) + 1 + (by_imm ? insn.imm : insn.off);
}

CmpOp negate(CmpOp op) {
  switch (op) {
    case CmpOp::kEq: return CmpOp::kNe;
    case CmpOp::kNe: return CmpOp::kEq;
    case CmpOp::kSet: return CmpOp::kNotSet;
    case CmpOp::kNotSet: return CmpOp::kSet;
    case CmpOp::kGt: return CmpOp::kLe;
    case CmpOp::kGe: return CmpOp::kLt;
    case CmpOp::kLt: return CmpOp::kGe;
    case CmpOp::kLe: return CmpOp::kGt;
    case CmpOp::kSgt: return CmpOp::kSle;
    case CmpOp::kSge: return CmpOp::kSlt;
    case CmpOp::kSlt: return CmpOp::kSge;
    case CmpOp::kSle: return CmpOp::kSgt;
  }
  return op;
}

CmpOp exchange(CmpOp op) {
  switch (op) {
    case CmpOp::kEq:
    case CmpOp::kNe:
    case CmpOp::kSet:
    case CmpOp::kNotSet: return op;
    case CmpOp::kGt: return CmpOp::kLt;
    case CmpOp::kGe: return CmpOp::kLe;
    case CmpOp::kLt: return CmpOp::kGt;
    case CmpOp::kLe: return CmpOp::kGe;
    case CmpOp::kSgt: return CmpOp::kSlt;
    case CmpOp::kSge: return CmpOp::kSle;
    case CmpOp::kSlt: return CmpOp::kSgt;
    case CmpOp::kSle: return CmpOp::kSge;
  }
  return op;
}

}  // namespace kiln::verifier
