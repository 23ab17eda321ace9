// SPDX-License-Identifier: Apache-2.0
#include <kiln/program.h>

#include <algorithm>

namespace kiln {

std::string_view map_type_name(MapType type) {
  switch (type) {
#define KILN_MAP_TYPE(enumerator, number, name) \
  case MapType::enumerator:                     \
    return name;
#include <kiln/map_types.def>
  }
  return "unknown";
}

std::optional<MapType> map_type_from_number(std::uint32_t number) {
  switch (number) {
#define KILN_MAP_TYPE(enumerator, value, name) \
  case value:                                  \
    return MapType::enumerator;
#include <kiln/map_types.def>
    default:
      return std::nullopt;
  }
}

std::string_view program_type_name(ProgramType type) {
  switch (type) {
#define KILN_PROGRAM_TYPE(enumerator, number, name) \
  case ProgramType::enumerator:                     \
    return name;
#include <kiln/program_types.def>
  }
  return "unknown";
}

const SourceLine* Program::line_of(std::uint32_t insn) const {
  auto after = std::upper_bound(lines.begin(), lines.end(), insn,
                                [](std::uint32_t at, const SourceLine& line) { return at < line.insn; });
  return after == lines.begin() ? nullptr : &*std::prev(after);
}

const Subprogram& Program::subprogram_of(std::uint32_t insn) const {
  for (const Subprogram& sub : subprograms) {
    if (insn >= sub.start && insn < sub.end) {
      return sub;
    }
  }
  KILN_CHECK(!"slot outside every subprogram");
}

Result<std::size_t> select_program(const Object& object, std::string_view name) {
  std::vector<std::size_t> found;
  std::string names;
  for (std::size_t i = 0; i < object.programs.size(); ++i) {
    const Program& program = object.programs[i];
    const bool chosen_unnamed = program.type == ProgramType::kXdp || object.programs.size() == 1;
    const bool fits = name.empty() ? chosen_unnamed : program.name == name;
    if (fits) {
      found.push_back(i);
    }
    if (fits || !name.empty()) {
      names += (names.empty() ? "" : ", ") + program.name;
    }
  }
  if (found.size() == 1) {
    return found.front();
  }
  if (!name.empty()) {
    return Error{Errc::kUsage, object.path + ": no program '" + std::string(name) + "'; it has " +
                                   (names.empty() ? "none" : names)};
  }
  if (found.empty()) {
    return Error{Errc::kInput, object.path + ": no XDP program in this object, and several others: choose one with --prog"};
  }
  return Error{Errc::kUsage,
               object.path + ": several XDP programs, choose one with --prog: " + names};
}

}  // namespace kiln
