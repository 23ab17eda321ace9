// SPDX-License-Identifier: Apache-2.0
//
// Code sections: their instructions and functions.
//
// In ".text" are functions that programs call; in any other code section every function is a
// program. (libbpf: a lone function in ".text" is a program too.)
#include <elf.h>

#include <algorithm>

#include "elf/steps.h"

namespace kiln::elf {
namespace {

constexpr std::uint64_t kSlot = 8;

Result<void> add_function(const LoadState& state, CodeSection& code, const Symbol& symbol) {
  const Section& section = *code.section;
  if (symbol.size == 0 || symbol.size % kSlot != 0 || symbol.value % kSlot != 0 ||
      !slice(section.data, symbol.value, symbol.size)) {
    return state.elf.error("function '{}' (offset {}, {} bytes) does not fit into section '{}'",
                           symbol.name, symbol.value, symbol.size, section.name);
  }
  const bool is_library = section.name == ".text";
  if (!is_library && symbol.is_static()) {
    return state.elf.error(
        "function '{}' in section '{}' is static, and so no program; leave out its SEC() "
        "or its static",
        symbol.name, section.name);
  }
  Function function{.name = symbol.name,
                    .start = static_cast<std::uint32_t>(symbol.value / kSlot),
                    .count = static_cast<std::uint32_t>(symbol.size / kSlot),
                    .is_global = !symbol.is_static() && symbol.visibility == STV_DEFAULT,
                    .is_program = !is_library,
                    .btf_func = 0};
  code.functions.push_back(function);
  return {};
}

/// func_info says which BTF type each function has.
void name_types(const LoadState& state, CodeSection& code) {
  if (code.ext == nullptr) {
    return;
  }
  for (const FuncInfo& info : code.ext->funcs) {
    const bool is_func =
        info.type < state.btf->count() && state.btf->kind(info.type) == BtfKind::kFunc;
    const auto found =
        std::lower_bound(code.functions.begin(), code.functions.end(), info.offset / kSlot,
                         [](const Function& f, std::uint64_t slot) { return f.start < slot; });
    if (is_func && found != code.functions.end() && found->start * kSlot == info.offset) {
      found->btf_func = info.type;
    }
  }
}

Result<void> add_section(LoadState& state, const Section& section) {
  if (section.data.size() > UINT32_MAX) {
    return state.elf.error("section '{}' is too large", section.name);
  }
  auto insns = decode_all(section.data);
  if (!insns) {
    return state.elf.error("section '{}': {}", section.name, insns.error().message);
  }
  CodeSection code;
  code.section = &section;
  code.insns = std::move(*insns);
  for (const Symbol& symbol : state.elf.symbols()) {
    if (symbol.section == section.index && symbol.type == STT_FUNC) {
      KILN_TRY(add_function(state, code, symbol));
    }
  }
  std::stable_sort(code.functions.begin(), code.functions.end(),
                   [](const Function& a, const Function& b) { return a.start < b.start; });
  for (std::size_t i = 1; i < code.functions.size(); ++i) {
    const Function& before = code.functions[i - 1];
    if (before.start + before.count > code.functions[i].start) {
      return state.elf.error("functions '{}' and '{}' overlap", before.name,
                             code.functions[i].name);
    }
  }
  if (const auto ext = state.btf_ext.find(section.name); ext != state.btf_ext.end()) {
    code.ext = &ext->second;
  }
  name_types(state, code);
  state.code.emplace(section.index, std::move(code));
  return {};
}

}  // namespace

std::string place_of(const LoadState& state, const CodeSection& code, std::uint64_t slot) {
  std::string place = fmt::format("section '{}', instruction {}", code.section->name, slot);
  if (code.ext == nullptr) {
    return place;
  }
  const auto& lines = code.ext->lines;
  const auto after = std::upper_bound(
      lines.begin(), lines.end(), slot * kSlot,
      [](std::uint64_t offset, const LineInfo& line) { return offset < line.offset; });
  if (after == lines.begin()) {
    return place;
  }
  const LineInfo& line = *std::prev(after);
  std::string_view file = state.btf->string(line.file).value_or("");
  file = file.substr(file.rfind('/') + 1);
  return fmt::format("{} ({}:{})", place, file, line.line_column >> 10);
}

Result<void> collect_code(LoadState& state) {
  for (const Section& section : state.elf.sections()) {
    if (section.is_code() && !section.data.empty()) {
      KILN_TRY(add_section(state, section));
    }
  }
  Function* lone = nullptr;
  std::size_t functions = 0;
  for (auto& [index, code] : state.code) {
    functions += code.functions.size();
    lone = code.functions.empty() ? lone : &code.functions.front();
  }
  if (functions == 1) {
    lone->is_program = true;
  }
  return {};
}

}  // namespace kiln::elf
