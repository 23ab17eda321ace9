// SPDX-License-Identifier: Apache-2.0
#include "cpu_engine.h"

#include <cstring>

#include <fmt/format.h>

namespace kiln {
namespace {

constexpr std::size_t kContextRoom = 64;  // struct xdp_md, up to a cache line

/// Program indices that prog arrays hold, as bits. Programs can't change a prog array, so that is all there will be.
std::vector<bool> tail_call_targets(MapSet& maps, std::size_t programs) {
  std::vector<bool> targets(programs);
  for (std::size_t map = 0; map < maps.size(); ++map) {
    const MapDescriptor& layout = maps.descriptor(map);
    if (maps.spec(map).type != MapType::kProgArray) {
      continue;
    }
    for (std::uint32_t index = 0; index < layout.max_entries; ++index) {
      std::uint32_t value = 0;
      std::memcpy(&value, maps.arena().data() + layout.entries + std::size_t{index} * layout.entry_stride, 4);
      if (value != 0 && value <= programs) {
        targets[value - 1] = true;
      }
    }
  }
  return targets;
}

}  // namespace

Result<std::vector<Code>> CpuEngine::decode(const VerifiedObject& object, std::size_t entry, MapSet& maps) const {
  std::vector<Code> programs(object.object->programs.size());
  std::vector<bool> wanted = tail_call_targets(maps, programs.size());
  wanted[entry] = true;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const Facts* facts = i < object.facts.size() && !object.facts[i].empty() ? &object.facts[i] : nullptr;
    if (!wanted[i] || (facts == nullptr && i != entry)) {
      continue;  // a program that was not verified is not tail-called (engine.h)
    }
    const Program& program = object.object->programs[i];
    auto code = decode_program(program.insns, &program, facts, helper_set(), maps.size());
    if (!code) {
      return code.error();
    }
    programs[i] = std::move(*code);
  }
  return programs;
}

Result<void> CpuEngine::load(const VerifiedObject& object, std::size_t entry, MapSet maps,
                             const Environment& environment) {
  KILN_CHECK(object.object != nullptr && entry < object.object->programs.size());
  runtime_.reset();
  auto programs = decode(object, entry, maps);
  if (!programs) {
    return programs.error();
  }
  auto pages = LowPages::map(kContextRoom + address::kStackBytes + environment.window_bytes);
  if (!pages) {
    return pages.error();
  }
  programs_ = std::move(*programs);
  entry_ = entry;
  pages_ = std::move(*pages);
  const AddressSpaceKind kind = address_space(programs_[entry].verified);
  frame_ = FrameMemory{.context = reinterpret_cast<std::uint32_t*>(pages_.data()),
                       .stack = pages_.data() + kContextRoom,
                       .window_bytes = environment.window_bytes,
                       .tagged = kind == AddressSpaceKind::kTagged};
  frame_.move_to_window(frame_.stack + address::kStackBytes);
  auto machine = std::make_unique<HelperRuntime>(frame_, std::move(maps), environment, kind);
  machine->program = static_cast<std::uint32_t>(entry);
  machine->callable.resize(programs_.size());
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    machine->callable[i] = programs_[i].verified;
  }
  runtime_ = std::move(machine);
  if (auto prepared = prepare(object); !prepared) {
    runtime_.reset();
    return prepared.error();
  }
  return {};
}

Result<void> CpuEngine::check_loaded() const {
  if (runtime_ == nullptr) {
    return Error{Errc::kUsage, fmt::format("{}: no program is loaded", name())};
  }
  return {};
}

void CpuEngine::place(const Frame& frame) {
  std::memset(frame_.stack, 0, address::kStackBytes);
  std::memset(frame_.window, 0, frame_.window_bytes);
  std::memcpy(frame_.window + address::kHeadroom, frame.data.data(), frame.data.size());
  frame_.begin(frame);
  runtime_->begin_frame();
}

Result<Outcome> CpuEngine::run(const Frame& frame) {
  KILN_TRY(check_loaded());
  KILN_TRY(check_length(frame, frame_.window_bytes));
  place(frame);
  const std::uint64_t before = executed();
  return outcome(execute(), before);
}

Result<Outcome> CpuEngine::outcome(const Result<std::uint64_t>& r0, std::uint64_t before) {
  ++runtime_->frame_number;
  if (!r0) {
    return r0.error();
  }
  Outcome outcome;
  outcome.code = static_cast<std::uint32_t>(*r0);
  const std::span<const std::byte> left = frame_.frame();
  outcome.frame.assign(left.begin(), left.end());
  if (outcome.verdict() == Verdict::kRedirect) {
    outcome.redirect = runtime_->redirect;
  }
  outcome.insns = executed() - before;
  return outcome;
}

Result<MapSet> CpuEngine::maps() {
  KILN_TRY(check_loaded());
  return runtime_->maps;
}

bool CpuEngine::restores_frames() const {
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    if (!programs_[i].insns.empty() && programs_[i].writes_packet) {
      return true;
    }
  }
  return false;
}

Result<Throughput> CpuEngine::measure(std::span<const Frame> frames, const MeasureOptions& options) {
  KILN_TRY(check_loaded());
  if (frames.empty()) {
    return Error{Errc::kUsage, "no frames to measure with"};
  }
  for (const Frame& frame : frames) {
    KILN_TRY(check_length(frame, frame_.window_bytes));
  }
  auto rack = FrameRack::make(frame_);
  if (!rack) {
    return rack.error();
  }
  const FrameMemory own = frame_;
  std::memset(frame_.stack, 0, address::kStackBytes);
  Throughput throughput;
  const std::uint64_t before = executed();
  std::optional<Error> failed;
  for (std::uint32_t repeat = 0; repeat < options.repeats && !failed; ++repeat) {
    TimedRound total;
    for (std::size_t at = 0; at < frames.size() && !failed; at += FrameRack::kWindows) {
      const auto part = frames.subspan(at, std::min(FrameRack::kWindows, frames.size() - at));
      rack->fill(part);
      const double share = static_cast<double>(part.size()) / static_cast<double>(frames.size());
      const auto round = time_round(*rack, options.seconds_per_round * share);
      if (!round) {
        failed = round.error();
        break;
      }
      total.seconds += round->seconds;
      total.packets += round->packets;
    }
    throughput.packets += total.packets;
    throughput.ns_per_packet.push_back(total.seconds * 1e9 / static_cast<double>(total.packets));
  }
  frame_ = own;
  if (failed) {
    return *failed;
  }
  throughput.insns_per_packet =
      static_cast<double>(executed() - before) / static_cast<double>(std::max<std::uint64_t>(throughput.packets, 1));
  return throughput;
}

}  // namespace kiln
