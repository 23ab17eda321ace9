// SPDX-License-Identifier: Apache-2.0
//
// kiln info --helpers: the tables of helpers and of kernel functions, as text or JSON.
#include <iostream>

#include <fmt/format.h>

#include <kiln/kfuncs.h>

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

std::vector<std::string> programs_of(const KfuncInfo& kfunc) {
  std::vector<std::string> names;
  for (unsigned i = 1; i <= kProgramTypes; ++i) {
    if ((kfunc.programs & program_set(static_cast<ProgramType>(i))) != 0) {
      names.emplace_back(program_type_name(static_cast<ProgramType>(i)));
    }
  }
  return names;
}

std::vector<std::string> engines_of(EngineSet engines) {
  std::vector<std::string> names;
  for (const auto& [bit, name] : {std::pair{kInterp, "interp"}, {kJit, "jit"}, {kNic, "nic"}, {kKernel, "kernel"}}) {
    if ((engines & bit) != 0) {
      names.emplace_back(name);
    }
  }
  return names;
}

std::string words(const std::vector<std::string>& programs) {
  return programs.size() == kProgramTypes ? "all" : fmt::format("{}", fmt::join(programs, " "));
}

}  // namespace

void list_helpers(bool json) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  if (!json) {
    fmt::print("{:>3}  {:<29} {:<24} {}\n", "id", "helper", "engines", "program types");
  }
  for (const HelperInfo& helper : helper_table()) {
    const auto programs = programs_of(helper);
    const auto engines = engines_of(helper.engines);
    if (json) {
      all.push_back({{"id", helper.number},
                     {"name", helper.name},
                     {"engines", engines},
                     {"gpl_only", helper.has(kGplOnly)},
                     {"programs", programs}});
    } else {
      fmt::print("{:>3}  {:<29} {:<24} {}\n", helper.number, helper.name, fmt::format("{}", fmt::join(engines, " ")),
                 words(programs));
    }
  }
  if (!json) {
    fmt::print("\n{:<34} {:<24} {}\n", "kernel function", "engines", "program types");
  }
  for (const KfuncInfo& kfunc : kfunc_table()) {
    const auto programs = programs_of(kfunc);
    const auto engines = engines_of(kfunc.engines);
    if (json) {
      all.push_back({{"kernel_function", kfunc.name}, {"engines", engines}, {"gpl_only", true}, {"programs", programs}});
    } else {
      fmt::print("{:<34} {:<24} {}\n", kfunc.name, fmt::format("{}", fmt::join(engines, " ")), words(programs));
    }
  }
  if (json) {
    std::cout << all.dump(2) << '\n';
  }
}

}  // namespace kiln::cli
