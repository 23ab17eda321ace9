// SPDX-License-Identifier: Apache-2.0
//
// Instructions that name what they do: jumps, calls, stores, exit. Assignments are in
// line_assignment.cc.
#include "text/line_parser.h"

#include <limits>

#include <kiln/helpers.h>

namespace kiln::text {
namespace {

constexpr std::uint8_t kClassJmp = 0x05;
constexpr std::uint8_t kClassJmp32 = 0x06;

}  // namespace

/// Sets opcode and selected field from the first row that fits.
bool LineParser::use(const std::function<bool(const InsnInfo&)>& fits, const char* what) {
  for (const InsnInfo& row : isa_table()) {
    if (!fits(row)) {
      continue;
    }
    insn.opcode = row.opcode;
    switch (row.selector) {
      case Selector::kOff:
        insn.off = static_cast<std::int16_t>(row.value);
        break;
      case Selector::kImm:
        insn.imm = row.value;
        break;
      case Selector::kSrc:
        insn.src = static_cast<std::uint8_t>(row.value);
        break;
      case Selector::kNone:
        break;
    }
    return true;
  }
  return fail(fmt::format("no such {}", what));
}

bool LineParser::use_form(Form form) {
  return use([form](const InsnInfo& row) { return row.form == form; }, "instruction");
}

bool LineParser::use_op(Op op) {
  return use([op](const InsnInfo& row) { return row.op == op; }, "instruction");
}

/// "(u64 *)(r1 +8)": type and base; the offset goes to insn.off.
bool LineParser::place(std::string& type, std::uint8_t& base) {
  if (!expect("(")) {
    return false;
  }
  type = std::string(word());
  if (!expect("*") || !expect(")") || !expect("(") || !reg_into(base)) {
    return false;
  }
  if (!rest().starts_with(")") && !offset16(insn.off)) {
    return false;
  }
  return expect(")");
}

/// The longest operator of this form that comes next, or "".
std::string_view LineParser::operation(Form form) {
  std::string_view best;
  for (const InsnInfo& row : isa_table()) {
    if (row.form == form && row.text.size() > best.size() && rest().starts_with(row.text)) {
      best = row.text;
    }
  }
  take_n(best.size());
  return best;
}

bool LineParser::store() {
  std::string type;
  if (!place(type, insn.dst) || !expect("=")) {
    return false;
  }
  const auto src = reg();
  if (src) {
    insn.src = src->number;
  } else if (!imm32(insn.imm)) {
    return false;
  }
  const Form form = src ? Form::kStoreReg : Form::kStoreImm;
  return use([&](const InsnInfo& row) { return row.form == form && row.text == type; },
             "store type");
}

bool LineParser::locked() {
  std::string type;
  if (!expect("*") || !place(type, insn.dst)) {
    return false;
  }
  const std::string_view op = operation(Form::kAtomic);
  const unsigned bytes = type == "u64" ? 8 : type == "u32" ? 4 : 0;
  const auto fits = [&](const InsnInfo& row) {
    return row.form == Form::kAtomic && row.text == op && access_bytes(row.opcode) == bytes;
  };
  return reg_into(insn.src) && use(fits, "atomic operation");
}

/// "pc+3", "+3", "-3" or a label.
bool LineParser::jump_target(bool in_imm) {
  if (rest().starts_with("pc+") || rest().starts_with("pc-")) {
    take_n(2);
  }
  if (rest().starts_with("+") || rest().starts_with("-")) {
    return in_imm ? imm32(insn.imm) : offset16(insn.off);
  }
  label = std::string(word());
  label_in_imm = in_imm;
  return !label.empty() || fail("expected a jump target");
}

bool LineParser::jump_if() {
  const auto left = reg();
  if (!left) {
    return fail(fmt::format("expected a register at '{}'", rest()));
  }
  const std::string_view op = operation(Form::kJmpImm);
  const auto right = reg();
  if (right && right->is_32 != left->is_32) {
    return fail("r and w registers in one instruction");
  }
  insn.dst = left->number;
  if (right) {
    insn.src = right->number;
  } else if (!imm32(insn.imm)) {
    return false;
  }
  const Form form = right ? Form::kJmpReg : Form::kJmpImm;
  const std::uint8_t cls = left->is_32 ? kClassJmp32 : kClassJmp;
  const auto fits = [&](const InsnInfo& row) {
    return row.form == form && row.text == op && (row.opcode & 7) == cls;
  };
  return expect("goto") && jump_target(false) && use(fits, "comparison");
}

/// "call 1", "call bpf_map_lookup_elem#1", "call map_lookup_elem", "call pc+3#name",
/// "call kernel-function#7", "call label".
bool LineParser::call() {
  if (rest().starts_with("pc+") || rest().starts_with("pc-")) {
    if (!jump_target(true)) {
      return false;
    }
    if (take("#")) {
      word();
    }
    return use_op(Op::CALL_LOCAL);
  }
  if (take("kernel-function")) {
    return expect("#") && imm32(insn.imm) && use_op(Op::CALL_KFUNC);
  }
  if (!rest().empty() && (is_digit(rest().front()) || rest().front() == '-')) {
    return imm32(insn.imm) && use_op(Op::CALL_HELPER);
  }
  const std::string_view name = word();
  if (take("#")) {
    return imm32(insn.imm) && use_op(Op::CALL_HELPER);
  }
  const std::string_view bare = name.starts_with("bpf_") ? name.substr(4) : name;
  constexpr std::uint32_t kMaxHelper = 1000;  // beyond the last that any kernel has
  for (std::uint32_t id = 1; !bare.empty() && id < kMaxHelper; ++id) {
    if (helper_name(id) == bare) {
      insn.imm = static_cast<std::int32_t>(id);
      return use_op(Op::CALL_HELPER);
    }
  }
  label = std::string(name);
  label_in_imm = true;
  return (!label.empty() || fail("expected what to call")) && use_op(Op::CALL_LOCAL);
}

bool LineParser::instruction() {
  bool good = false;
  if (take("exit")) {
    good = use_form(Form::kExit);
  } else if (take("goto")) {
    good = jump_target(false) && use_form(Form::kJa);
  } else if (take("gotol")) {
    good = jump_target(true) && use_form(Form::kJa32);
  } else if (take("call")) {
    good = call();
  } else if (take("callx")) {
    good = reg_into(insn.dst) && use_form(Form::kCallx);
  } else if (take("if")) {
    good = jump_if();
  } else if (take("may_goto")) {
    good = jump_target(false) && use_form(Form::kMayGoto);
  } else if (take("store_release")) {
    std::string type;
    const auto fits = [&](const InsnInfo& row) { return row.form == Form::kStoreRelease && row.text == type; };
    good = expect("(") && place(type, insn.dst) && expect(",") && reg_into(insn.src) && expect(")") &&
           use(fits, "store type");
  } else if (take("lock")) {
    good = locked();
  } else if (take("*")) {
    good = store();
  } else if (take(".quad")) {
    std::uint64_t bits = 0;
    good = number(0, std::numeric_limits<std::uint64_t>::max(), bits);
    insn = decode(bits);
  } else if (const auto dst = reg()) {
    good = assignment(*dst);
  } else {
    return fail(fmt::format("no such instruction: '{}'", rest()));
  }
  return good && (at_end() || fail(fmt::format("unexpected text '{}'", rest())));
}

}  // namespace kiln::text
