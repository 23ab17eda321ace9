// SPDX-License-Identifier: Apache-2.0
//
// .BTF and .BTF.ext of an object, and what a linker would have filled in.
//
// Compilers leave DATASEC sizes and the offsets of global variables at 0, with relocations; the
// kernel wants them set and sorted. A function hidden from other objects is static to the kernel.
#include <elf.h>

#include <algorithm>
#include <unordered_map>

#include "elf/steps.h"

namespace kiln::elf {
namespace {

void put_word(std::vector<std::byte>& raw, std::uint32_t at, std::uint32_t value) {
  std::memcpy(raw.data() + at, &value, sizeof value);
}

/// Sets size and offsets of one DATASEC whose section is in the file.
void complete_datasec(const LoadState& state, const Btf& btf, std::uint32_t id,
                      const Section& section,
                      const std::unordered_map<std::string_view, const Symbol*>& globals,
                      std::vector<std::byte>& raw) {
  const std::uint32_t extra = btf.extra_offset(id);
  put_word(raw, extra - 4, static_cast<std::uint32_t>(section.size));
  std::vector<Btf::Variable> variables;
  for (std::uint32_t i = 0; i < btf.vlen(id); ++i) {
    Btf::Variable variable = btf.variable(id, i);
    const auto symbol = globals.find(btf.name(variable.type));
    if (symbol != globals.end() && state.elf.section_of(*symbol->second) == &section) {
      variable.offset = static_cast<std::uint32_t>(symbol->second->value);
    }
    variables.push_back(variable);
  }
  std::stable_sort(variables.begin(), variables.end(),
                   [](const auto& a, const auto& b) { return a.offset < b.offset; });
  for (std::uint32_t i = 0; i < variables.size(); ++i) {
    put_word(raw, extra + 12 * i, variables[i].type);
    put_word(raw, extra + 12 * i + 4, variables[i].offset);
    put_word(raw, extra + 12 * i + 8, variables[i].size);
  }
}

std::vector<std::byte> completed(const LoadState& state, const Btf& btf) {
  std::vector<std::byte> raw(btf.raw().begin(), btf.raw().end());
  std::unordered_map<std::string_view, const Symbol*> globals;
  for (const Symbol& symbol : state.elf.symbols()) {
    if (!symbol.is_static() && !symbol.is_undefined()) {
      globals.emplace(symbol.name, &symbol);
    }
  }
  for (std::uint32_t id = 1; id < btf.count(); ++id) {
    if (btf.kind(id) == BtfKind::kDatasec) {
      const Section* section = state.elf.find(btf.name(id));
      if (section != nullptr && section->size <= UINT32_MAX) {
        complete_datasec(state, btf, id, *section, globals, raw);
      }
    } else if (btf.kind(id) == BtfKind::kFunc) {
      const auto symbol = globals.find(btf.name(id));
      if (symbol != globals.end() && symbol->second->type == STT_FUNC &&
          symbol->second->visibility != STV_DEFAULT) {
        put_word(raw, btf.extra_offset(id) - 8, static_cast<std::uint32_t>(BtfKind::kFunc) << 24);
      }
    }
  }
  return raw;
}

}  // namespace

Result<void> read_btf(LoadState& state) {
  const Section* section = state.elf.find(".BTF");
  if (section == nullptr || section->data.empty()) {
    return {};
  }
  auto first = Btf::parse({section->data.begin(), section->data.end()});
  if (!first) {
    return state.elf.error("{}", first.error().message);
  }
  state.object.btf = completed(state, *first);
  auto btf = Btf::parse(state.object.btf);
  if (!btf) {
    return state.elf.error("{}", btf.error().message);
  }
  state.btf = std::move(*btf);
  const Section* ext = state.elf.find(".BTF.ext");
  if (ext == nullptr || ext->data.empty()) {
    return {};
  }
  auto parsed = parse_btf_ext(ext->data, *state.btf);
  if (!parsed) {
    return state.elf.error("{}", parsed.error().message);
  }
  state.btf_ext = std::move(*parsed);
  return {};
}

}  // namespace kiln::elf
