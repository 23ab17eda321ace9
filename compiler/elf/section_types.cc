// SPDX-License-Identifier: Apache-2.0
//
// Look-up in section_types.def: libbpf's rules first, the older prefix rule last.
#include "elf/section_types.h"

namespace kiln::elf {
namespace {

enum class Match { kExact, kExtra };

struct Row {
  std::string_view name;
  ProgramType type;
  Match match;
};

constexpr Row kRows[] = {
#define KILN_SECTION(name, type, match) Row{name, ProgramType::type, Match::match},
#include "elf/section_types.def"
};

bool fits(const Row& row, std::string_view name) {
  if (!name.starts_with(row.name)) {
    return false;
  }
  const std::string_view rest = name.substr(row.name.size());
  return rest.empty() || (row.match == Match::kExtra && rest.size() > 1 && rest.front() == '/');
}

}  // namespace

SectionType section_type(std::string_view name) {
  if (name.starts_with('?')) {
    name.remove_prefix(1);
  }
  const Row* found = nullptr;
  for (const Row& row : kRows) {
    if (found == nullptr && fits(row, name)) {
      found = &row;
    }
  }
  for (const Row& row : kRows) {
    if (found == nullptr && row.match == Match::kExact && name.starts_with(row.name)) {
      found = &row;
    }
  }
  if (found == nullptr) {
    return {};
  }
  return {.type = found->type, .has_frags = name == "xdp.frags" || name.starts_with("xdp.frags/")};
}

}  // namespace kiln::elf
