// SPDX-License-Identifier: Apache-2.0
//
// kiln verify: every program of the object through the verifier, and through the kernel's with --kernel.
#include <iostream>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include <kiln/kernel_engine.h>
#include <kiln/load.h>
#include <kiln/prepare.h>
#include <kiln/verifier.h>

#include "command.h"

namespace kiln::cli {
namespace {

struct VerifyCliOptions {
  ObjectOptions object;
  std::string type;
  int log = 0;
  bool kernel = false;
};

struct Checked {
  const Program* program;
  VerifyResult result;
  std::optional<KernelVerdict> kernel;
  std::string unasked;  ///< why the kernel could not be asked about this program
};

const char* verdict_word(bool accepted) { return accepted ? "accept" : "reject"; }

nlohmann::ordered_json to_json(const Checked& checked) {
  const VerifyResult& r = checked.result;
  nlohmann::ordered_json json = {{"name", checked.program->name},
                                 {"section", checked.program->section},
                                 {"type", program_type_name(checked.program->type)},
                                 {"insns", checked.program->insns.size()},
                                 {"verdict", verdict_word(r.accepted)}};
  if (!r.accepted) {
    json["message"] = r.message;
    json["insn"] = r.insn;
    if (const SourceLine* line = checked.program->line_of(r.insn)) {
      json["source"] = fmt::format("{}:{}: {}", line->file, line->line, line->text);
    }
  }
  json["processed"] = r.processed;
  json["time_us"] = r.time_us;
  if (checked.kernel) {
    json["kernel"] = {{"verdict", verdict_word(checked.kernel->accepted)},
                      {"message", checked.kernel->message},
                      {"processed", checked.kernel->processed},
                      {"time_us", checked.kernel->time_us}};
  } else if (!checked.unasked.empty()) {
    json["kernel"] = {{"error", checked.unasked}};
  }
  return json;
}

void print_text(const Checked& checked, int log) {
  const VerifyResult& r = checked.result;
  if (log > 0) {
    fmt::print("{}", r.log);
  }
  fmt::print("{:<32} {:<14} {:>6} insns  {}  {} processed, {:.0f} us\n", checked.program->name,
             program_type_name(checked.program->type), checked.program->insns.size(),
             verdict_word(r.accepted), r.processed, r.time_us);
  if (!r.accepted) {
    fmt::print("    {}: {}\n", describe_insn(*checked.program, r.insn), r.message);
  }
  if (checked.kernel) {
    fmt::print("    kernel: {}{}{}, {} processed, {:.0f} us\n", verdict_word(checked.kernel->accepted),
               checked.kernel->accepted ? "" : ": ", checked.kernel->accepted ? "" : checked.kernel->message,
               checked.kernel->processed, checked.kernel->time_us);
  } else if (!checked.unasked.empty()) {
    fmt::print("    kernel: not asked: {}\n", checked.unasked);
  }
}

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

int verify_object(const VerifyCliOptions& options) {
  auto object = load_object_file(options.object.object, {.btf_path = options.object.btf});
  if (!object) {
    return fail(object.error());
  }
  auto chosen = choose(*object, options);
  if (!chosen) {
    return fail(chosen.error());
  }
  nlohmann::ordered_json json = {{"object", options.object.object},
                                 {"programs", nlohmann::ordered_json::array()}};
  std::size_t rejected = 0;
  std::size_t different = 0;
  for (std::size_t i : *chosen) {
    const Program& program = object->programs[i];
    Checked checked{&program, verify(*object, program, {.log_level = options.log}), std::nullopt, ""};
    rejected += checked.result.accepted ? 0 : 1;
    if (options.kernel) {
      auto kernel = kernel_verify(*object, program);
      if (!kernel && kernel.error().code != Errc::kUnsupported) {
        return fail(kernel.error());
      }
      if (kernel) {
        different += kernel->accepted != checked.result.accepted ? 1 : 0;
        checked.kernel = std::move(kernel).value();
      } else {
        checked.unasked = kernel.error().message;
      }
    }
    if (options.object.json) {
      json["programs"].push_back(to_json(checked));
    } else {
      print_text(checked, options.log);
    }
  }
  if (options.object.json) {
    std::cout << json.dump(2) << '\n';
  } else {
    fmt::print("{} of {} programs accepted", chosen->size() - rejected, chosen->size());
    fmt::print("{}\n", options.kernel ? fmt::format(", {} verdicts differ from the kernel's.", different) : ".");
  }
  return rejected != 0 || different != 0 ? kDiffers : kDone;
}

}  // namespace

void add_verify(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("verify", "verify every program of an object");
  auto options = std::make_shared<VerifyCliOptions>();
  add_object_options(*verb, options->object);
  verb->add_option("--type", options->type, "verify as this program type, e.g. xdp");
  verb->add_option("--log", options->log, "0 reason only, 1 and 2 as the kernel's log levels")
      ->check(CLI::Range(0, 2));
  verb->add_flag("--kernel", options->kernel, "ask the real kernel too and compare");
  verb->callback([options, &status] { status = verify_object(*options); });
}

}  // namespace kiln::cli
