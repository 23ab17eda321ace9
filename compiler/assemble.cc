// SPDX-License-Identifier: Apache-2.0
//
// Text to BPF: the inverse of disasm.cc, and what llvm-objdump prints for the same instructions.
//
// One line, one instruction; the grammar is read off isa.def by form and operator, so a new row
// needs no new code here unless it brings a new form. Labels are resolved in a second pass.
#include <kiln/disasm.h>

#include <fmt/format.h>

#include <charconv>
#include <functional>
#include <limits>
#include <map>

#include <kiln/helpers.h>

namespace kiln {
namespace {

constexpr std::uint8_t kClassAlu32 = 0x04;
constexpr std::uint8_t kClassJmp = 0x05;
constexpr std::uint8_t kClassJmp32 = 0x06;
constexpr std::uint8_t kClassAlu64 = 0x07;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '.' ||
         c == '$';
}

/// A jump or call whose target is a label.
struct Fixup {
  std::size_t slot;
  std::size_t line;
  std::string label;
  bool in_imm;  ///< the distance goes to imm (gotol, call), else to off
};

struct Register {
  std::uint8_t number;
  bool is_32;  ///< written w0..w10
};

/// Reads one line. Every parser returns false with `error` set, or leaves the cursor where it was.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) { skip_blanks(); }

  /// The instruction on this line: one slot, or two in `second`.
  bool instruction();

  Insn insn;
  std::optional<Insn> second;
  std::string label;  ///< target name, if the target is a label
  bool label_in_imm = false;
  std::string error;

  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  std::string_view word() {
    std::size_t n = 0;
    while (n < rest_.size() && is_word(rest_[n])) {
      ++n;
    }
    return take_n(n);
  }
  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) {
      return false;
    }
    // A word ends where the word ends: "goto" is not the start of "gotol".
    if (is_word(token.back()) && rest_.size() > token.size() && is_word(rest_[token.size()])) {
      return false;
    }
    take_n(token.size());
    return true;
  }

 private:
  std::string_view take_n(std::size_t n) {
    const std::string_view taken = rest_.substr(0, n);
    rest_.remove_prefix(n);
    skip_blanks();
    return taken;
  }
  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\r')) {
      rest_.remove_prefix(1);
    }
  }
  bool fail(std::string message) {
    if (error.empty()) {
      error = std::move(message);
    }
    return false;
  }
  bool expect(std::string_view token) {
    return take(token) || fail(fmt::format("expected '{}' at '{}'", token, rest_));
  }
  bool use(const std::function<bool(const InsnInfo&)>& fits, const char* what);

  std::optional<Register> reg();
  bool reg_into(std::uint8_t& field);
  bool number(std::int64_t low, std::uint64_t high, std::uint64_t& value);
  bool imm32(std::int32_t& value);
  bool offset16(std::int16_t& value);
  bool place(std::string& type, std::uint8_t& base);
  std::string_view operation(Form form);

  bool assignment(Register dst);
  bool load(Register dst);
  bool atomic_fetch(Register dst, std::string_view name);
  bool wide(Register dst, std::string_view what);
  bool alu(Register dst);
  bool store();
  bool locked();
  bool jump_if();
  bool jump_target(bool in_imm);
  bool call();

  std::string_view rest_;
};

/// Sets opcode and selected field from the first row that fits.
bool Line::use(const std::function<bool(const InsnInfo&)>& fits, const char* what) {
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

std::optional<Register> Line::reg() {
  const std::string_view before = rest_;
  const std::string_view name = word();
  if ((name.size() == 2 || name.size() == 3) && (name[0] == 'r' || name[0] == 'w')) {
    unsigned value = 0;
    const auto [end, status] = std::from_chars(name.data() + 1, name.data() + name.size(), value);
    if (status == std::errc{} && end == name.data() + name.size() && value < kRegisters) {
      return Register{static_cast<std::uint8_t>(value), name[0] == 'w'};
    }
  }
  rest_ = before;
  return std::nullopt;
}

bool Line::reg_into(std::uint8_t& field) {
  const auto found = reg();
  if (!found) {
    return fail(fmt::format("expected a register at '{}'", rest_));
  }
  field = found->number;
  return true;
}

/// Decimal or 0x, signed; negative values come back in two's complement.
bool Line::number(std::int64_t low, std::uint64_t high, std::uint64_t& value) {
  const std::string_view before = rest_;
  take("+");  // "+ -4" is how the kernel writes a negative packet offset
  const bool negative = take("-");
  std::string_view digits = word();
  const int base = digits.starts_with("0x") ? 16 : 10;
  digits.remove_prefix(base == 16 ? 2 : 0);
  std::uint64_t magnitude = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (digits.empty() || status == std::errc::invalid_argument || end != digits.data() + digits.size()) {
    rest_ = before;
    return fail(fmt::format("expected a number at '{}'", rest_));
  }
  const std::uint64_t lowest = std::uint64_t{0} - static_cast<std::uint64_t>(low);
  if (status != std::errc{} || magnitude > (negative ? lowest : high)) {
    return fail(fmt::format("number out of range: {}{}", negative ? "-" : "", digits));
  }
  value = negative ? std::uint64_t{0} - magnitude : magnitude;
  return true;
}

bool Line::imm32(std::int32_t& value) {
  std::uint64_t wide_value = 0;
  if (!number(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::uint32_t>::max(),
              wide_value)) {
    return false;
  }
  value = static_cast<std::int32_t>(wide_value);
  return true;
}

bool Line::offset16(std::int16_t& value) {
  std::uint64_t wide_value = 0;
  if (!number(std::numeric_limits<std::int16_t>::min(), std::numeric_limits<std::int16_t>::max(),
              wide_value)) {
    return false;
  }
  value = static_cast<std::int16_t>(wide_value);
  return true;
}

/// "(u64 *)(r1 +8)": type and base; the offset goes to insn.off.
bool Line::place(std::string& type, std::uint8_t& base) {
  if (!expect("(")) {
    return false;
  }
  type = std::string(word());
  if (!expect("*") || !expect(")") || !expect("(") || !reg_into(base)) {
    return false;
  }
  if (!rest_.starts_with(")") && !offset16(insn.off)) {
    return false;
  }
  return expect(")");
}

/// The longest operator of this form that comes next, or "".
std::string_view Line::operation(Form form) {
  std::string_view best;
  for (const InsnInfo& row : isa_table()) {
    if (row.form == form && row.text.size() > best.size() && rest_.starts_with(row.text)) {
      best = row.text;
    }
  }
  take_n(best.size());
  return best;
}

bool Line::alu(Register dst) {
  const std::string_view op = operation(Form::kAluImm);
  if (op.empty()) {
    return fail(fmt::format("expected an operator at '{}'", rest_));
  }
  const std::uint8_t cls = dst.is_32 ? kClassAlu32 : kClassAlu64;
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
  return use([&](const InsnInfo& row) { return row.form == form && row.text == op && (row.opcode & 7) == cls; },
             "operation");
}

/// After "dst = *(": a load, or legacy packet access.
bool Line::load(Register dst) {
  const std::string_view before = rest_;
  std::string type;
  if (!expect("(")) {
    return false;
  }
  type = std::string(word());
  if (!expect("*") || !expect(")")) {
    return false;
  }
  if (!take("skb")) {
    rest_ = before;
    insn.dst = dst.number;
    return place(type, insn.src) &&
           use([&](const InsnInfo& row) { return row.form == Form::kLoad && row.text == type; }, "load type");
  }
  if (!expect("[")) {
    return false;
  }
  const auto index = reg();
  if (index) {
    insn.src = index->number;
  }
  if (!(index && rest_.starts_with("]")) && !imm32(insn.imm)) {
    return false;
  }
  constexpr std::uint8_t kModeInd = 0x40, kModeMask = 0xe0;
  return expect("]") &&
         use([&](const InsnInfo& row) {
               return row.form == Form::kLdPacket && row.text == type &&
                      ((row.opcode & kModeMask) == kModeInd) == index.has_value();
             }, "packet load type");
}

/// After "dst = NAME": the kernel's atomic64_fetch_add((u64 *)(r1 +0), r2) and LLVM's
/// atomic_fetch_add((u64 *)(..), ..), xchg_64(r1 + 0, r2), cmpxchg32_32(r1 + 0, w0, w2).
bool Line::atomic_fetch(Register dst, std::string_view name) {
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
  return use([&](const InsnInfo& row) {
               return row.form == Form::kAtomicFetch && row.text == op && access_bytes(row.opcode) == bytes;
             }, "atomic operation");
}

/// After "dst = map", "subprog" or "var".
bool Line::wide(Register dst, std::string_view what) {
  std::int32_t high = 0;
  Op op = Op::LD_CODE_ADDR;
  insn.dst = dst.number;
  if (!expect("[")) {
    return false;
  }
  if (what == "map") {
    const bool by_index = take("idx");
    if ((!by_index && !expect("fd")) || !expect(":") || !imm32(insn.imm)) {
      return false;
    }
    if (take(",")) {  // ",name:counters": for readers only
      const std::size_t close = rest_.find(']');
      take_n(close == std::string_view::npos ? rest_.size() : close);
    }
    op = by_index ? Op::LD_MAP_IDX : Op::LD_MAP_FD;
  } else if (what == "var") {
    op = Op::LD_VAR_ADDR;
    if (!expect("btf") || !expect(":") || !imm32(insn.imm)) {
      return false;
    }
  } else if (!imm32(insn.imm)) {
    return false;
  }
  if (!expect("]")) {
    return false;
  }
  if (what == "map" && take("[")) {
    if (!expect("0") || !expect("]") || !imm32(high)) {
      return false;
    }
    op = op == Op::LD_MAP_IDX ? Op::LD_MAP_IDX_VALUE : Op::LD_MAP_FD_VALUE;
  }
  if (what == "subprog" && take("#")) {
    word();
  }
  take("ll");
  second = Insn{.imm = high};
  return use([&](const InsnInfo& row) { return row.op == op; }, "wide load");
}

/// After "dst =".
bool Line::assignment(Register dst) {
  const std::uint8_t cls = dst.is_32 ? kClassAlu32 : kClassAlu64;
  const std::string_view before = rest_;
  if (take("-")) {
    if (const auto src = reg()) {
      if (src->number != dst.number || src->is_32 != dst.is_32) {
        return fail("negation works in place");
      }
      insn.dst = dst.number;
      return use([&](const InsnInfo& row) { return row.form == Form::kNeg && (row.opcode & 7) == cls; }, "negation");
    }
    rest_ = before;
  }
  if (take("*")) {
    return load(dst);
  }
  if (take("(")) {
    const std::string_view type = word();
    const auto src = expect(")") ? reg() : std::nullopt;
    if (!src || src->is_32 != dst.is_32) {
      return fail("expected a register after the sign extension");
    }
    insn.dst = dst.number;
    insn.src = src->number;
    return use([&](const InsnInfo& row) {
                 return row.form == Form::kMovSx && (row.opcode & 7) == cls && type == fmt::format("s{}", row.value);
               }, "sign extension");
  }
  const std::string_view name = word();
  if (name == "map" || name == "subprog" || name == "var") {
    return wide(dst, name);
  }
  if (name.starts_with("atomic") || name.starts_with("xchg") || name.starts_with("cmpxchg")) {
    return atomic_fetch(dst, name);
  }
  for (const InsnInfo& row : isa_table()) {
    if (row.form == Form::kEnd && name == fmt::format("{}{}", row.text, row.value)) {
      insn.dst = dst.number;
      std::uint8_t src = 0;
      if (!reg_into(src)) {
        return false;
      }
      if (src != dst.number) {
        return fail("byte swaps work in place");
      }
      return use([&](const InsnInfo& other) { return other.op == row.op; }, "byte swap");
    }
  }
  rest_ = before;
  std::uint64_t value = 0;
  if (rest_.ends_with("ll")) {
    if (!number(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::uint64_t>::max(), value) ||
        !expect("ll")) {
      return false;
    }
    insn.dst = dst.number;
    insn.imm = static_cast<std::int32_t>(value);
    second = Insn{.imm = static_cast<std::int32_t>(value >> 32)};
    return use([](const InsnInfo& row) { return row.op == Op::LD_IMM64; }, "wide load");
  }
  return false;  // plain move: alu() reads it, operator included
}

bool Line::store() {
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
  return use([&](const InsnInfo& row) { return row.form == form && row.text == type; }, "store type");
}

bool Line::locked() {
  std::string type;
  if (!expect("*") || !place(type, insn.dst)) {
    return false;
  }
  const std::string_view op = operation(Form::kAtomic);
  const unsigned bytes = type == "u64" ? 8 : type == "u32" ? 4 : 0;
  return reg_into(insn.src) && use([&](const InsnInfo& row) {
           return row.form == Form::kAtomic && row.text == op && access_bytes(row.opcode) == bytes;
         }, "atomic operation");
}

/// "pc+3", "+3", "-3" or a label.
bool Line::jump_target(bool in_imm) {
  if (rest_.starts_with("pc+") || rest_.starts_with("pc-")) {
    rest_.remove_prefix(2);
  }
  if (rest_.starts_with("+") || rest_.starts_with("-")) {
    return in_imm ? imm32(insn.imm) : offset16(insn.off);
  }
  label = std::string(word());
  label_in_imm = in_imm;
  return !label.empty() || fail("expected a jump target");
}

bool Line::jump_if() {
  const auto left = reg();
  if (!left) {
    return fail(fmt::format("expected a register at '{}'", rest_));
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
  return expect("goto") && jump_target(false) && use([&](const InsnInfo& row) {
           return row.form == form && row.text == op && (row.opcode & 7) == cls;
         }, "comparison");
}

/// "call 1", "call bpf_map_lookup_elem#1", "call map_lookup_elem", "call pc+3#name",
/// "call kernel-function#7", "call label".
bool Line::call() {
  const auto use_op = [this](Op op) {
    return use([op](const InsnInfo& row) { return row.op == op; }, "call");
  };
  if (rest_.starts_with("pc+") || rest_.starts_with("pc-")) {
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
  if (!rest_.empty() && (is_digit(rest_.front()) || rest_.front() == '-')) {
    return imm32(insn.imm) && use_op(Op::CALL_HELPER);
  }
  const std::string_view name = word();
  if (take("#")) {
    return imm32(insn.imm) && use_op(Op::CALL_HELPER);
  }
  const std::string_view bare = name.starts_with("bpf_") ? name.substr(4) : name;
  for (const HelperInfo& helper : helper_table()) {
    if (helper.name == bare) {
      insn.imm = static_cast<std::int32_t>(helper.number);
      return use_op(Op::CALL_HELPER);
    }
  }
  label = std::string(name);
  label_in_imm = true;
  return (!label.empty() || fail("expected what to call")) && use_op(Op::CALL_LOCAL);
}

bool Line::instruction() {
  const auto use_form = [this](Form form) {
    return use([form](const InsnInfo& row) { return row.form == form; }, "instruction");
  };
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
  } else if (take("lock")) {
    good = locked();
  } else if (take("*")) {
    good = store();
  } else if (take(".quad")) {
    std::uint64_t bits = 0;
    good = number(0, std::numeric_limits<std::uint64_t>::max(), bits);
    insn = decode(bits);
  } else if (const auto dst = reg()) {
    const std::string_view before = rest_;
    // "==" is no operator here, and "=" alone may start many forms; the rest is arithmetic.
    good = take("=") && assignment(*dst);
    if (!good && error.empty()) {
      rest_ = before;
      good = alu(*dst);
    }
  } else {
    return fail(fmt::format("no such instruction: '{}'", rest_));
  }
  return good && (at_end() || fail(fmt::format("unexpected text '{}'", rest_)));
}

/// Cuts comments: "//" and ";" anywhere, "#" at the start or after a blank ("name#1" is a call).
std::string_view without_comment(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool hash = line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t');
    if (hash || line[i] == ';' || line.substr(i).starts_with("//")) {
      return line.substr(0, i);
    }
  }
  return line;
}

/// "12:" or "name:" in front. Takes it off and gives the name, "" for a number.
std::optional<std::string> take_label(std::string_view& text) {
  std::size_t i = 0;
  while (i < text.size() && (text[i] == ' ' || text[i] == '\t')) {
    ++i;
  }
  const std::size_t start = i;
  while (i < text.size() && is_word(text[i])) {
    ++i;
  }
  if (i == start || i >= text.size() || text[i] != ':') {
    return std::nullopt;
  }
  std::string name(text.substr(start, i - start));
  text.remove_prefix(i + 1);
  return is_digit(name.front()) ? "" : name;
}

/// "(b7)" in front of an instruction, as listings have it.
void drop_opcode(std::string_view& text) {
  const std::size_t start = text.find_first_not_of(" \t");
  if (start != std::string_view::npos && text[start] == '(' && text.size() > start + 3 &&
      text[start + 3] == ')') {
    text.remove_prefix(start + 4);
  }
}

Result<void> resolve(std::vector<Insn>& insns, const std::vector<Fixup>& fixups,
                     const std::map<std::string, std::size_t>& labels) {
  for (const Fixup& fixup : fixups) {
    const auto found = labels.find(fixup.label);
    if (found == labels.end()) {
      return Error{Errc::kInput, fmt::format("line {}: no label '{}'", fixup.line, fixup.label)};
    }
    const auto distance = static_cast<std::int64_t>(found->second) - static_cast<std::int64_t>(fixup.slot) - 1;
    if (fixup.in_imm) {
      insns[fixup.slot].imm = static_cast<std::int32_t>(distance);
    } else if (distance != static_cast<std::int16_t>(distance)) {
      return Error{Errc::kInput, fmt::format("line {}: label '{}' is too far away", fixup.line, fixup.label)};
    } else {
      insns[fixup.slot].off = static_cast<std::int16_t>(distance);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Insn>> assemble(std::string_view text) {
  std::vector<Insn> insns;
  std::vector<Fixup> fixups;
  std::map<std::string, std::size_t> labels;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view source = without_comment(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (const auto label = take_label(source)) {
      if (!label->empty() && !labels.emplace(*label, insns.size()).second) {
        return Error{Errc::kInput, fmt::format("line {}: label '{}' appears twice", number, *label)};
      }
    }
    drop_opcode(source);
    Line line(source);
    if (line.at_end()) {
      continue;
    }
    if (!line.instruction()) {
      return Error{Errc::kInput, fmt::format("line {}: {}", number,
                                             line.error.empty() ? "not an instruction" : line.error)};
    }
    if (!line.label.empty()) {
      fixups.push_back({insns.size(), number, line.label, line.label_in_imm});
    }
    insns.push_back(line.insn);
    if (line.second) {
      insns.push_back(*line.second);
    }
  }
  KILN_TRY(resolve(insns, fixups, labels));
  return insns;
}

}  // namespace kiln
