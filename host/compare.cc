// SPDX-License-Identifier: Apache-2.0
#include <kiln/compare.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include <fmt/format.h>
#include <kiln/events.h>
#include <kiln/helpers.h>
#include <kiln/kernel_engine.h>
#include <kiln/verdicts.h>

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

/// The first helper the object calls that the kernel answers from its own clock, dice, processor, task or network.
struct OwnHelper {
  std::string name;
  bool may_change_verdict = false;  ///< of a kind whose answer a program decides by
};
OwnHelper helper_of_kernels_own(const Object& object) {
  static constexpr std::string_view kClocks[] = {"ktime_get_ns", "ktime_get_boot_ns", "ktime_get_coarse_ns", "ktime_get_tai_ns",
                                                 "jiffies64", "get_prandom_u32", "get_smp_processor_id", "get_numa_node_id",
                                                 "get_hash_recalc", "get_current_pid_tgid", "get_current_uid_gid",
                                                 "get_current_comm", "get_current_cgroup_id", "get_stackid", "get_stack"};
  static constexpr std::string_view kNetwork[] = {"fib_lookup", "check_mtu", "sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp",
                                                  "tcp_gen_syncookie", "tcp_check_syncookie", "tcp_raw_gen_syncookie_ipv4",
                                                  "tcp_raw_gen_syncookie_ipv6", "tcp_raw_check_syncookie_ipv4",
                                                  "tcp_raw_check_syncookie_ipv6"};
  const auto among = [](std::string_view name, std::span<const std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  OwnHelper own;
  for (const Program& program : object.programs) {
    for (const Insn& insn : program.insns) {
      const InsnInfo* info = find_insn(insn);
      if (info == nullptr || info->op != Op::CALL_HELPER) {
        continue;
      }
      const std::string_view name = helper_name(static_cast<std::uint32_t>(insn.imm));
      if (among(name, kNetwork)) {
        return {"bpf_" + std::string(name), true};
      }
      if (own.name.empty() && among(name, kClocks)) {
        own.name = "bpf_" + std::string(name);
      }
    }
  }
  return own;
}

class Comparer {
 public:
  Comparer(const Prepared& prepared, Comparison& out)
      : prepared_(prepared), out_(out), own_helper_(helper_of_kernels_own(prepared.object)) {}

  void add(Difference difference) {
    if (difference.engine == "kernel" && !own_helper_.name.empty() && difference.what != "fault" &&
        (difference.what != "verdict" || own_helper_.may_change_verdict)) {
      difference.excuse = "the kernel answers " + own_helper_.name + " itself";
    }
    ++(difference.excuse.empty() ? out_.difference_count : out_.excused_count);
    if (out_.differences.size() < kMaxDifferences) {
      out_.differences.push_back(std::move(difference));
    }
  }

  Result<void> start(const std::vector<std::string>& engines, const std::string& maps_path,
                     const SpeedOptions& options) {
    // LRU maps throw out what the kernel's do on this machine.
    const bool with_kernel = std::find(engines.begin(), engines.end(), "kernel") != engines.end();
    const std::uint32_t possible_cpus = with_kernel ? kernel_processors() : 0;
    for (const std::string& name : engines) {
      auto engine = make_engine(name, options);
      if (!engine) {
        return engine.error();
      }
      auto maps = initial_maps(prepared_, maps_path, prepared_.environment.cpu_count, possible_cpus);
      if (!maps) {
        return maps.error();
      }
      if (options.listen) {
        listen_to_events(*maps);
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
      report.verdicts.resize(verdict_names(out_.type).size());
      ++report.verdicts[verdict_index(out_.type, outcome->code)];
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
        if (runner.engine->name() == "kernel" && maps->spec(d.map).type == MapType::kBloomFilter) {
          continue;  // nobody can read the kernel's
        }
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
      add({number, "verdict", engine, verdict_text(out_.type, expected.code), verdict_text(out_.type, got.code), ""});
      return;
    }
    if (expected.context != got.context && !got.context.empty() && !expected.context.empty()) {
      auto [want, have] = frame_difference(expected.context, got.context);
      add({number, "context", engine, want, have, ""});
    }
    check_events(expected, got, engine, number);
    if (frame_leaves(out_.type, expected.code) && expected.frame != got.frame) {
      auto [want, have] = frame_difference(expected.frame, got.frame);
      add({number, "frame", engine, want, have, ""});
    }
    if (expected.redirect && got.redirect && *expected.redirect != *got.redirect) {
      add({number, "redirect", engine, redirect_text(*expected.redirect),
           redirect_text(*got.redirect), ""});
    }
  }

  /// What the kernel tells, by map: in which order records of several maps were written it does not.
  static std::vector<Event> told(const std::vector<Event>& events) {
    std::vector<Event> some;
    std::copy_if(events.begin(), events.end(), std::back_inserter(some),
                 [](const Event& event) { return kernel_tells(event.kind); });
    std::stable_sort(some.begin(), some.end(), [](const Event& a, const Event& b) {
      return std::tuple(a.kind, a.map, a.index) < std::tuple(b.kind, b.map, b.index);
    });
    return some;
  }

  /// Linux rounds a perf event's data up to a multiple of eight, less the four bytes of its length.
  static bool same_event(const Event& want, const Event& have, bool is_padded) {
    const bool pads = is_padded && want.kind == EventKind::kPerf;
    const std::size_t bytes = pads ? (want.data.size() + 4 + 7) / 8 * 8 - 4 : want.data.size();
    return want.kind == have.kind && want.map == have.map && want.index == have.index && have.data.size() == bytes &&
           std::equal(want.data.begin(), want.data.end(), have.data.begin());
  }

  void check_events(const Outcome& expected, const Outcome& got, const std::string& engine, std::uint64_t number) {
    const std::vector<Event> want = told(expected.events), have = told(got.events);
    const bool is_padded = engine == "kernel";
    const auto different = std::mismatch(want.begin(), want.end(), have.begin(), have.end(),
                                         [&](const Event& a, const Event& b) { return same_event(a, b, is_padded); });
    if (different.first == want.end() && different.second == have.end()) {
      return;
    }
    const auto at = static_cast<std::size_t>(different.first - want.begin());
    const auto text = [&](const std::vector<Event>& events) {
      return fmt::format("{} records, {}", events.size(),
                         at < events.size() ? event_json(prepared_.object, events[at], number) : "no more");
    };
    add({number, "events", engine, text(want), text(have), ""});
  }

  const Prepared& prepared_;
  Comparison& out_;
  OwnHelper own_helper_;  ///< a helper of the program whose answer Environment can't set in the kernel
  std::vector<Runner> runners_;
};

}  // namespace

std::vector<Frame> fitting_frames(const std::vector<Frame>& frames, const Prepared& prepared) {
  std::vector<Frame> fitting;
  std::copy_if(frames.begin(), frames.end(), std::back_inserter(fitting),
               [&](const Frame& frame) { return frame_fits(prepared, frame); });
  return fitting;
}

Result<Comparison> compare_engines(const Prepared& prepared, const std::string& maps_path,
                                   const std::vector<std::string>& engines,
                                   const std::vector<Frame>& frames, const SpeedOptions& options) {
  Comparison result;
  result.program = prepared.program().name;
  result.type = prepared.program().type;
  Comparer comparer(prepared, result);
  KILN_TRY(comparer.start(engines, maps_path, options));
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (!frame_fits(prepared, frames[i])) {
      ++result.unfit;
      continue;
    }
    comparer.run(frames[i], i + 1);
    ++result.packets;
  }
  KILN_TRY(comparer.compare_final_maps());
  return result;
}

Result<std::unique_ptr<Engine>> load_engine(const Prepared& prepared, const std::string& maps_path, const std::string& engine,
                                            const SpeedOptions& options) {
  const std::filesystem::path object(prepared.path);
  EngineOptions own = options;
  own.native = (object.parent_path() / "native" / (object.stem().stem().string() + ".so")).string();  // NAME.bpf.o
  auto made = make_engine(engine, own);
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
  return std::move(*made);
}

Result<Throughput> measure_engine(const Prepared& prepared, const std::string& maps_path, const std::string& engine,
                                  const std::vector<Frame>& frames, const SpeedOptions& options) {
  auto loaded = load_engine(prepared, maps_path, engine, options);
  if (!loaded) {
    return loaded.error();
  }
  return (*loaded)->measure(frames, options.measure);
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
  speed.mpps = speed.ns_median < Speed::kResolutionNs ? 0.0 : 1000.0 / speed.ns_median;
  return speed;
}

}  // namespace kiln
