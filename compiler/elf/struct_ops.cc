// SPDX-License-Identifier: Apache-2.0
//
// Which member of which structure of the kernel a struct_ops program implements: the variables in .struct_ops sections
// say so, by the relocations of their members that point at programs.
#include <algorithm>
#include <string>

#include "elf/steps.h"

namespace kiln::elf {
namespace {

struct Variable {
  std::uint32_t type = 0;   ///< of the program's BTF
  std::uint64_t begin = 0;  ///< bytes in its section
  std::uint64_t end = 0;
};

std::vector<Variable> variables_of(const LoadState& state, const Section& section) {
  std::vector<Variable> variables;
  const Btf& btf = *state.btf;
  for (const Symbol& symbol : state.elf.symbols()) {
    if (symbol.section != section.index || symbol.size == 0) {
      continue;
    }
    if (const auto variable = btf.find(BtfKind::kVar, symbol.name)) {
      variables.push_back({btf.strip(btf.target(*variable)).value_or(0), symbol.value, symbol.value + symbol.size});
    }
  }
  return variables;
}

/// "tcp_congestion_ops:init"; empty: nothing that has a name.
std::string member_name(const Btf& btf, std::uint32_t type, std::uint64_t offset) {
  for (std::uint32_t i = 0; btf.is_composite(type) && i < btf.vlen(type); ++i) {
    const Btf::Member member = btf.member(type, i);
    if (member.bit_offset == offset * 8) {
      const std::string_view name = btf.name(type);
      return std::string(name.substr(0, name.find("___"))) + ":" + std::string(member.name);  // without its flavour
    }
  }
  return "";
}

}  // namespace

Result<void> find_hooks(LoadState& state) {
  for (const Section& section : state.elf.sections()) {
    const std::string_view name = section.name.starts_with('?') ? section.name.substr(1) : section.name;
    if (!state.btf || section.data.empty() || (name != ".struct_ops" && name != ".struct_ops.link")) {
      continue;
    }
    const auto relocations = state.elf.relocations(section);
    if (!relocations) {
      return relocations.error();
    }
    const std::vector<Variable> variables = variables_of(state, section);
    for (const Relocation& relocation : *relocations) {
      const std::string_view target = state.elf.symbols()[relocation.symbol].name;
      const auto program = std::find_if(state.object.programs.begin(), state.object.programs.end(),
                                        [&](const Program& p) { return p.name == target && p.type == ProgramType::kStructOps; });
      const auto holder = std::find_if(variables.begin(), variables.end(), [&](const Variable& v) {
        return relocation.offset >= v.begin && relocation.offset < v.end;
      });
      if (program != state.object.programs.end() && holder != variables.end()) {
        program->hook = member_name(*state.btf, holder->type, relocation.offset - holder->begin);
      }
    }
  }
  return {};
}

}  // namespace kiln::elf
