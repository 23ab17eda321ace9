// SPDX-License-Identifier: Apache-2.0
//
// Text to BPF: the inverse of disasm.cc, and what llvm-objdump prints for the same instructions.
//
// One line, one instruction (line_parser.h). Here: comments, what listings put in front of an
// instruction, and labels, which are resolved in a second pass.
#include <fmt/format.h>

#include <map>

#include <kiln/disasm.h>

#include "text/line_parser.h"

namespace kiln {
namespace {

using text::is_digit;
using text::is_word;

/// A jump or call whose target is a label.
struct Fixup {
  std::size_t slot;
  std::size_t line;
  std::string label;
  bool in_imm;
};

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
    const auto distance =
        static_cast<std::int64_t>(found->second) - static_cast<std::int64_t>(fixup.slot) - 1;
    if (fixup.in_imm) {
      insns[fixup.slot].imm = static_cast<std::int32_t>(distance);
    } else if (distance != static_cast<std::int16_t>(distance)) {
      return Error{Errc::kInput,
                   fmt::format("line {}: label '{}' is too far away", fixup.line, fixup.label)};
    } else {
      insns[fixup.slot].off = static_cast<std::int16_t>(distance);
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Insn>> assemble(std::string_view program) {
  std::vector<Insn> insns;
  std::vector<Fixup> fixups;
  std::map<std::string, std::size_t> labels;
  for (std::size_t number = 1; !program.empty(); ++number) {
    const std::size_t end = program.find('\n');
    std::string_view source = without_comment(program.substr(0, end));
    program.remove_prefix(end == std::string_view::npos ? program.size() : end + 1);
    while (const auto label = take_label(source)) {
      if (!label->empty() && !labels.emplace(*label, insns.size()).second) {
        return Error{Errc::kInput,
                     fmt::format("line {}: label '{}' appears twice", number, *label)};
      }
    }
    drop_opcode(source);
    text::LineParser line(source);
    if (line.at_end()) {
      continue;
    }
    if (!line.instruction()) {
      return Error{Errc::kInput, fmt::format("line {}: {}", number, line.error())};
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
