// SPDX-License-Identifier: Apache-2.0
//
// kiln info --helpers: the helper table, as text or JSON.
#include <iostream>

#include <fmt/format.h>

#include <kiln/helpers.h>

#include "command.h"

namespace kiln::cli {
namespace {

constexpr unsigned kProgramTypes = static_cast<unsigned>(ProgramType::kNetfilter);

std::vector<std::string> programs_of(const HelperInfo& helper) {
  std::vector<std::string> names;
  for (unsigned i = 1; i <= kProgramTypes; ++i) {
    if (find_helper(helper.number, static_cast<ProgramType>(i)) != nullptr) {
      names.emplace_back(program_type_name(static_cast<ProgramType>(i)));
    }
  }
  return names;
}

std::vector<std::string> engines_of(const HelperInfo& helper) {
  std::vector<std::string> names;
  for (const auto& [bit, name] : {std::pair{kInterp, "interp"}, {kJit, "jit"}, {kNic, "nic"}, {kKernel, "kernel"}}) {
    if ((helper.engines & bit) != 0) {
      names.emplace_back(name);
    }
  }
  return names;
}

}  // namespace

void list_helpers(bool json) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  if (!json) {
    fmt::print("{:>3}  {:<29} {:<24} {}\n", "id", "helper", "engines", "program types");
  }
  for (const HelperInfo& helper : helper_table()) {
    const auto programs = programs_of(helper);
    const auto engines = engines_of(helper);
    if (json) {
      all.push_back({{"id", helper.number},
                     {"name", helper.name},
                     {"engines", engines},
                     {"gpl_only", helper.has(kGplOnly)},
                     {"programs", programs}});
    } else {
      const bool every = programs.size() == kProgramTypes;
      fmt::print("{:>3}  {:<29} {:<24} {}\n", helper.number, helper.name, fmt::format("{}", fmt::join(engines, " ")),
                 every ? "all" : fmt::format("{}", fmt::join(programs, " ")));
    }
  }
  if (json) {
    std::cout << all.dump(2) << '\n';
  }
}

}  // namespace kiln::cli
