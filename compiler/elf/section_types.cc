// SPDX-License-Identifier: Apache-2.0
//
// Look-up in section_types.def: libbpf's rules first, the older prefix rule last.
#include <kiln/attach_target.h>
#include <kiln/program.h>

namespace kiln {
namespace {

enum class Match { kExact, kExtra };
constexpr unsigned kSleepable = 1, kFrags = 2;

struct Row {
  std::string_view name;
  ProgramType type;
  Match match;
  AttachType attach;
  unsigned flags;
};

constexpr Row kRows[] = {
#define KILN_SECTION(name, type, match, attach, flags) \
  Row{name, ProgramType::type, Match::match, AttachType::attach, flags},
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

SectionInfo section_info(std::string_view name) {
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
  return {.type = found->type,
          .attach = found->attach,
          .has_frags = (found->flags & kFrags) != 0,
          .is_sleepable = (found->flags & kSleepable) != 0};
}

std::string_view attach_target(const Program& program) {
  if (program.type != ProgramType::kTracing && program.type != ProgramType::kLsm) {
    return {};
  }
  const std::string_view section = program.section;
  const std::size_t slash = section.find('/');
  return slash == section.npos ? std::string_view{} : section.substr(slash + 1);
}

}  // namespace kiln
