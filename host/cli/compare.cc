// SPDX-License-Identifier: Apache-2.0
//
// kiln compare: frames through several engines; differences first, speed second.
#include <algorithm>
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include <kiln/capture.h>

#include "command.h"

namespace kiln::cli {
namespace {

constexpr std::uint64_t kShownDifferences = 10;  // in text

struct CompareOptions {
  ObjectOptions object;
  std::string engines = "all";
  InputOptions input;
  std::string maps;
  bool no_speed = false;
  EnvironmentFiles environment;
  SpeedOptions speed;
};

void print_json(const Comparison& comparison, const SpeedOptions& speed) {
  nlohmann::ordered_json json = {{"program", comparison.program},
                                 {"packets", comparison.packets},
                                 {"agree", comparison.agree()},
                                 {"engines", nlohmann::ordered_json::array()},
                                 {"differences", nlohmann::ordered_json::array()}};
  for (const EngineReport& report : comparison.engines) {
    json["engines"].push_back(engine_json(report, speed));
  }
  for (const Difference& d : comparison.differences) {
    nlohmann::ordered_json entry = {
        {"what", d.what}, {"engine", d.engine}, {"expected", d.expected}, {"got", d.got}};
    if (d.packet) {
      entry["packet"] = *d.packet;
    }
    if (!d.excuse.empty()) {
      entry["excuse"] = d.excuse;
    }
    json["differences"].push_back(entry);
  }
  json["excused_count"] = comparison.excused_count;
  json["difference_count"] = comparison.difference_count;
  json["order"] = "exact";
  json["unfit"] = comparison.unfit;
  std::cout << json.dump(2) << '\n';
}

/// XDP's verdicts all of them, so that columns line up; of other types those that occurred.
std::string counts(const EngineReport& report, ProgramType type) {
  if (type != ProgramType::kXdp || report.verdicts.size() != 5) {
    return verdict_counts(type, report.verdicts);
  }
  const std::string verdicts = fmt::format("aborted {}, drop {}, pass {}, tx {}, redirect {}", report.verdicts[0],
                                           report.verdicts[1], report.verdicts[2], report.verdicts[3], report.verdicts[4]);
  return report.handovers == 0 ? verdicts : fmt::format("{}; handed over {}", verdicts, report.handovers);
}

void print_text(const Comparison& comparison, const CompareOptions& options) {
  fmt::print("{}: {} frames, one in flight (exact order)\n", comparison.program, comparison.packets);
  if (comparison.unfit != 0) {
    fmt::print("  {} more frames do not fit a packet buffer and were given to no engine\n",
               comparison.unfit);
  }
  std::string names;
  for (const EngineReport& report : comparison.engines) {
    if (report.skipped.empty()) {
      fmt::print("  {:<8} {}\n", report.name, counts(report, comparison.type));
      names += (names.empty() ? "" : ", ") + report.name;
    } else {
      fmt::print("  {:<8} skipped: {}\n", report.name, report.skipped);
    }
  }
  std::uint64_t shown = 0;
  for (const Difference& d : comparison.differences) {
    const std::string at = d.packet ? fmt::format("frame {}", *d.packet) : "at the end";
    if (d.excuse.empty() && shown++ < kShownDifferences) {
      fmt::print("  DIFFERENT {}: {}: {} has {}, expected {}\n", at, d.what, d.engine, d.got, d.expected);
    }
  }
  if (comparison.difference_count > kShownDifferences) {
    fmt::print("  ... {} differences in all (--json lists the first {})\n", comparison.difference_count,
               kMaxDifferences);
  }
  if (comparison.excused_count != 0) {
    const auto excused = std::find_if(comparison.differences.begin(), comparison.differences.end(),
                                      [](const Difference& d) { return !d.excuse.empty(); });
    fmt::print("  {} frames or map entries differ on {} because {}: not counted\n", comparison.excused_count,
               excused->engine, excused->excuse);
  }
  if (comparison.agree()) {
    fmt::print("  {} agree on every verdict, frame and map entry\n", names);
  }
  if (!options.no_speed && comparison.agree()) {
    fmt::print("\n{}", engine_table(comparison.engines, options.speed));
    if (const auto sentence = speed_sentence(comparison.program, comparison.engines, options.speed);
        !sentence.empty()) {
      fmt::print("\n{}\n", sentence);
    }
  }
}

/// Speeds of the engines that ran, all measured in this one run.
void measure_speeds(const Prepared& prepared, const CompareOptions& options,
                    const std::vector<Frame>& frames, Comparison& comparison) {
  const std::vector<Frame> fitting = fitting_frames(frames, prepared);
  for (EngineReport& report : comparison.engines) {
    if (!report.skipped.empty()) {
      continue;
    }
    auto speed = measure_engine(prepared, options.maps, report.name, fitting, options.speed);
    if (speed) {
      report.speed = std::move(speed).value();
    } else {
      report.speed_error = "not measured: " + speed.error().message;
    }
  }
}

int compare(const CompareOptions& options) {
  auto prepared = prepare(options.object.object, options.object.program, options.object.load());
  if (!prepared) {
    return fail(prepared.error());
  }
  if (auto read = read_environment_files((*prepared)->environment, options.environment); !read) {
    return fail(read.error());
  }
  auto frames = read_input(options.input, (*prepared)->program());
  if (!frames) {
    return fail(frames.error());
  }
  auto comparison = compare_engines(**prepared, options.maps, split_engines(options.engines), *frames,
                                    options.speed);
  if (!comparison) {
    return fail(comparison.error());
  }
  if (comparison->packets == 0) {
    return fail({Errc::kInput, options.input.capture + ": none of the frames fits a packet buffer (14 to " +
                                   std::to_string((*prepared)->environment.max_frame()) + " bytes)"});
  }
  if (comparison->agree() && !options.no_speed) {
    measure_speeds(**prepared, options, *frames, *comparison);
  }
  if (options.object.json) {
    print_json(*comparison, options.speed);
  } else {
    print_text(*comparison, options);
  }
  return comparison->agree() ? kDone : kDiffers;
}

}  // namespace

void add_compare(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("compare", "run frames through several engines and compare");
  auto options = std::make_shared<CompareOptions>();
  add_object_options(*verb, options->object);
  verb->add_option("--engines", options->engines, "comma-separated: interp,jit,nic,kernel, or all");
  add_input_options(*verb, options->input);
  verb->add_flag("--events", options->speed.listen, "perf event arrays have listeners; their records are compared");
  verb->add_option("--maps", options->maps, "map contents as JSON, - for standard input");
  verb->add_flag("--no-speed", options->no_speed, "compare only, measure nothing");
  add_environment_options(*verb, options->environment);
  add_speed_options(*verb, options->speed);
  verb->callback([options, &status] { status = compare(*options); });
}

}  // namespace kiln::cli
