// SPDX-License-Identifier: Apache-2.0
//
// Instructions that begin with a register: arithmetic, loads, constants, atomics with a result.
#include <algorithm>
#include <cctype>
#include <limits>

#include "text/line_parser.h"

namespace kiln::text {
namespace {

constexpr std::uint8_t kClassAlu32 = 0x04;
constexpr std::uint8_t kClassAlu64 = 0x07;

std::uint8_t alu_class(Register dst) {
  return dst.is_32 ? kClassAlu32 : kClassAlu64;
}

}  // namespace

/// "=" may start many forms; what none of them knows, and every other operator, is arithmetic.
bool LineParser::assignment(Register dst) {
  const std::string_view before = rest();
  if (take("=")) {
    if (plain_assignment(dst)) {
      return true;
    }
    if (!error().empty()) {
      return false;
    }
  }
  rewind(before);
  return alu(dst);
}

bool LineParser::alu(Register dst) {
  const std::string_view op = operation(Form::kAluImm);
  if (op.empty()) {
    return fail(fmt::format("expected an operator at '{}'", rest()));
  }
  const auto src = reg();
  const Form form = src ? Form::kAluReg : Form::kAluImm;
  if (src && src->is_32 != dst.is_32) {
    return fail("r and w registers in one instruction");
  }
  insn.dst = dst.number;
  if (src) {
    insn.src = src->number;
  } else if (!imm32(insn.imm)) {
    return false;
  }
  const auto fits = [&](const InsnInfo& row) {
    return row.form == form && row.text == op && (row.opcode & 7) == alu_class(dst);
  };
  return use(fits, "operation");
}

/// After "dst =". False without an error: something for alu().
bool LineParser::plain_assignment(Register dst) {
  const std::string_view before = rest();
  if (take("-")) {
    if (negation(dst) || !error().empty()) {
      return error().empty();
    }
    rewind(before);
  }
  if (take("*")) {
    return load(dst);
  }
  if (take("(")) {
    return sign_extension(dst);
  }
  const std::string_view name = word();
  if (name == "map" || name == "subprog" || name == "var") {
    return wide(dst, name);
  }
  if (name.starts_with("atomic") || name.starts_with("xchg") || name.starts_with("cmpxchg")) {
    return atomic_fetch(dst, name);
  }
  if (name == "load_acquire") {
    std::string type;
    insn.dst = dst.number;
    const auto fits = [&](const InsnInfo& row) { return row.form == Form::kLoadAcquire && row.text == type; };
    return expect("(") && place(type, insn.src) && expect(")") && use(fits, "load type");
  }
  if (name == "addr_space_cast") {
    return address_cast(dst);
  }
  if (byte_swap(dst, name) || !error().empty()) {
    return error().empty();
  }
  rewind(before);
  return rest().ends_with("ll") && wide_number(dst);
}

/// After "dst = -". False without an error: a number follows.
bool LineParser::negation(Register dst) {
  const auto src = reg();
  if (!src) {
    return false;
  }
  if (src->number != dst.number || src->is_32 != dst.is_32) {
    return fail("negation works in place");
  }
  insn.dst = dst.number;
  const auto fits = [&](const InsnInfo& row) {
    return row.form == Form::kNeg && (row.opcode & 7) == alu_class(dst);
  };
  return use(fits, "negation");
}

/// After "dst = (".
bool LineParser::sign_extension(Register dst) {
  const std::string_view type = word();
  const auto src = expect(")") ? reg() : std::nullopt;
  if (!src || src->is_32 != dst.is_32) {
    return fail("expected a register after the sign extension");
  }
  insn.dst = dst.number;
  insn.src = src->number;
  const auto fits = [&](const InsnInfo& row) {
    return row.form == Form::kMovSx && (row.opcode & 7) == alu_class(dst) &&
           type == fmt::format("s{}", row.value);
  };
  return use(fits, "sign extension");
}

/// After "dst = NAME". False without an error: the name is no byte swap.
bool LineParser::byte_swap(Register dst, std::string_view name) {
  for (const InsnInfo& row : isa_table()) {
    if (row.form != Form::kEnd || name != fmt::format("{}{}", row.text, row.value)) {
      continue;
    }
    std::uint8_t src = 0;
    if (!reg_into(src)) {
      return false;
    }
    insn.dst = dst.number;
    return src == dst.number ? use_op(row.op) : fail("byte swaps work in place");
  }
  return false;
}

/// After "dst = *": a load, or legacy packet access.
bool LineParser::load(Register dst) {
  const std::string_view before = rest();
  if (!expect("(")) {
    return false;
  }
  std::string type(word());
  if (!expect("*") || !expect(")")) {
    return false;
  }
  if (!take("skb")) {
    rewind(before);
    insn.dst = dst.number;
    const auto fits = [&](const InsnInfo& row) {
      return row.form == Form::kLoad && row.text == type;
    };
    return place(type, insn.src) && use(fits, "load type");
  }
  if (!expect("[")) {
    return false;
  }
  const auto index = reg();
  if (index) {
    insn.src = index->number;
  }
  if (!(index && rest().starts_with("]")) && !imm32(insn.imm)) {
    return false;
  }
  constexpr std::uint8_t kModeInd = 0x40, kModeMask = 0xe0;
  const auto fits = [&](const InsnInfo& row) {
    return row.form == Form::kLdPacket && row.text == type &&
           ((row.opcode & kModeMask) == kModeInd) == index.has_value();
  };
  return expect("]") && (dst.number == 0 || fail("packet loads go to r0")) &&
         use(fits, "packet load type");
}

/// After "dst = NAME": the kernel's atomic64_fetch_add((u64 *)(r1 +0), r2) and LLVM's
/// atomic_fetch_add((u64 *)(..), ..), xchg_64(r1 + 0, r2), cmpxchg32_32(r1 + 0, w0, w2).
bool LineParser::atomic_fetch(Register dst, std::string_view name) {
  std::string_view op = name;
  unsigned bytes = 0;
  if (op.starts_with("atomic")) {
    op.remove_prefix(6);
    op.remove_prefix(op.starts_with("64") ? 2 : 0);
    op.remove_prefix(op.starts_with("_") ? 1 : 0);
  } else {
    bytes = op.ends_with("32") ? 4 : 8;
    op = op.substr(0, op.find_first_of("_0123456789"));
  }
  if (!expect("(")) {
    return false;
  }
  if (bytes == 0) {
    std::string type;
    if (!place(type, insn.dst)) {
      return false;
    }
    bytes = type == "u64" ? 8 : type == "u32" ? 4 : 0;
  } else if (!reg_into(insn.dst) || !offset16(insn.off)) {
    return false;
  }
  std::uint8_t compared = 0;
  const bool is_compare = op == "cmpxchg";
  if (!expect(",") || (is_compare && (!reg_into(compared) || !expect(",")))) {
    return false;
  }
  if (!reg_into(insn.src) || !expect(")")) {
    return false;
  }
  if (is_compare ? dst.number != 0 || compared != 0 : dst.number != insn.src) {
    return fail("an atomic's result goes to its source register, cmpxchg's to r0");
  }
  const auto fits = [&](const InsnInfo& row) {
    return row.form == Form::kAtomicFetch && row.text == op && access_bytes(row.opcode) == bytes;
  };
  return use(fits, "atomic operation");
}

/// After "dst = addr_space_cast": "(r2, 0, 1)".
bool LineParser::address_cast(Register dst) {
  std::uint64_t to = 0, from = 0;
  constexpr std::uint64_t kMaxSpace = 0xffff;
  if (!expect("(") || !reg_into(insn.src) || !expect(",") || !number(0, kMaxSpace, to) || !expect(",") ||
      !number(0, kMaxSpace, from) || !expect(")")) {
    return false;
  }
  insn.dst = dst.number;
  insn.imm = static_cast<std::int32_t>(to << 16 | from);
  return use_op(Op::ADDR_SPACE_CAST);
}

bool LineParser::wide_number(Register dst) {
  std::uint64_t value = 0;
  if (!number(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::uint64_t>::max(),
              value) ||
      !expect("ll")) {
    return false;
  }
  insn.dst = dst.number;
  insn.imm = static_cast<std::int32_t>(value);
  second = Insn{.imm = static_cast<std::int32_t>(value >> 32)};
  return use_op(Op::LD_IMM64);
}

/// After "map": "[idx:2,name:counters][0]+8" or "[fd:5]".
bool LineParser::map_reference(Op& op, std::int32_t& high) {
  const bool by_index = take("idx");
  if ((!by_index && !expect("fd")) || !expect(":") || !imm32(insn.imm)) {
    return false;
  }
  if (take(",")) {  // the name is for readers only
    take_n(std::min(rest().find(']'), rest().size()));
  }
  op = by_index ? Op::LD_MAP_IDX : Op::LD_MAP_FD;
  if (!expect("]") || !take("[")) {
    return error().empty();
  }
  op = by_index ? Op::LD_MAP_IDX_VALUE : Op::LD_MAP_FD_VALUE;
  return expect("0") && expect("]") && imm32(high);
}

/// After "dst = map", "subprog" or "var". A subprogram is named by its distance or by a label.
bool LineParser::wide(Register dst, std::string_view what) {
  std::int32_t high = 0;
  Op op = what == "var" ? Op::LD_VAR_ADDR : Op::LD_CODE_ADDR;
  insn.dst = dst.number;
  if (!expect("[")) {
    return false;
  }
  if (what == "map") {
    if (!map_reference(op, high)) {
      return false;
    }
  } else {
    const bool is_variable = what == "var";
    const bool by_label = !is_variable && !rest().empty() && std::isalpha(static_cast<unsigned char>(rest()[0])) != 0;
    if (by_label) {
      label = std::string(word());
      label_in_imm = true;
    }
    if ((is_variable && (!expect("btf") || !expect(":"))) || (!by_label && !imm32(insn.imm)) || !expect("]")) {
      return false;
    }
    if (!is_variable && take("#")) {
      word();
    }
  }
  take("ll");
  second = Insn{.imm = high};
  return use_op(op);
}

}  // namespace kiln::text
