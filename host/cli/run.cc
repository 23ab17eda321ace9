// SPDX-License-Identifier: Apache-2.0
//
// kiln run: frames through one engine; what came out to a capture, the maps to JSON.
#include <array>
#include <chrono>
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include <kiln/capture.h>

#include "command.h"

namespace kiln::cli {
namespace {

struct RunOptions {
  ObjectOptions object;
  std::string engine = "interp";
  std::string capture;
  std::string out;
  std::string maps;
  std::string dump_maps;
  SpeedOptions speed;
};

struct Totals {
  std::array<std::uint64_t, 5> verdicts{};
  std::uint64_t packets = 0, unfit = 0, cycles = 0, handovers = 0;
  double ns = 0;  ///< wall time inside the engine, frame by frame
  std::vector<std::vector<std::byte>> sent;
};

Result<Totals> run_frames(Engine& engine, const Environment& environment, const std::vector<Frame>& frames) {
  Totals totals;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (!environment.fits(frames[i].data.size())) {
      ++totals.unfit;
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    auto outcome = engine.run(frames[i]);
    totals.ns += std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    if (!outcome) {
      Error error = outcome.error();
      error.message = fmt::format("frame {}: {}", i + 1, error.message);
      return error;
    }
    ++totals.packets;
    ++totals.verdicts[static_cast<std::size_t>(outcome->verdict())];
    totals.cycles += outcome->cycles;
    totals.handovers += outcome->handed_over ? 1 : 0;
    if (outcome->verdict() >= Verdict::kPass) {
      totals.sent.push_back(std::move(outcome->frame));
    }
  }
  return totals;
}

void print(const RunOptions& options, const std::string& program, const Totals& totals) {
  static constexpr const char* kNames[] = {"aborted", "drop", "pass", "tx", "redirect"};
  const double packets = totals.packets == 0 ? 1 : static_cast<double>(totals.packets);
  if (options.object.json) {
    nlohmann::ordered_json json = {
        {"program", program}, {"engine", options.engine}, {"packets", totals.packets}};
    for (std::size_t i = 0; i < totals.verdicts.size(); ++i) {
      json["verdicts"][kNames[i]] = totals.verdicts[i];
    }
    if (options.engine == "nic") {
      json["cycles"] = totals.cycles;
      json["clock_mhz"] = options.speed.clock_mhz;
      json["handovers"] = totals.handovers;
    } else {
      json["ns_per_packet"] = totals.ns / packets;
    }
    json["unfit"] = totals.unfit;
    std::cout << json.dump(2) << '\n';
    return;
  }
  std::string verdicts;
  for (std::size_t i = 0; i < totals.verdicts.size(); ++i) {
    if (totals.verdicts[i] != 0) {
      verdicts += fmt::format("{}{} {}", verdicts.empty() ? "" : ", ", totals.verdicts[i], kNames[i]);
    }
  }
  const std::string cost =
      options.engine == "nic"
          ? fmt::format("{:.1f} cycles a frame from first fetch to exit, one frame in flight",
                        static_cast<double>(totals.cycles) / packets)
          : fmt::format("{:.0f} ns a frame, call overhead included (kiln bench measures without it)",
                        totals.ns / packets);
  fmt::print("{} on {}: {} frames: {}; {}.\n", program, options.engine, totals.packets, verdicts, cost);
  if (totals.handovers != 0) {
    fmt::print("{} of the frames were handed over to the host (kiln info says where); their cycles include its accesses.\n",
               totals.handovers);
  }
  if (totals.unfit != 0) {
    fmt::print("{} frames do not fit a packet buffer and were not run.\n", totals.unfit);
  }
}

int run(const RunOptions& options) {
  auto frames = read_capture(options.capture);
  if (!frames) {
    return fail(frames.error());
  }
  auto prepared = prepare(options.object.object, options.object.program, {.btf_path = options.object.btf});
  if (!prepared) {
    return fail(prepared.error());
  }
  auto engine = make_engine(options.engine, {.cores = options.speed.cores, .threads = options.speed.threads,
                                             .handover = options.speed.handover, .passes = options.speed.passes});
  if (!engine) {
    return fail(engine.error());
  }
  const Environment& environment = (*prepared)->environment;
  auto maps = initial_maps(**prepared, options.maps, environment.cpu_count);
  if (!maps) {
    return fail(maps.error());
  }
  if (auto loaded = (*engine)->load((*prepared)->verified, (*prepared)->entry, std::move(maps).value(),
                                    environment);
      !loaded) {
    return fail(loaded.error());
  }
  auto totals = run_frames(**engine, environment, *frames);
  if (!totals) {
    return fail(totals.error());
  }
  if (!options.out.empty()) {
    if (auto written = write_capture(options.out, totals->sent); !written) {
      return fail(written.error());
    }
  }
  if (!options.dump_maps.empty()) {
    auto state = (*engine)->maps();
    if (!state) {
      return fail(state.error());
    }
    if (auto written = write_text(options.dump_maps, dump_maps_json(*state)); !written) {
      return fail(written.error());
    }
  }
  if (options.out != "-" && options.dump_maps != "-") {
    print(options, (*prepared)->program().name, *totals);
  }
  return kDone;
}

}  // namespace

void add_run(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("run", "run frames through one engine");
  auto options = std::make_shared<RunOptions>();
  add_object_options(*verb, options->object);
  verb->add_option("--engine", options->engine, "interp, jit, nic or kernel");
  verb->add_option("--pcap", options->capture, "capture to run, - for standard input")->required();
  verb->add_option("--out", options->out, "capture of the frames that pass, tx or redirect");
  verb->add_option("--maps", options->maps, "map contents as JSON, - for standard input");
  verb->add_option("--dump-maps", options->dump_maps, "where the final map contents go");
  add_speed_options(*verb, options->speed);
  verb->callback([options, &status] { status = run(*options); });
}

}  // namespace kiln::cli
