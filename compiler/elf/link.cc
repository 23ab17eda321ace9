// SPDX-License-Identifier: Apache-2.0
//
// Object::programs: every entry function, followed by the functions it calls, in the order in which
// they are first met (depth first, as libbpf appends them, so that slot numbers agree).
#include <algorithm>
#include <optional>

#include <kiln/btf_tags.h>

#include "elf/steps.h"

namespace kiln::elf {
namespace {

constexpr std::size_t kMaxProgramSlots =
    1'000'000;  // BPF_COMPLEXITY_LIMIT_INSNS: the kernel takes no more
constexpr std::size_t kMaxObjectSlots = 8'000'000;  // of all programs together
constexpr std::size_t kMaxLineText = 512;
constexpr std::uint32_t kSlotBytes = 8;

/// A function as placed in a program.
struct Placed {
  CodeTarget which;
  std::uint32_t start = 0;
};

class Linker {
 public:
  Linker(const LoadState& state, const CodeSection& code, const Function& entry) : state_(state) {
    program_.name = entry.name;
    program_.section = code.section->name;
    const SectionInfo type = section_info(program_.section);
    program_.type = type.type;
    program_.has_frags = type.has_frags;
  }

  Result<Program> link(CodeTarget entry);

 private:
  const CodeSection& code(const CodeTarget& which) const { return state_.code.at(which.section); }
  const Function& function(const CodeTarget& which) const {
    return code(which).functions[which.function];
  }
  Result<std::uint32_t> place(const CodeTarget& which);
  Result<void> follow_calls();
  std::optional<CodeTarget> exception_callback(const Function& entry) const;
  void copy_lines(const CodeSection& code, const Function& function, std::uint32_t start);

  const LoadState& state_;
  Program program_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> starts_;
  std::vector<Placed> stack_;  ///< functions whose calls are being followed, innermost last
};

/// Where a function starts in the program; appends it if it is new.
Result<std::uint32_t> Linker::place(const CodeTarget& which) {
  const auto known = starts_.find({which.section, which.function});
  if (known != starts_.end()) {
    return known->second;
  }
  const CodeSection& from = code(which);
  const Function& added = function(which);
  const auto start = static_cast<std::uint32_t>(program_.insns.size());
  if (start + std::size_t{added.count} > kMaxProgramSlots) {
    return state_.elf.error("program '{}' has more than {} instructions", program_.name,
                            kMaxProgramSlots);
  }
  const auto first = from.insns.begin() + added.start;
  program_.insns.insert(program_.insns.end(), first, first + added.count);
  program_.subprograms.push_back({.name = std::string(added.name),
                                  .start = start,
                                  .end = start + added.count,
                                  .is_global = added.is_global,
                                  .btf_func = added.btf_func});
  copy_lines(from, added, start);
  starts_[{which.section, which.function}] = start;
  stack_.push_back({which, start});
  return start;
}

void Linker::copy_lines(const CodeSection& from, const Function& added, std::uint32_t start) {
  if (from.ext == nullptr) {
    return;
  }
  const auto& lines = from.ext->lines;
  auto line = std::lower_bound(
      lines.begin(), lines.end(), added.start * kSlotBytes,
      [](const LineInfo& info, std::uint32_t offset) { return info.offset < offset; });
  for (; line != lines.end() && line->offset / kSlotBytes < added.start + added.count; ++line) {
    const LineInfo& info = *line;
    const std::uint32_t slot = info.offset / kSlotBytes;
    std::string_view text = state_.btf->string(info.text).value_or("");
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    text = text.substr(0, std::min(text.find_last_not_of(" \t\r\n") + 1, kMaxLineText));
    const std::string_view file =
        state_.btf->string(info.file).value_or("").substr(0, kMaxLineText);
    program_.lines.push_back({.insn = start + slot - added.start,
                              .file = std::string(file),
                              .line = info.line_column >> 10,
                              .column = info.line_column & 0x3ff,
                              .text = std::string(text)});
  }
}

/// Nobody calls it, so libbpf appends it to the program whose main function names it.
std::optional<CodeTarget> Linker::exception_callback(const Function& entry) const {
  if (!state_.btf || entry.btf_func == 0) {
    return std::nullopt;
  }
  const auto names = declaration_tags(*state_.btf, entry.btf_func, -1, kExceptionCallbackTag);
  for (const auto& [section, candidates] : state_.code) {
    for (std::uint32_t i = 0; !names.empty() && i < candidates.functions.size(); ++i) {
      if (!candidates.functions[i].is_program && candidates.functions[i].name == names.front()) {
        return CodeTarget{section, i};
      }
    }
  }
  return std::nullopt;
}

/// Appends what the function on the stack calls, and so on.
Result<void> Linker::follow_calls() {
  // From an explicit stack: chains in hostile objects are as long as they like.
  std::vector<std::uint32_t> next = {0};  // per function on the stack, the slot to look at
  while (!stack_.empty()) {
    const Placed current = stack_.back();
    const Function& body = function(current.which);
    const auto& targets = code(current.which).targets;
    const auto found = targets.lower_bound(body.start + next.back());
    if (found == targets.end() || found->first >= body.start + body.count) {
      stack_.pop_back();
      next.pop_back();
      continue;
    }
    const std::uint32_t slot = current.start + found->first - body.start;
    next.back() = found->first - body.start + 1;
    const std::size_t depth = stack_.size();
    const auto start = place(found->second);
    if (!start) {
      return start.error();
    }
    program_.insns[slot].imm =
        static_cast<std::int32_t>(*start) - static_cast<std::int32_t>(slot) - 1;
    if (stack_.size() > depth) {
      next.push_back(0);
    }
  }
  return {};
}

Result<Program> Linker::link(CodeTarget entry) {
  if (const auto start = place(entry); !start) {
    return start.error();
  }
  KILN_TRY(follow_calls());
  if (const auto callback = exception_callback(function(entry)); callback && !starts_.contains({callback->section, callback->function})) {
    if (const auto start = place(*callback); !start) {
      return start.error();
    }
    KILN_TRY(follow_calls());
  }
  std::stable_sort(program_.lines.begin(), program_.lines.end(),
                   [](const SourceLine& a, const SourceLine& b) { return a.insn < b.insn; });
  return std::move(program_);
}

}  // namespace

Result<void> link_programs(LoadState& state) {
  std::size_t slots = 0;
  for (const auto& [index, code] : state.code) {
    for (std::uint32_t i = 0; i < code.functions.size(); ++i) {
      if (!code.functions[i].is_program) {
        continue;
      }
      auto program = Linker(state, code, code.functions[i]).link({.section = index, .function = i});
      if (!program) {
        return program.error();
      }
      slots += program->insns.size();
      if (slots > kMaxObjectSlots) {
        return state.elf.error("its programs have more than {} instructions together",
                               kMaxObjectSlots);
      }
      state.object.programs.push_back(std::move(*program));
    }
  }
  if (state.object.programs.empty()) {
    return state.elf.error("no BPF program in this object");
  }
  return {};
}

}  // namespace kiln::elf
