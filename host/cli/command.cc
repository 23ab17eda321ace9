// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <kiln/capture.h>
#include <kiln/verdicts.h>

namespace kiln::cli {
namespace {

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(part * static_cast<double>(values.size() - 1) + 0.5)];
}

std::string where(const EngineReport& report, const SpeedOptions& options) {
  return report.name == "nic"
             ? fmt::format("nic ({} core{} of {} threads at {:g} MHz, {})", options.cores,
                           options.cores == 1 ? "" : "s", options.threads, options.clock_mhz,
                           options.clock_source)
             : report.name;
}

}  // namespace

int fail(const Error& error) {
  fmt::print(stderr, "kiln: {}\n", error.message);
  switch (error.code) {
    case Errc::kRejected:
    case Errc::kUnsupported:
    case Errc::kFault:
      return kDiffers;
    case Errc::kUsage:
      return kUsageError;
    case Errc::kInput:
    case Errc::kUnavailable:
      return kInputError;
    case Errc::kInternal:
      break;
  }
  return kBug;
}

void add_object_options(CLI::App& verb, ObjectOptions& options, bool object_required) {
  auto* object = verb.add_option("OBJ", options.object, "BPF object file (ELF)");
  object->required(object_required);
  verb.add_option("--prog", options.program, "program, where the object has several");
  verb.add_option("--btf", options.btf, "BTF that CO-RE relocates against (default: the running kernel's)");
  verb.add_option("--max-entries", options.max_entries, "MAP=N: what the program's loader sets before loading; may be repeated")
      ->allow_extra_args(false);
  verb.add_option("-G,--set-global-vars", options.globals, "VAR=VALUE, likewise: a global variable that is a number")
      ->allow_extra_args(false);
  verb.add_flag("--json", options.json, "JSON on standard output");
}

void add_environment_options(CLI::App& verb, EnvironmentFiles& files) {
  verb.add_option("--environment", files.environment, "clock, task, network and so on as JSON (host/README.md)");
  verb.add_option("--links", files.links, "interfaces, as `ip -j addr` prints them");
  verb.add_option("--routes", files.routes, "routes, as `ip -j route show table all` prints them; may be repeated");
  verb.add_option("--neighbours", files.neighbours, "neighbours, as `ip -j neigh` prints them; may be repeated");
}

void add_input_options(CLI::App& verb, InputOptions& options) {
  verb.add_option("--pcap", options.capture, "capture to run, - for standard input");
  verb.add_option("--context", options.context,
                  "the program's context: a file, or hexadecimal digits (struct __sk_buff of packets, all of it for tracing)");
}

namespace {

/// Digits, or the name of a file with the bytes.
Result<std::vector<std::byte>> read_context(const std::string& text) {
  const bool is_hex = !text.empty() && text.size() % 2 == 0 && text.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos;
  std::vector<std::byte> bytes;
  if (is_hex) {
    for (std::size_t i = 0; i < text.size(); i += 2) {
      bytes.push_back(static_cast<std::byte>(std::stoul(text.substr(i, 2), nullptr, 16)));
    }
    return bytes;
  }
  auto file = read_text(text);
  if (!file) {
    return file.error();
  }
  const auto raw = std::as_bytes(std::span(*file));
  bytes.assign(raw.begin(), raw.end());
  return bytes;
}

}  // namespace

Result<std::vector<Frame>> read_input(const InputOptions& options, const Program& program) {
  const bool frames = takes_frames(program.type);
  if (frames == options.capture.empty()) {
    return Error{Errc::kUsage, fmt::format("program {} is of type {}: {}", program.name, program_type_name(program.type),
                                           frames ? "--pcap says which frames it runs on"
                                                  : "it takes no frames; --context instead of --pcap")};
  }
  std::vector<Frame> input(1);
  if (frames) {
    auto read = read_capture(options.capture);
    if (!read) {
      return read.error();
    }
    input = std::move(*read);
  }
  if (!options.context.empty()) {
    if (program.type == ProgramType::kXdp) {
      return Error{Errc::kUsage, "the context of an XDP program follows from its frame: no --context"};
    }
    auto context = read_context(options.context);
    if (!context) {
      return context.error();
    }
    for (Frame& frame : input) {
      frame.context = *context;
    }
  }
  return input;
}

std::string verdict_counts(ProgramType type, const std::vector<std::uint64_t>& verdicts) {
  std::string text;
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    if (verdicts[i] != 0) {
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", verdicts[i], verdict_names(type)[i]);
    }
  }
  return text;
}

std::vector<std::string> split_engines(const std::string& list) {
  if (list == "all") {
    return {engine_names().begin(), engine_names().end()};
  }
  std::vector<std::string> names;
  std::stringstream in(list);
  for (std::string name; std::getline(in, name, ',');) {
    names.push_back(name);
  }
  return names;
}

void add_speed_options(CLI::App& verb, SpeedOptions& options) {
  verb.add_option("--cores", options.cores, "cores of the NIC that run")->check(CLI::Range(1, 32));
  verb.add_option("--threads", options.threads, "hardware threads of each core that run")
      ->check(CLI::Range(1, 16));
  verb.add_option("--passes", options.passes, "of the JIT's optimiser: a,b or -a,-b, all, none");
  verb.add_flag("--harden", options.harden, "the JIT hides the program's constants in its code (constant blinding)");
  verb.add_flag("--perf-map", options.perf_map, "the JIT adds the names of its functions to /tmp/perf-PID.map, for perf");
  verb.add_option_function<double>(
          "--clock",
          [&options](double mhz) {
            options.clock_mhz = mhz;
            options.clock_source = "given";
          },
          "the NIC's clock in MHz (default: 150, assumed)")
      ->check(CLI::Range(1.0, 10000.0));
  verb.add_flag("!--no-handover", options.handover,
                "refuse programs with instructions that the NIC has no unit for, instead of letting the host go on there");
}

nlohmann::ordered_json engine_json(const EngineReport& report, const SpeedOptions& options) {
  nlohmann::ordered_json json = {{"name", report.name}};
  if (report.handovers != 0) {
    json["handovers"] = report.handovers;
  }
  if (!report.skipped.empty()) {
    json["skipped"] = report.skipped;
  }
  if (!report.speed) {
    return json;
  }
  const Throughput& t = *report.speed;
  const Speed speed = speed_of(t, options.clock_mhz);
  if (speed.mpps > 0) {
    json["mpps"] = speed.mpps;
  }
  if (!t.ns_per_packet.empty()) {
    json["ns_per_packet"] = {{"median", speed.ns_median}, {"min", speed.ns_min}, {"max", speed.ns_max}};
  }
  if (t.cycles_per_packet > 0) {
    json["cycles_per_packet"] = t.cycles_per_packet;
    json["clock_mhz"] = options.clock_mhz;
    json["clock_source"] = options.clock_source;
    json["cores"] = options.cores;
    json["threads"] = options.threads;
    if (t.handovers != 0) {  // what the host did takes no cycles of the NIC's clock, but for its accesses
      json["handovers_per_packet"] = static_cast<double>(t.handovers) / static_cast<double>(t.packets);
    }
    if (!t.latency_cycles.empty()) {
      const double ns = 1000.0 / options.clock_mhz;
      json["latency_ns"] = {{"p50", percentile(t.latency_cycles, 0.50) * ns},
                            {"p99", percentile(t.latency_cycles, 0.99) * ns},
                            {"max", percentile(t.latency_cycles, 1.0) * ns}};
    }
  }
  if (t.insns_per_packet > 0) {
    json["insns_per_packet"] = t.insns_per_packet;
  }
  return json;
}

std::string engine_table(const std::vector<EngineReport>& reports, const SpeedOptions& options) {
  std::string text = fmt::format("  {:<8} {:>9} {:>20} {:>14} {:>13} {:>15}\n", "engine", "Mpps", "ns/packet (spread)",
                                 "cycles/packet", "insns/packet", "latency p50 ns");
  for (const EngineReport& report : reports) {
    if (!report.skipped.empty()) {
      text += fmt::format("  {:<8} skipped: {}\n", report.name, report.skipped);
      continue;
    }
    if (!report.speed) {
      text += fmt::format("  {:<8} {}\n", report.name, report.speed_error);
      continue;
    }
    const Throughput& t = *report.speed;
    const Speed speed = speed_of(t, options.clock_mhz);
    auto cell = [](bool there, const std::string& value) { return there ? value : std::string("-"); };
    text += fmt::format(
        "  {:<8} {:>9} {:>20} {:>14} {:>13} {:>15}\n", report.name, cell(speed.mpps > 0, fmt::format("{:.3f}", speed.mpps)),
        cell(!t.ns_per_packet.empty(),
             fmt::format("{:.1f} ({:.1f}-{:.1f})", speed.ns_median, speed.ns_min, speed.ns_max)),
        cell(t.cycles_per_packet > 0, fmt::format("{:.1f}", t.cycles_per_packet)),
        cell(t.insns_per_packet > 0, fmt::format("{:.1f}", t.insns_per_packet)),
        cell(!t.latency_cycles.empty(),
             t.latency_cycles.empty()
                 ? ""
                 : fmt::format("{:.0f}", percentile(t.latency_cycles, 0.5) * 1000.0 / options.clock_mhz)));
  }
  return text;
}

std::string speed_sentence(const std::string& program, const std::vector<EngineReport>& reports,
                           const SpeedOptions& options) {
  const EngineReport* nic = nullptr;
  const EngineReport* interp = nullptr;  // counts if there is no better CPU engine
  std::vector<const EngineReport*> cpus;
  for (const EngineReport& report : reports) {
    if (report.speed) {
      report.name == "nic" ? nic = &report : report.name == "interp" ? interp = &report : cpus.emplace_back(&report);
    }
  }
  if (cpus.empty() && interp != nullptr) {
    cpus.push_back(interp);
  }
  if (nic == nullptr || cpus.empty()) {
    return "";
  }
  const double mpps = speed_of(*nic->speed, options.clock_mhz).mpps;
  std::string shares;
  for (const EngineReport* cpu : cpus) {
    const Speed speed = speed_of(*cpu->speed, options.clock_mhz);
    shares += shares.empty() ? "" : ", ";
    shares += speed.mpps > 0 ? fmt::format("{:.1f} % by {} ({:.1f} ns a packet, {:.1f} to {:.1f})", mpps * speed.ns_median / 10.0,
                                           cpu->name, speed.ns_median, speed.ns_min, speed.ns_max)
                             : fmt::format("nothing that can be measured by {}", cpu->name);
  }
  return fmt::format(
      "{} on {} takes {:.2f} million packets a second, receiving and sending included. At that rate the program alone, "
      "without driver and stack, takes of one CPU core {}.",
      program, where(*nic, options), mpps, shares);
}

}  // namespace kiln::cli
