// SPDX-License-Identifier: Apache-2.0
//
// kiln bench: steady-state throughput of one program, or of the whole benchmark set.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <span>

#include <fmt/format.h>

#include <kiln/capture.h>

#include "bench_tables.h"
#include "command.h"

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

struct BenchOptions {
  ObjectOptions object;
  std::string engines = "interp,jit,nic";
  std::string capture;
  std::string maps;
  std::string set = "programs";
  bool markdown = false;
  bool ratios = false;
  bool repeated = false;
  bool compile = false;
  SpeedOptions speed;
};

/// One program with its inputs.
struct BenchCase {
  std::string name, object, capture, maps;
  std::string entry = {};   ///< program of the object, if it has several
  unsigned times = 1;       ///< that it does its work for a frame
};

// The benchmark set, in the order of the published tables (testbench/programs/README.md).
constexpr const char* kPrograms[] = {"drop",        "tx",       "redirect",     "xdp1",
                                     "xdp2",        "adjust_tail", "router_ipv4", "rxq_info",
                                     "redirect_map", "tx_ip_tunnel", "simple_firewall", "katran"};

// Small kernels for the CPU engines (testbench/programs/kernels): arithmetic, then maps and headers.
constexpr const char* kCompute[] = {"modulo", "fibonacci", "fnv", "siphash", "jhash", "checksum", "copy"};
constexpr const char* kMapKernels[] = {"rule_scan", "array_counter", "percpu_counter", "globals", "flow_lookup", "flow_update",
                                       "rewrite", "nat"};

// One map operation each, 64 times a packet (testbench/programs/operations).
constexpr const char* kOperations[] = {"array_lookup", "hash_lookup", "hash_update", "lru_mixed", "prefix_lookup", "ring_record"};

/// The set lies beside the executable, where the build puts it.
Result<std::vector<BenchCase>> benchmark_set() {
  std::error_code error;
  const fs::path build = fs::read_symlink("/proc/self/exe", error).parent_path();
  std::vector<BenchCase> cases;
  for (const char* name : kPrograms) {
    BenchCase c{name, build / "programs" / (std::string(name) + ".bpf.o"),
                build / "captures" / (std::string(name) + ".bench.pcap"),
                build / "programs" / (std::string(name) + ".maps.json")};
    if (!fs::exists(c.object) || !fs::exists(c.capture)) {
      return Error{Errc::kInput, c.object + ": the benchmark set is not there; build it with ./dev build"};
    }
    if (!fs::exists(c.maps)) {
      c.maps.clear();
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

/// The kernels, all with the same frames.
Result<std::vector<BenchCase>> kernel_set(std::span<const char* const> names, const char* where = "kernels") {
  std::error_code error;
  const fs::path programs = fs::read_symlink("/proc/self/exe", error).parent_path() / "programs", folder = programs / where;
  std::vector<BenchCase> cases;
  for (const char* name : names) {
    BenchCase c{name, folder / (std::string(name) + ".bpf.o"), programs / "kernels" / "frames.pcap", ""};
    if (!fs::exists(c.object) || !fs::exists(c.capture)) {
      return Error{Errc::kInput, c.object + ": the kernels are not there; build them with ./dev build"};
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

/// The same programs, those that can be in the form that does its work 64 times for each frame (testbench/programs/repeat.c).
void repeat_inside(std::vector<BenchCase>& cases) {
  for (BenchCase& c : cases) {
    std::error_code error;
    const fs::path programs = fs::read_symlink("/proc/self/exe", error).parent_path() / "programs";
    const fs::path object = programs / "repeated" / (c.name + ".bpf.o");
    if (fs::exists(object)) {
      c.object = object;
      c.entry = c.name + "_64";
      c.times = 64;
    }
  }
}

/// One round of each CPU engine after another, so that what changes on the machine meanwhile meets them all.
Result<void> measure_in_turn(const std::vector<std::unique_ptr<Engine>>& engines, const std::vector<Frame>& frames,
                             const MeasureOptions& options, std::vector<EngineReport>& reports) {
  MeasureOptions once = options;
  once.repeats = 1;
  for (std::uint32_t round = 0; round < options.repeats; ++round) {
    for (std::size_t i = 0; i < engines.size(); ++i) {
      const bool is_nic = reports[i].name == "nic";
      if (engines[i] == nullptr || (is_nic && round != 0)) {
        continue;
      }
      auto measured = engines[i]->measure(frames, is_nic ? options : once);
      if (!measured) {
        return measured.error();
      }
      if (!reports[i].speed) {
        reports[i].speed = std::move(*measured);
      } else {
        reports[i].speed->packets += measured->packets;
        reports[i].speed->ns_per_packet.push_back(measured->ns_per_packet.front());
      }
    }
  }
  return {};
}

/// Engines that run other code than the object's, for measuring only.
constexpr const char* kOtherForms[] = {"native", "kernel-code"};

/// A form that does something else than the program would be measured for nothing.
Result<void> check_other_form(const Prepared& prepared, const BenchCase& c, const std::string& form, const std::vector<Frame>& frames,
                              const SpeedOptions& options) {
  auto other = load_engine(prepared, c.maps, form, options), interp = load_engine(prepared, c.maps, "interp", options);
  if (!other || !interp) {
    return {};  // said when it is loaded to be measured
  }
  for (std::size_t i = 0; i < frames.size(); ++i) {
    auto expected = (*interp)->run(frames[i]), got = (*other)->run(frames[i]);
    if (!expected || !got) {
      return expected ? got.error() : expected.error();
    }
    if (expected->code != got->code || expected->frame != got->frame || expected->redirect != got->redirect) {
      return Error{Errc::kInternal, fmt::format("{}: frame {}: {} does not do what the program does", c.name, i + 1, form)};
    }
  }
  return {};
}

/// Times of a run, as times of the work that it did so often.
void divide(Throughput& speed, unsigned times) {
  for (double& ns : speed.ns_per_packet) {
    ns /= times;
  }
  speed.cycles_per_packet /= times;
  speed.insns_per_packet /= times;
}

Result<BenchResult> bench_one(const BenchCase& c, const BenchOptions& options) {
  auto frames = read_capture(c.capture);
  if (!frames) {
    return frames.error();
  }
  auto prepared = prepare(c.object, c.entry.empty() ? options.object.program : c.entry, options.object.load());
  if (!prepared) {
    return prepared.error();
  }
  const std::vector<Frame> fitting = fitting_frames(*frames, **prepared);
  if (fitting.empty()) {
    return Error{Errc::kInput, c.capture + ": none of the frames fits a packet buffer"};
  }
  BenchResult result{.program = c.name.empty() ? (*prepared)->program().name : c.name,
                     .packets = fitting.size(), .engines = {}};
  const std::vector<std::string> names = split_engines(options.engines);
  for (const char* form : kOtherForms) {
    if (std::find(names.begin(), names.end(), form) != names.end()) {
      KILN_TRY(check_other_form(**prepared, c, form, fitting, options.speed));
    }
  }
  std::vector<std::unique_ptr<Engine>> engines(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    EngineReport& report = result.engines.emplace_back();
    report.name = names[i];
    auto engine = load_engine(**prepared, c.maps, names[i], options.speed);
    if (engine) {
      engines[i] = std::move(*engine);
    } else if (engine.error().code == Errc::kUnsupported || engine.error().code == Errc::kUnavailable) {
      report.skipped = engine.error().message;
    } else {
      return engine.error();
    }
  }
  KILN_TRY(measure_in_turn(engines, fitting, options.speed.measure, result.engines));
  for (EngineReport& report : result.engines) {
    if (report.speed) {
      divide(*report.speed, c.times);
    }
  }
  return result;
}

nlohmann::ordered_json to_json(const BenchResult& result, const SpeedOptions& speed) {
  nlohmann::ordered_json json = {{"program", result.program},
                                 {"packets", result.packets},
                                 {"engines", nlohmann::ordered_json::array()}};
  for (const EngineReport& report : result.engines) {
    json["engines"].push_back(engine_json(report, speed));
  }
  return json;
}

int bench(const BenchOptions& options) {
  std::vector<BenchCase> cases;
  if (options.object.object.empty()) {
    auto set = options.set == "compute" ? kernel_set(kCompute) : options.set == "maps" ? kernel_set(kMapKernels) : options.set == "operations" ? kernel_set(kOperations, "operations") : benchmark_set();
    if (!set) {
      return fail(set.error());
    }
    cases = std::move(set).value();
    if (options.repeated) {
      repeat_inside(cases);
    }
  } else if (options.capture.empty() && !options.compile) {
    return fail({Errc::kUsage, "bench OBJ needs frames: --pcap FILE"});
  } else {
    cases.push_back({"", options.object.object, options.capture, options.maps});
  }
  if (options.compile) {
    std::vector<std::pair<std::string, std::string>> objects;
    for (const BenchCase& c : cases) {
      objects.emplace_back(c.name.empty() ? c.object : c.name, c.object);
    }
    return bench_compile(objects, options.object.object.empty(), options.speed);
  }
  std::vector<BenchResult> results;
  for (const BenchCase& c : cases) {
    auto result = bench_one(c, options);
    if (!result) {
      return fail(result.error());
    }
    if (!options.object.json && !options.markdown && !options.ratios) {
      fmt::print("{}: {} frames over and over\n{}", result->program, result->packets,
                 engine_table(result->engines, options.speed));
      const auto sentence = speed_sentence(result->program, result->engines, options.speed);
      fmt::print("{}{}\n", sentence, sentence.empty() ? "" : "\n");
    }
    results.push_back(std::move(result).value());
  }
  if (options.ratios) {
    fmt::print("{}", ratios_table(results));
  } else if (options.markdown) {
    fmt::print("{}", readme_table(results, options.speed));
  } else if (options.object.json) {
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    for (const BenchResult& result : results) {
      json.push_back(to_json(result, options.speed));
    }
    std::cout << (options.object.object.empty() ? json : json.front()).dump(2) << '\n';
  }
  return kDone;
}

}  // namespace

void add_bench(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("bench", "steady-state throughput and latency; without OBJ the benchmark set");
  auto options = std::make_shared<BenchOptions>();
  add_object_options(*verb, options->object, false);
  verb->add_option("--engines", options->engines, "comma-separated: interp,jit,nic,kernel, or all; native: bundled programs as clang compiles them for this host; kernel-code: the kernel's machine code, run outside of it");
  verb->add_option("--pcap", options->capture, "frames, over and over");
  verb->add_option("--maps", options->maps, "map contents as JSON");
  verb->add_option("--set", options->set, "without OBJ: programs (the benchmark set), compute, maps (kernels for CPU engines) or operations (on maps)")
      ->check(CLI::IsMember({"programs", "compute", "maps", "operations"}));
  verb->add_flag("--repeated", options->repeated, "programs that can be repeated do their work 64 times a run, so that the cost of a run hardly counts");
  verb->add_flag("--ratios", options->ratios, "a table of the CPU engines, the first against each other one, with geometric means");
  verb->add_option("--rounds", options->speed.measure.repeats, "timed rounds, engines in turn (default: 9)")->check(CLI::Range(1, 1000));
  verb->add_flag("--compile", options->compile, "how long the JIT takes per instruction; without OBJ also for programs of up to 10,000 instructions");
  verb->add_flag("--markdown", options->markdown, "the table of README.md");
  add_speed_options(*verb, options->speed);
  verb->callback([options, &status] { status = bench(*options); });
}

}  // namespace kiln::cli
