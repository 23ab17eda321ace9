// SPDX-License-Identifier: Apache-2.0
#include <kiln/compare.h>

#include <algorithm>

#include <fmt/format.h>
#include <kiln/helpers.h>

namespace kiln {
namespace {

constexpr std::size_t kShownBytes = 32;

struct Runner {
  std::unique_ptr<Engine> engine;
  std::size_t report = 0;  ///< index in Comparison::engines
  bool faulted = false;
};

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (std::size_t i = 0; i < std::min(bytes.size(), kShownBytes); ++i) {
    text += fmt::format("{:02x}", static_cast<unsigned>(bytes[i]));
  }
  return bytes.size() > kShownBytes ? text + fmt::format(".. ({} bytes)", bytes.size()) : text;
}

std::string verdict_text(std::uint32_t code) {
  static constexpr const char* kNames[] = {"aborted", "drop", "pass", "tx", "redirect"};
  return code <= 4 ? kNames[code] : fmt::format("invalid ({})", code);
}

bool has_frame(const Outcome& outcome) {
  return outcome.code >= 2 && outcome.code <= 4;
}

/// "byte 14: 45 not 46", with lengths if those differ.
std::pair<std::string, std::string> frame_difference(std::span<const std::byte> expected,
                                                     std::span<const std::byte> got) {
  const auto [left, right] = std::mismatch(expected.begin(), expected.end(), got.begin(), got.end());
  const auto at = static_cast<std::size_t>(left - expected.begin());
  auto text = [at](std::span<const std::byte> bytes) {
    return fmt::format("{} bytes, from byte {}: {}", bytes.size(), at,
                       hex(bytes.subspan(std::min(at, bytes.size()))));
  };
  return {text(expected), text(got)};
}

std::string redirect_text(const RedirectTarget& target) {
  return target.map < 0 ? fmt::format("ifindex {}", target.key)
                        : fmt::format("map {} key {}", target.map, target.key);
}

/// The first helper the object calls that the kernel answers from its own clock, dice or processor.
std::string helper_of_kernels_own(const Object& object) {
  for (const Program& program : object.programs) {
    for (const Insn& insn : program.insns) {
      const InsnInfo* info = find_insn(insn);
      if (info == nullptr || info->op != Op::CALL_HELPER) {
        continue;
      }
      const HelperInfo* helper = find_helper(static_cast<std::uint32_t>(insn.imm));
      if (helper != nullptr && (helper->name == "ktime_get_ns" || helper->name == "get_prandom_u32" ||
                                helper->name == "get_smp_processor_id")) {
        return "bpf_" + std::string(helper->name);
      }
    }
  }
  return "";
}

class Comparer {
 public:
  Comparer(const Prepared& prepared, Comparison& out)
      : prepared_(prepared), out_(out), own_helper_(helper_of_kernels_own(prepared.object)) {}

  void add(Difference difference) {
    if (difference.engine == "kernel" && !own_helper_.empty() && difference.what != "verdict" &&
        difference.what != "fault") {
      difference.excuse = "the kernel answers " + own_helper_ + " itself";
    }
    ++(difference.excuse.empty() ? out_.difference_count : out_.excused_count);
    if (out_.differences.size() < kMaxDifferences) {
      out_.differences.push_back(std::move(difference));
    }
  }

  Result<void> start(const std::vector<std::string>& engines, const std::string& maps_path,
                     const SpeedOptions& options) {
    for (const std::string& name : engines) {
      auto engine = make_engine(name, {.cores = options.cores, .threads = options.threads, .handover = options.handover, .passes = options.passes});
      if (!engine) {
        return engine.error();
      }
      auto maps = initial_maps(prepared_, maps_path, prepared_.environment.cpu_count);
      if (!maps) {
        return maps.error();
      }
      out_.engines.emplace_back().name = name;
      auto loaded = (*engine)->load(prepared_.verified, prepared_.entry, std::move(maps).value(),
                                    prepared_.environment);
      if (loaded) {
        runners_.push_back({std::move(engine).value(), out_.engines.size() - 1});
      } else if (loaded.error().code == Errc::kUnsupported ||
                 loaded.error().code == Errc::kUnavailable) {
        out_.engines.back().skipped = loaded.error().message;
      } else {
        return loaded.error();
      }
    }
    if (runners_.size() < 2) {
      std::string reasons;
      for (const EngineReport& report : out_.engines) {
        if (!report.skipped.empty()) {
          reasons += fmt::format("; {}: {}", report.name, report.skipped);
        }
      }
      return Error{Errc::kUnavailable, "fewer than two engines can run " + out_.program + reasons};
    }
    return {};
  }

  void run(const Frame& frame, std::uint64_t number) {
    std::optional<Outcome> expected;
    for (Runner& runner : runners_) {
      if (runner.faulted) {
        continue;
      }
      EngineReport& report = out_.engines[runner.report];
      auto outcome = runner.engine->run(frame);
      if (!outcome) {
        runner.faulted = true;
        add({number, "fault", report.name, "a verdict", outcome.error().message, ""});
        continue;
      }
      ++report.verdicts[static_cast<std::size_t>(outcome->verdict())];
      report.handovers += outcome->handed_over ? 1 : 0;
      if (!expected) {
        expected = std::move(*outcome);
      } else {
        check(*expected, *outcome, report.name, number);
      }
    }
  }

  Result<void> compare_final_maps() {
    std::optional<MapSet> expected;
    for (Runner& runner : runners_) {
      if (runner.faulted) {
        continue;
      }
      auto maps = runner.engine->maps();
      if (!maps) {
        return maps.error();
      }
      if (!expected) {
        expected = std::move(maps).value();
        continue;
      }
      for (const MapDifference& d : compare_maps(*expected, *maps, kMaxDifferences)) {
        auto value = [](std::span<const std::byte> bytes) {
          return bytes.empty() ? std::string("no element") : hex(bytes);
        };
        add({std::nullopt, fmt::format("map {} key {}", expected->spec(d.map).name, hex(d.key)),
             out_.engines[runner.report].name, value(d.left), value(d.right), ""});
      }
    }
    return {};
  }

 private:
  void check(const Outcome& expected, const Outcome& got, const std::string& engine,
             std::uint64_t number) {
    if (expected.code != got.code) {
      add({number, "verdict", engine, verdict_text(expected.code), verdict_text(got.code), ""});
      return;
    }
    if (has_frame(expected) && expected.frame != got.frame) {
      auto [want, have] = frame_difference(expected.frame, got.frame);
      add({number, "frame", engine, want, have, ""});
    }
    if (expected.redirect && got.redirect && *expected.redirect != *got.redirect) {
      add({number, "redirect", engine, redirect_text(*expected.redirect),
           redirect_text(*got.redirect), ""});
    }
  }

  const Prepared& prepared_;
  Comparison& out_;
  std::string own_helper_;  ///< a helper of the program whose answer Environment can't set in the kernel
  std::vector<Runner> runners_;
};

}  // namespace

std::vector<Frame> fitting_frames(const std::vector<Frame>& frames, const Environment& environment) {
  std::vector<Frame> fitting;
  std::copy_if(frames.begin(), frames.end(), std::back_inserter(fitting),
               [&](const Frame& frame) { return environment.fits(frame.data.size()); });
  return fitting;
}

Result<Comparison> compare_engines(const Prepared& prepared, const std::string& maps_path,
                                   const std::vector<std::string>& engines,
                                   const std::vector<Frame>& frames, const SpeedOptions& options) {
  Comparison result;
  result.program = prepared.program().name;
  Comparer comparer(prepared, result);
  KILN_TRY(comparer.start(engines, maps_path, options));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (!prepared.environment.fits(frames[i].data.size())) {
      ++result.unfit;
      continue;
    }
    comparer.run(frames[i], i + 1);
    ++result.packets;
  }
  KILN_TRY(comparer.compare_final_maps());
  return result;
}

Result<Throughput> measure_engine(const Prepared& prepared, const std::string& maps_path, const std::string& engine,
                                  const std::vector<Frame>& frames, const SpeedOptions& options) {
  auto made = make_engine(engine, {.cores = options.cores, .threads = options.threads, .handover = options.handover, .passes = options.passes});
  if (!made) {
    return made.error();
  }
  Environment environment = prepared.environment;
  environment.cpu_count = engine == "nic" ? options.cores * options.threads : 1;
  auto maps = initial_maps(prepared, maps_path, environment.cpu_count);
  if (!maps) {
    return maps.error();
  }
  KILN_TRY((*made)->load(prepared.verified, prepared.entry, std::move(maps).value(), environment));
  return (*made)->measure(frames, options.measure);
}

Speed speed_of(const Throughput& throughput, double clock_mhz) {
  Speed speed;
  if (throughput.cycles_per_packet > 0) {
    speed.mpps = clock_mhz / throughput.cycles_per_packet;
    return speed;
  }
  std::vector<double> ns = throughput.ns_per_packet;
  if (ns.empty()) {
    return speed;
  }
  std::sort(ns.begin(), ns.end());
  speed.ns_min = ns.front();
  speed.ns_max = ns.back();
  speed.ns_median = ns[ns.size() / 2];
  speed.mpps = 1000.0 / speed.ns_median;
  return speed;
}

}  // namespace kiln
