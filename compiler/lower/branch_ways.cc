// SPDX-License-Identifier: Apache-2.0
#include "branch_ways.h"

namespace kiln::lowering {
namespace {

/// Is `left op right` true? `op` is the 64-bit immediate row of the comparison.
bool holds(Op op, std::uint64_t left, std::uint64_t right) {
  const auto sleft = static_cast<std::int64_t>(left);
  const auto sright = static_cast<std::int64_t>(right);
  switch (op) {
    case Op::JEQ64_IMM:
      return left == right;
    case Op::JNE64_IMM:
      return left != right;
    case Op::JGT64_IMM:
      return left > right;
    case Op::JGE64_IMM:
      return left >= right;
    case Op::JLT64_IMM:
      return left < right;
    case Op::JLE64_IMM:
      return left <= right;
    case Op::JSET64_IMM:
      return (left & right) != 0;
    case Op::JSGT64_IMM:
      return sleft > sright;
    case Op::JSGE64_IMM:
      return sleft >= sright;
    case Op::JSLT64_IMM:
      return sleft < sright;
    case Op::JSLE64_IMM:
      return sleft <= sright;
    default:
      KILN_CHECK(!"not a comparison");
  }
}

struct Comparison {
  Op op;      ///< the 64-bit immediate row
  bool wide;  ///< 64 bits compared
};

Comparison comparison(Op op) {
  switch (op) {
#define KILN_COMPARE(name)          \
  case Op::name##64_IMM:            \
  case Op::name##64_REG:            \
    return {Op::name##64_IMM, true}; \
  case Op::name##32_IMM:            \
  case Op::name##32_REG:            \
    return {Op::name##64_IMM, false};
    KILN_COMPARE(JEQ)
    KILN_COMPARE(JNE)
    KILN_COMPARE(JGT)
    KILN_COMPARE(JGE)
    KILN_COMPARE(JLT)
    KILN_COMPARE(JLE)
    KILN_COMPARE(JSET)
    KILN_COMPARE(JSGT)
    KILN_COMPARE(JSGE)
    KILN_COMPARE(JSLT)
    KILN_COMPARE(JSLE)
#undef KILN_COMPARE
    default:
      KILN_CHECK(!"not a comparison");
  }
}

std::uint64_t narrowed(std::uint64_t value, bool is_signed) {
  return is_signed ? sign_extended(static_cast<std::int32_t>(value)) : static_cast<std::uint32_t>(value);
}

bool is_signed_comparison(Op op) {
  return op == Op::JSGT64_IMM || op == Op::JSGE64_IMM || op == Op::JSLT64_IMM || op == Op::JSLE64_IMM;
}

Ways ways_by_value(const At& at) {
  Ways ways;
  if (const InsnFact* fact = at.view.fact(at.slot); fact != nullptr && (fact->branch_taken || fact->branch_not_taken)) {
    ways = {fact->branch_taken, fact->branch_not_taken};
  }
  const Insn& insn = at.view.insn(at.slot);
  const Comparison compare = comparison(at.view.op(at.slot));
  const bool immediate = at.view.row(at.slot)->form == Form::kJmpImm;
  auto right = immediate ? std::optional(sign_extended(insn.imm)) : at.constant(insn.src);
  auto left = at.constant(insn.dst);
  if (left && right) {
    if (!compare.wide) {
      left = narrowed(*left, is_signed_comparison(compare.op));
      right = narrowed(*right, is_signed_comparison(compare.op));
    }
    const bool taken = holds(compare.op, *left, *right);
    return {taken, !taken};
  }
  const bool equality = compare.op == Op::JEQ64_IMM || compare.op == Op::JNE64_IMM;
  if (compare.wide && right && *right == 0 && equality && at.non_zero(insn.dst)) {
    const bool taken = compare.op == Op::JNE64_IMM;
    return {taken, !taken};
  }
  return ways;
}

}  // namespace

Ways ways_of(const At& at) {
  Ways ways = at.view.row(at.slot)->form == Form::kMayGoto ? Ways{true, true} : ways_by_value(at);
  ways.taken &= !at.view.dead(at.view.target(at.slot));
  ways.falls &= !at.view.dead(at.view.next(at.slot));
  return ways;
}

}  // namespace kiln::lowering
