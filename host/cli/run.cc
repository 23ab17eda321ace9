// SPDX-License-Identifier: Apache-2.0
//
// kiln run: frames through one engine; what came out to a capture, the maps to JSON.
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include <kiln/capture.h>
#include <kiln/events.h>
#include <kiln/pins.h>
#include <kiln/verdicts.h>

#include "command.h"

namespace kiln::cli {
namespace {

struct RunOptions {
  ObjectOptions object;
  std::string engine = "interp";
  InputOptions input;
  std::string out;
  std::string events;
  std::string maps;
  std::string dump_maps;
  std::string save_state;
  std::string pin;
  bool pin_all = false;
  EnvironmentFiles environment;
  SpeedOptions speed;
};

struct Totals {
  std::vector<std::uint64_t> verdicts;  ///< by verdict_index()
  std::uint64_t packets = 0, unfit = 0, cycles = 0, handovers = 0;
  double ns = 0;  ///< wall time inside the engine, frame by frame
  std::vector<std::vector<std::byte>> sent;
  std::string events;  ///< a line each
};

Result<Totals> run_frames(Engine& engine, const Prepared& prepared, const std::vector<Frame>& frames) {
  const ProgramType type = prepared.program().type;
  Totals totals;
  totals.verdicts.resize(verdict_names(type).size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (!frame_fits(prepared, frames[i])) {
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
    ++totals.verdicts[verdict_index(type, outcome->code)];
    totals.cycles += outcome->cycles;
    totals.handovers += outcome->handed_over ? 1 : 0;
    for (const Event& event : outcome->events) {
      totals.events += event_json(prepared.object, event, i + 1) + "\n";
    }
    if (frame_leaves(type, outcome->code)) {
      totals.sent.push_back(std::move(outcome->frame));
    }
  }
  return totals;
}

void print(const RunOptions& options, const Program& program, const Totals& totals) {
  const double packets = totals.packets == 0 ? 1 : static_cast<double>(totals.packets);
  if (options.object.json) {
    nlohmann::ordered_json json = {
        {"program", program.name}, {"engine", options.engine}, {"packets", totals.packets}};
    for (std::size_t i = 0; i < totals.verdicts.size(); ++i) {
      json["verdicts"][std::string(verdict_names(program.type)[i])] = totals.verdicts[i];
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
  const std::string cost =
      options.engine == "nic"
          ? fmt::format("{:.1f} cycles a frame from first fetch to exit, one frame in flight",
                        static_cast<double>(totals.cycles) / packets)
          : fmt::format("{:.0f} ns a {}, call overhead included (kiln bench measures without it)",
                        totals.ns / packets, takes_frames(program.type) ? "frame" : "run");
  fmt::print("{} on {}: {} {}: {}; {}.\n", program.name, options.engine, totals.packets,
             takes_frames(program.type) ? "frames" : "run", verdict_counts(program.type, totals.verdicts), cost);
  if (totals.handovers != 0) {
    fmt::print("{} of the frames were handed over to the host (kiln info says where); their cycles include its accesses.\n",
               totals.handovers);
  }
  if (totals.unfit != 0) {
    fmt::print("{} frames do not fit a packet buffer and were not run.\n", totals.unfit);
  }
}

/// --dump-maps, --save-state, --pin.
Result<void> keep_maps(const RunOptions& options, Engine& engine, std::span<const std::byte> btf,
                       const std::optional<Pins>& pins) {
  if (options.dump_maps.empty() && options.save_state.empty() && !pins) {
    return {};
  }
  auto state = engine.maps();
  if (!state) {
    return state.error();
  }
  if (!options.dump_maps.empty()) {
    KILN_TRY(write_text(options.dump_maps, dump_maps_json(*state)));
  }
  if (!options.save_state.empty()) {
    KILN_TRY(save_map_file(options.save_state, *state, btf));
  }
  return pins ? pins->save(*state, btf) : Result<void>();
}

int run(const RunOptions& options) {
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
  auto engine = make_engine(options.engine, options.speed);
  if (!engine) {
    return fail(engine.error());
  }
  const Environment& environment = (*prepared)->environment;
  auto maps = initial_maps(**prepared, options.maps, environment.cpu_count);
  if (!maps) {
    return fail(maps.error());
  }
  std::optional<Pins> pins;
  if (!options.pin.empty()) {
    auto opened = Pins::open(options.pin, *maps, options.pin_all);
    if (!opened) {
      return fail(opened.error());
    }
    pins.emplace(std::move(opened).value());
  }
  if (!options.events.empty()) {
    listen_to_events(*maps);
  }
  if (auto loaded = (*engine)->load((*prepared)->verified, (*prepared)->entry, std::move(maps).value(),
                                    environment);
      !loaded) {
    return fail(loaded.error());
  }
  auto totals = run_frames(**engine, **prepared, *frames);
  if (!totals) {
    return fail(totals.error());
  }
  if (!options.out.empty()) {
    if (auto written = write_capture(options.out, totals->sent); !written) {
      return fail(written.error());
    }
  }
  if (auto kept = keep_maps(options, **engine, (*prepared)->object.btf, pins); !kept) {
    return fail(kept.error());
  }
  if (!options.events.empty()) {
    if (auto written = write_text(options.events, totals->events); !written) {
      return fail(written.error());
    }
  }
  if (options.out != "-" && options.dump_maps != "-" && options.events != "-") {
    print(options, (*prepared)->program(), *totals);
  }
  return kDone;
}

}  // namespace

void add_run(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("run", "run frames through one engine");
  auto options = std::make_shared<RunOptions>();
  add_object_options(*verb, options->object);
  verb->add_option("--engine", options->engine, "interp, jit, nic or kernel");
  add_input_options(*verb, options->input);
  verb->add_option("--events", options->events,
                   "where records of perf events and ring buffers and trace text go, a line of JSON each, - for standard output");
  verb->add_option("--out", options->out, "capture of the frames that pass, tx or redirect");
  verb->add_option("--maps", options->maps, "map contents as JSON, - for standard input");
  verb->add_option("--dump-maps", options->dump_maps, "where the final map contents go");
  verb->add_option("--save-state", options->save_state, "file for the final maps, which kiln map works on");
  verb->add_option("--pin", options->pin, "directory of pinned maps: taken from there, and kept there");
  verb->add_flag("--pin-all", options->pin_all, "pin maps that the object does not pin, too")->needs("--pin");
  add_environment_options(*verb, options->environment);
  add_speed_options(*verb, options->speed);
  verb->callback([options, &status] { status = run(*options); });
}

}  // namespace kiln::cli
