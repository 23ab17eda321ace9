// SPDX-License-Identifier: Apache-2.0
//
// kiln bench: steady-state throughput of one program, or of the whole benchmark set.
#include <filesystem>
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include <kiln/capture.h>

#include "command.h"

namespace kiln::cli {
namespace {

namespace fs = std::filesystem;

struct BenchOptions {
  ObjectOptions object;
  std::string engines = "interp,jit,nic";
  std::string capture;
  std::string maps;
  bool markdown = false;
  SpeedOptions speed;
};

/// One program with its inputs.
struct BenchCase {
  std::string name, object, capture, maps;
};

// The benchmark set, in the order of the published tables (testbench/programs/README.md).
constexpr const char* kPrograms[] = {"drop",        "tx",       "redirect",     "xdp1",
                                     "xdp2",        "adjust_tail", "router_ipv4", "rxq_info",
                                     "redirect_map", "tx_ip_tunnel", "simple_firewall", "katran"};

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

struct BenchResult {
  std::string program;
  std::uint64_t packets = 0;
  std::vector<EngineReport> engines;
};

Result<BenchResult> bench_one(const BenchCase& c, const BenchOptions& options) {
  auto frames = read_capture(c.capture);
  if (!frames) {
    return frames.error();
  }
  auto prepared = prepare(c.object, options.object.program, {.btf_path = options.object.btf});
  if (!prepared) {
    return prepared.error();
  }
  const std::vector<Frame> fitting = fitting_frames(*frames, **prepared);
  if (fitting.empty()) {
    return Error{Errc::kInput, c.capture + ": none of the frames fits a packet buffer"};
  }
  BenchResult result{.program = c.name.empty() ? (*prepared)->program().name : c.name,
                     .packets = fitting.size(), .engines = {}};
  for (const std::string& name : split_engines(options.engines)) {
    EngineReport& report = result.engines.emplace_back();
    report.name = name;
    auto speed = measure_engine(**prepared, c.maps, name, fitting, options.speed);
    if (speed) {
      report.speed = std::move(speed).value();
    } else if (speed.error().code == Errc::kUnsupported || speed.error().code == Errc::kUnavailable) {
      report.skipped = speed.error().message;
    } else {
      return speed.error();
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

/// One row of the README's table: cycles and Mpps on the NIC, ns on the CPU engines.
void print_markdown(const std::vector<BenchResult>& results, const SpeedOptions& speed) {
  fmt::print("| program | instructions/packet | NIC cycles/packet | NIC Mpps at {:g} MHz | NIC latency p50 ns |",
             speed.clock_mhz);
  for (const EngineReport& report : results.front().engines) {
    if (report.name != "nic") {
      fmt::print(" {} ns/packet (min-max) |", report.name);
    }
  }
  fmt::print("\n|---|---|---|---|---|");
  for (const EngineReport& report : results.front().engines) {
    fmt::print("{}", report.name != "nic" ? "---|" : "");
  }
  fmt::print("\n");
  for (const BenchResult& result : results) {
    std::string nic = " - | - | - | - |";
    std::string cpu;
    for (const EngineReport& report : result.engines) {
      const nlohmann::ordered_json json = engine_json(report, speed);
      if (report.name == "nic" && report.speed) {
        nic = fmt::format(" {:.0f} | {:.1f} | {:.2f} | {} |", report.speed->insns_per_packet,
                          report.speed->cycles_per_packet, json["mpps"].get<double>(),
                          json.contains("latency_ns")
                              ? fmt::format("{:.0f}", json["latency_ns"]["p50"].get<double>())
                              : "-");
      } else if (report.name != "nic") {
        const Speed s = report.speed ? speed_of(*report.speed, speed.clock_mhz) : Speed{};
        cpu += report.speed ? fmt::format(" {:.1f} ({:.1f}-{:.1f}) |", s.ns_median, s.ns_min, s.ns_max)
                            : " - |";
      }
    }
    fmt::print("| {} |{}{}\n", result.program, nic, cpu);
  }
}

int bench(const BenchOptions& options) {
  std::vector<BenchCase> cases;
  if (options.object.object.empty()) {
    auto set = benchmark_set();
    if (!set) {
      return fail(set.error());
    }
    cases = std::move(set).value();
  } else if (options.capture.empty()) {
    return fail({Errc::kUsage, "bench OBJ needs frames: --pcap FILE"});
  } else {
    cases.push_back({"", options.object.object, options.capture, options.maps});
  }
  std::vector<BenchResult> results;
  for (const BenchCase& c : cases) {
    auto result = bench_one(c, options);
    if (!result) {
      return fail(result.error());
    }
    if (!options.object.json && !options.markdown) {
      fmt::print("{}: {} frames over and over\n{}", result->program, result->packets,
                 engine_table(result->engines, options.speed));
      const auto sentence = speed_sentence(result->program, result->engines, options.speed);
      fmt::print("{}{}\n", sentence, sentence.empty() ? "" : "\n");
    }
    results.push_back(std::move(result).value());
  }
  if (options.markdown) {
    print_markdown(results, options.speed);
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
  verb->add_option("--engines", options->engines, "comma-separated: interp,jit,nic,kernel, or all");
  verb->add_option("--pcap", options->capture, "frames, over and over");
  verb->add_option("--maps", options->maps, "map contents as JSON");
  verb->add_flag("--markdown", options->markdown, "the table of README.md");
  add_speed_options(*verb, options->speed);
  verb->callback([options, &status] { status = bench(*options); });
}

}  // namespace kiln::cli
