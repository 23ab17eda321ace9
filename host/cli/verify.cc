// SPDX-License-Identifier: Apache-2.0
//
// kiln verify: every program of the objects through the verifier, and through the kernel's with --kernel.
#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include <kiln/kernel_engine.h>
#include <kiln/load.h>
#include <kiln/prepare.h>
#include <kiln/verifier.h>

#include "command.h"
#include "verify_report.h"

namespace kiln::cli {
namespace {

struct VerifyCliOptions {
  ObjectOptions object;
  std::vector<std::string> more;  ///< further objects
  std::string type;
  std::string format = "text";
  int log = 0;
  bool kernel = false;
};

std::optional<ProgramType> program_type_by_name(std::string_view name) {
#define KILN_PROGRAM_TYPE(enumerator, number, text) \
  if (name == text) {                               \
    return ProgramType::enumerator;                 \
  }
#include <kiln/program_types.def>
  return std::nullopt;
}

/// The programs that the options ask for, with their type overridden if --type says so.
Result<std::vector<std::size_t>> choose(Object& object, const VerifyCliOptions& options) {
  std::vector<std::size_t> chosen;
  if (!options.object.program.empty()) {
    auto one = select_program(object, options.object.program);
    if (!one) {
      return one.error();
    }
    chosen = {*one};
  } else {
    for (std::size_t i = 0; i < object.programs.size(); ++i) {
      chosen.push_back(i);
    }
  }
  if (chosen.empty()) {
    return Error{Errc::kInput, object.path + ": no program in this object"};
  }
  if (!options.type.empty()) {
    const auto type = program_type_by_name(options.type);
    if (!type) {
      return Error{Errc::kUsage, "no program type '" + options.type + "'"};
    }
    for (std::size_t i : chosen) {
      object.programs[i].type = *type;
    }
  }
  return chosen;
}

struct Tally {
  std::size_t programs = 0, rejected = 0, different = 0, not_asked = 0, unavailable = 0;
};

/// Every chosen program of one object, each handed to `report` as soon as it is done.
template <typename Report>
Result<void> verify_object(const std::string& path, const VerifyCliOptions& options, Tally& tally, Report report) {
  auto object = load_object_file(path, options.object.load());
  if (!object) {
    return object.error();
  }
  auto chosen = choose(*object, options);
  if (!chosen) {
    return chosen.error();
  }
  for (const std::size_t i : *chosen) {
    const Program& program = object->programs[i];
    Checked checked{path, &program, verify(*object, program, {.log_level = options.log}), std::nullopt, ""};
    ++tally.programs;
    tally.rejected += checked.result.accepted ? 0 : 1;
    if (options.kernel) {
      auto kernel = kernel_verify(*object, program, std::max(options.log, 1));
      if (kernel) {
        tally.different += kernel->accepted != checked.result.accepted ? 1 : 0;
        checked.kernel = std::move(kernel).value();
      } else {
        ++tally.not_asked;
        tally.unavailable += kernel.error().code != Errc::kUnsupported ? 1 : 0;
        checked.kernel_error = kernel.error().message;
      }
    }
    report(checked);
  }
  return {};
}

std::string closing_sentence(const Tally& tally, bool kernel) {
  std::string text = fmt::format("{} of {} programs accepted", tally.programs - tally.rejected, tally.programs);
  if (kernel) {
    text += fmt::format(", {} verdicts differ from the kernel's", tally.different);
  }
  if (tally.not_asked > 0) {
    text += fmt::format(", the kernel could not be asked about {}", tally.not_asked);
  }
  return text + ".\n";
}

int verify_all(const VerifyCliOptions& options) {
  std::vector<std::string> paths = {options.object.object};
  paths.insert(paths.end(), options.more.begin(), options.more.end());
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  const bool csv = options.format == "csv";
  if (csv) {
    fmt::print("{}", csv_header());
  }
  Tally tally;
  for (const std::string& path : paths) {
    nlohmann::ordered_json programs = nlohmann::ordered_json::array();
    const auto done = verify_object(path, options, tally, [&](const Checked& checked) {
      if (csv) {
        fmt::print("{}", csv_row(checked));
      } else if (options.object.json) {
        programs.push_back(verdict_json(checked, options.log));
      } else {
        fmt::print("{}", verdict_text(checked, options.log));
      }
    });
    if (!done) {
      return fail(done.error());
    }
    json.push_back({{"object", path}, {"programs", std::move(programs)}});
  }
  if (options.object.json) {
    std::cout << (json.size() == 1 ? json[0] : json).dump(2) << '\n';
  } else if (!csv) {
    fmt::print("{}", closing_sentence(tally, options.kernel));
  }
  const bool differs = tally.rejected != 0 || tally.different != 0;
  return tally.unavailable > 0 ? kInputError : differs ? kDiffers : kDone;
}

}  // namespace

void add_verify(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("verify", "verify every program of an object");
  auto options = std::make_shared<VerifyCliOptions>();
  add_object_options(*verb, options->object);
  verb->add_option("MORE", options->more, "further objects");
  verb->add_option("-o", options->format, "text, or csv in veristat's columns")->check(CLI::IsMember({"text", "csv"}));
  verb->add_option("--type", options->type, "verify as this program type, e.g. xdp");
  verb->add_option("--log", options->log, "0 reason only, 1 and 2 as the kernel's log levels")
      ->check(CLI::Range(0, 2));
  verb->add_flag("--kernel", options->kernel, "ask the real kernel too and compare");
  verb->callback([options, &status] { status = verify_all(*options); });
}

}  // namespace kiln::cli
