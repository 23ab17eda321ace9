// SPDX-License-Identifier: Apache-2.0
//
// The NIC as an Engine: lowers the program, loads it through the driver, sends frames, reads verdicts.
#include <kiln/nic_engine.h>

#include <algorithm>
#include <bit>
#include <initializer_list>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "handover_host.h"
#include "nic_harness.h"

namespace kiln {
namespace {

using sim::HandoverHost;
using sim::NicHarness;
using sim::VerdictRecord;

constexpr std::uint32_t kExactOrder = 1;   // MAX_IN_FLIGHT: one frame at a time
constexpr std::uint32_t kLatencyFrames = 64;

std::uint32_t rx_user(const Frame& frame) {
  return (frame.ingress_ifindex & 0xffff) | frame.rx_queue << 16;
}

bool leaves_the_nic(std::uint32_t code) { return code >= 2 && code <= 4; }

bool has_map_of(const MapSet& maps, std::initializer_list<MapType> types) {
  for (std::size_t i = 0; i < maps.size(); ++i) {
    if (std::find(types.begin(), types.end(), maps.spec(i).type) != types.end()) {
      return true;
    }
  }
  return false;
}

bool has_per_cpu_map(const MapSet& maps) {
  return has_map_of(maps, {MapType::kPercpuArray, MapType::kPercpuHash, MapType::kLruPercpuHash});
}

bool writes_events(const MapSet& maps) { return has_map_of(maps, {MapType::kPerfEventArray, MapType::kRingbuf}); }

/// The map memory behind the maps: a part for each thread, and one for the host (LowerOptions::stage).
struct Stage {
  std::uint32_t offset = 0, bytes = 0, threads = 0;
};

Stage stage_of(const NicConfiguration& nic, const MapSet& maps) {
  constexpr std::size_t kMost = 8192;  // of each
  const std::uint32_t threads = nic.cores * nic.threads;
  const std::size_t offset = (maps.arena().size() + 63) / 64 * 64;
  const std::size_t left = offset < nic.map_bytes ? nic.map_bytes - offset : 0;
  const std::size_t bytes = std::min(kMost, std::bit_floor(left / (threads + 1)));
  return {static_cast<std::uint32_t>(offset), bytes < 8 ? 0 : static_cast<std::uint32_t>(bytes), threads};
}

Result<CoreImage> lower_for(const NicConfiguration& nic, const VerifiedObject& object, std::size_t entry,
                            const MapSet& maps, const Environment& environment, bool handover) {
  const Stage stage = stage_of(nic, maps);
  return lower(*object.object, object.facts, entry, core_maps(maps),
               {.imem_words = nic.imem_words,
                .window_bytes = nic.window_bytes,
                .stage = stage.offset,
                .stage_bytes = stage.bytes,
                .boot_offset_ns = environment.boot_offset_ns,
                .tai_offset_ns = environment.tai_offset_ns,
                .hz = environment.hz,
                .numa_node = environment.numa_node,
                .handover = handover});
}

class NicEngine final : public Engine {
 public:
  NicEngine(const NicOptions& options, RetireObserver observer)
      : options_(options), observer_(std::move(observer)) {}

  std::string_view name() const override { return "nic"; }

  Result<void> load(const VerifiedObject& object, std::size_t entry, MapSet maps,
                    const Environment& environment) override {
    if (!harness_) {
      auto model = sim::make_nic_model(options_.cores, options_.threads);
      if (!model) {
        return Error{Errc::kUnsupported, fmt::format("no simulated NIC has {} cores of {} threads",
                                                     options_.cores, options_.threads)};
      }
      harness_ = std::make_unique<NicHarness>(std::move(model), observer_);
    }
    const Program& program = object.object->programs[entry];
    if (program.type != ProgramType::kXdp) {
      return Error{Errc::kUnsupported, fmt::format("{}: the NIC runs XDP programs, not those of type {}", program.name,
                                                   program_type_name(program.type))};
    }
    const NicConfiguration configuration = harness_->model().configuration();
    if (environment.window_bytes != configuration.window_bytes) {
      return Error{Errc::kUnsupported,
                   fmt::format("the simulated NIC's packet window is {} bytes, not {}",
                               configuration.window_bytes, environment.window_bytes)};
    }
    if (maps.arena().size() > configuration.map_bytes) {
      return Error{Errc::kUnsupported, fmt::format("the maps take {} bytes and the NIC's map memory has {}",
                                                   maps.arena().size(), configuration.map_bytes)};
    }
    const bool handover = options_.handover && options_.continuation;
    auto image = lower_for(configuration, object, entry, maps, environment, handover);
    if (!image) {
      return image.error();
    }
    host_.reset();
    if (!image->handovers.empty()) {
      host_ = std::make_unique<HandoverHost>(*harness_, options_.continuation(), *image);
      KILN_TRY(host_->load(object, entry, maps, environment));
      const Stage stage = stage_of(configuration, maps);
      host_->set_stage(stage.offset + stage.threads * stage.bytes, stage.bytes);
    }
    entry_ = image->entry;
    environment_ = environment;
    frames_ = 0;
    sim::NicDriver driver(*harness_);
    driver.stop();
    if (auto identity = driver.identify(); !identity) {
      return identity.error();
    }
    driver.load_image(*image);
    driver.load_maps(maps);
    driver.set_random(environment.random_seed);
    driver.enable(options_.cores, options_.threads);
    driver.start(entry_, kExactOrder);
    maps_ = std::move(maps);
    return {};
  }

  Result<Outcome> run(const Frame& frame) override {
    KILN_CHECK(harness_ != nullptr);
    KILN_TRY(check_frame(frame));
    sim::NicDriver(*harness_).set_clock(environment_.clock_ns + frames_ * environment_.clock_step_ns, 0);
    ++frames_;
    harness_->source().push(frame.data, rx_user(frame));
    auto verdict = wait_for_verdict();
    if (!verdict) {
      return verdict.error();
    }
    const auto by_host = took(verdict->seq);
    Outcome outcome{.code = verdict->code, .frame = {}, .redirect = {}, .insns = verdict->insns,
                    .cycles = verdict->end - verdict->start, .handed_over = by_host.has_value()};
    outcome.events = wait_for_events(by_host.value_or(std::vector<Event>()));
    if (leaves_the_nic(verdict->code)) {
      auto sent = wait_for_frame();
      if (!sent) {
        return sent.error();
      }
      outcome.frame = std::move(sent->bytes);
    }
    if (outcome.verdict() == Verdict::kRedirect) {
      outcome.redirect = RedirectTarget{.map = std::int32_t{verdict->redirect_map} - 1,
                                        .key = verdict->redirect};
    }
    return outcome;
  }

  Result<MapSet> maps() override {
    KILN_CHECK(harness_ != nullptr && maps_);
    MapSet copy = host_ ? host_->maps() : *maps_;  // what the NIC does not hold is at the host
    copy.attach(nullptr);
    sim::NicDriver(*harness_).read_maps(copy);
    return copy;
  }

  Result<Throughput> measure(std::span<const Frame> frames, const MeasureOptions&) override {
    KILN_CHECK(harness_ != nullptr && !frames.empty());
    const std::uint32_t processors = harness_->model().configuration().threads * options_.cores;
    if (has_per_cpu_map(*maps_) && maps_->cpu_count() < processors) {
      return Error{Errc::kUsage, fmt::format("per-CPU maps hold {} values and {} threads are to run at once",
                                             maps_->cpu_count(), processors)};
    }
    for (const Frame& frame : frames) {
      KILN_TRY(check_frame(frame));
    }
    Throughput result;
    KILN_TRY(measure_latency(frames, result));
    KILN_TRY(measure_throughput(frames, result));
    return result;
  }

 private:
  /// Goes on with what has been handed over.
  Result<void> serve() { return host_ ? host_->serve() : Result<void>(); }

  /// Frames and events that nobody is waiting for.
  void forget_output() {
    harness_->events().clear();
    while (!harness_->sink().empty()) {
      harness_->sink().pop();
    }
  }

  /// All events of the frame that has just left: perf events as they were written, the host's after the NIC's own,
  /// then the records of each ring buffer.
  std::vector<Event> wait_for_events(std::vector<Event> by_host) {
    std::vector<Event> events, rings;
    if (writes_events(*maps_)) {
      sim::NicDriver driver(*harness_);
      while (driver.sends_events()) {
      }
      while (!harness_->events().empty()) {
        Event event = harness_->events().pop(*maps_);
        (event.kind == EventKind::kRing ? rings : events).push_back(std::move(event));
      }
    }
    std::stable_sort(rings.begin(), rings.end(), [](const Event& a, const Event& b) { return a.map < b.map; });
    std::move(by_host.begin(), by_host.end(), std::back_inserter(events));
    std::move(rings.begin(), rings.end(), std::back_inserter(events));
    return events;
  }

  /// HandoverHost::took().
  std::optional<std::vector<Event>> took(std::uint32_t seq) { return host_ ? host_->took(seq) : std::nullopt; }

  Result<void> check_frame(const Frame& frame) const {
    const bool short_frame = options_.short_frames && !frame.data.empty() &&
                             frame.data.size() < Environment::kMinFrame;
    if (!short_frame && !environment_.fits(frame.data.size())) {
      return Error{Errc::kInput, fmt::format("a frame of {} bytes: {} to {} fit", frame.data.size(),
                                             Environment::kMinFrame, environment_.max_frame())};
    }
    return {};
  }

  Result<VerdictRecord> wait_for_verdict() {
    auto& verdicts = harness_->verdicts();
    for (std::uint64_t i = 0; verdicts.empty(); ++i) {
      if (i >= options_.max_cycles) {
        return Error{Errc::kFault, fmt::format("no verdict within {} cycles", options_.max_cycles)};
      }
      harness_->tick();
      KILN_TRY(serve());
    }
    const VerdictRecord record = verdicts.front().record;
    verdicts.pop_front();
    return record;
  }

  Result<sim::SentFrame> wait_for_frame() {
    for (std::uint64_t i = 0; harness_->sink().empty(); ++i) {
      if (i >= options_.max_cycles) {
        return Error{Errc::kInternal, "a frame that was to leave the NIC did not"};
      }
      harness_->tick();
    }
    return harness_->sink().pop();
  }

  /// One frame at a time on an empty NIC: last beat in to first beat out.
  Result<void> measure_latency(std::span<const Frame> frames, Throughput& result) {
    for (std::size_t i = 0; i < std::min<std::size_t>(frames.size(), kLatencyFrames); ++i) {
      harness_->source().push(frames[i].data, rx_user(frames[i]));
      auto verdict = wait_for_verdict();
      if (!verdict) {
        return verdict.error();
      }
      const bool alone = !took(verdict->seq);
      if (leaves_the_nic(verdict->code)) {
        auto sent = wait_for_frame();
        if (!sent) {
          return sent.error();
        }
        if (alone) {
          result.latency_cycles.push_back(
              static_cast<double>(sent->first_cycle - harness_->last_beat_cycle()));
        }
      }
    }
    return {};
  }

  /// As many frames in the NIC as its threads can hold, twice over; counts clock edges from verdict
  /// to verdict once every thread has turned over several times.
  Result<void> measure_throughput(std::span<const Frame> frames, Throughput& result) {
    sim::NicDriver driver(*harness_);
    driver.start(entry_, 0);
    const std::size_t limit = 2 * std::size_t{options_.cores} * options_.threads;
    std::size_t next = 0;
    std::uint64_t sent = 0;
    std::uint64_t seen = 0;
    const std::uint64_t warm_up = std::max<std::uint64_t>(8 * limit, 64);
    const std::uint64_t counted = std::max<std::uint64_t>(frames.size(), 16 * limit);
    std::uint64_t first_cycle = 0;
    std::uint64_t last_cycle = 0;
    std::uint64_t insns = 0;
    for (std::uint64_t idle = 0; seen < warm_up + counted; ++idle) {
      if (idle >= options_.max_cycles) {
        return Error{Errc::kFault, fmt::format("no verdict within {} cycles", options_.max_cycles)};
      }
      while (sent - seen < limit && harness_->source().queued_frames() < 2) {
        harness_->source().push(frames[next].data, rx_user(frames[next]));
        next = (next + 1) % frames.size();
        ++sent;
      }
      harness_->tick();
      KILN_TRY(serve());
      forget_output();
      while (!harness_->verdicts().empty()) {
        const sim::TimedVerdict verdict = harness_->verdicts().front();
        harness_->verdicts().pop_front();
        idle = 0;
        ++seen;
        const bool handed_over = took(verdict.record.seq).has_value();
        if (seen == warm_up) {
          first_cycle = verdict.cycle;
        } else if (seen > warm_up && seen <= warm_up + counted) {
          last_cycle = verdict.cycle;
          insns += verdict.record.insns;
          result.handovers += handed_over ? 1 : 0;
        }
      }
    }
    result.packets = counted;
    result.cycles_per_packet =
        static_cast<double>(last_cycle - first_cycle) / static_cast<double>(counted);
    result.insns_per_packet = static_cast<double>(insns) / static_cast<double>(counted);
    KILN_TRY(drain(sent, seen));
    driver.start(entry_, kExactOrder);
    return {};
  }

  Result<void> drain(std::uint64_t sent, std::uint64_t seen) {
    for (std::uint64_t i = 0; i < options_.max_cycles && seen < sent; ++i) {
      harness_->tick();
      KILN_TRY(serve());
      seen += harness_->verdicts().size();
      harness_->verdicts().clear();
    }
    for (int i = 0; i < 2048; ++i) {  // the last frames leave
      harness_->tick();
    }
    forget_output();
    return {};
  }

  NicOptions options_;
  RetireObserver observer_;
  Environment environment_;
  std::unique_ptr<NicHarness> harness_;
  std::optional<MapSet> maps_;
  std::unique_ptr<HandoverHost> host_;  ///< only if the image can hand over
  std::uint32_t entry_ = 0;
  std::uint64_t frames_ = 0;
};

}  // namespace

Result<CoreImage> lower_for_nic(const VerifiedObject& object, std::size_t entry, const MapSet& maps, bool handover) {
  return lower_for(nic_configurations().front(), object, entry, maps, Environment(), handover);
}

std::unique_ptr<Engine> make_nic(const NicOptions& options, RetireObserver observer) {
  return std::make_unique<NicEngine>(options, std::move(observer));
}

}  // namespace kiln
