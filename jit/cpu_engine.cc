// SPDX-License-Identifier: Apache-2.0
#include "cpu_engine.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <kiln/btf.h>

namespace kiln {
namespace {

constexpr double kEmptyShare = 0.3;  // of a round's time for measuring what a call costs

/// What programs of a type are given; nullopt: the CPU engines do not run them.
std::optional<ContextKind> context_kind(ProgramType type) {
  if (type == ProgramType::kXdp) {
    return ContextKind::kXdp;
  }
  if (runs_on_skb(type)) {
    return ContextKind::kSkb;
  }
  const bool raw = type == ProgramType::kKprobe || type == ProgramType::kTracepoint ||
                   type == ProgramType::kPerfEvent || type == ProgramType::kRawTracepoint;
  return raw ? std::optional(ContextKind::kRaw) : std::nullopt;
}

std::uint32_t context_bytes(ContextKind kind) {
  return kind == ContextKind::kXdp ? address::kCtxBytes : kind == ContextKind::kSkb ? SkbField::kBytes : kMaxRawContext;
}

std::uint32_t window_bytes(ContextKind kind, const Environment& environment) {
  return kind == ContextKind::kXdp ? environment.window_bytes : kind == ContextKind::kSkb ? kSkbWindowBytes : 0;
}

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
    auto code = decode_program(program.insns, &program, facts, helper_set(), maps.size(), object.object->kernel_types.get());
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
  programs_ = std::move(*programs);
  entry_ = entry;
  types_.reset();
  const bool asks_for_types = std::any_of(programs_.begin(), programs_.end(), [](const Code& code) {
    return std::any_of(code.insns.begin(), code.insns.end(), [](const CodeInsn& insn) { return insn.op == Op::CALL_KFUNC; });
  });
  if (asks_for_types) {
    if (auto types = Btf::parse(object.object->btf)) {
      types_ = std::make_shared<const Btf>(std::move(*types));
    }
  }
  KILN_TRY(make_machine(object.object->programs[entry], std::make_shared<MapSet>(std::move(maps)), environment));
  if (auto prepared = prepare(object); !prepared) {
    runtime_.reset();
    return prepared.error();
  }
  return {};
}

/// Frame memory and machine state for the programs that were decoded.
Result<void> CpuEngine::make_machine(const Program& program, std::shared_ptr<MapSet> maps, const Environment& environment) {
  const std::optional<ContextKind> kind_of_context = context_kind(program.type);
  if (!kind_of_context) {
    return Error{Errc::kUnsupported, fmt::format("{}: {} does not run programs of type {}", program.name, name(),
                                                 program_type_name(program.type))};
  }
  constexpr std::size_t kLine = 64;
  const std::size_t context_room = (context_bytes(*kind_of_context) + kLine - 1) / kLine * kLine;
  const std::uint32_t window_room = window_bytes(*kind_of_context, environment);
  auto pages = LowPages::map(context_room + address::kStackBytes + window_room);
  if (!pages) {
    return pages.error();
  }
  pages_ = std::move(*pages);
  const AddressSpaceKind kind = address_space(programs_[entry_].verified);
  frame_ = FrameMemory{.context = reinterpret_cast<std::uint32_t*>(pages_.data()),
                       .stack = pages_.data() + context_room,
                       .window_bytes = window_room,
                       .kind = *kind_of_context,
                       .context_bytes = context_bytes(*kind_of_context),
                       .rest = program.has_frags ? &rest_ : nullptr,
                       .tagged = kind == AddressSpaceKind::kTagged};
  frame_.move_to_window(frame_.stack + address::kStackBytes);
  auto machine = std::make_unique<HelperRuntime>(frame_, std::move(maps), environment, kind, program.type);
  machine->program = static_cast<std::uint32_t>(entry_);
  machine->callable.resize(programs_.size());
  for (std::size_t i = 0; i < programs_.size(); ++i) {
    machine->callable[i] = programs_[i].verified;
  }
  machine->types = types_.get();
  runtime_ = std::move(machine);
  return {};
}

Result<std::unique_ptr<Engine>> CpuEngine::sibling(std::uint32_t cpu) {
  KILN_TRY(check_loaded());
  if (!runtime_->maps.is_shared()) {
    return Error{Errc::kUsage, "several threads on one program need maps that are shared before it is loaded (MapSet::share())"};
  }
  std::unique_ptr<CpuEngine> other = another();
  if (other == nullptr) {
    return Error{Errc::kUnsupported, fmt::format("{}: one thread at a time runs a program", name())};
  }
  Environment environment = runtime_->environment;
  environment.cpu = cpu;
  other->programs_ = programs_;
  other->entry_ = entry_;
  other->types_ = types_;
  KILN_TRY(other->make_machine(*programs_[entry_].program, runtime_->owned_maps, environment));
  KILN_TRY(other->adopt(*this));
  return std::unique_ptr<Engine>(std::move(other));
}

Result<std::unique_ptr<Engine>> make_sibling(Engine& engine, std::uint32_t cpu) {
  auto* of_cpu = dynamic_cast<CpuEngine*>(&engine);
  return of_cpu != nullptr ? of_cpu->sibling(cpu) : Error{Errc::kUnsupported, fmt::format("{}: one thread at a time runs a program", engine.name())};
}

Result<void> CpuEngine::check_loaded() const {
  if (runtime_ == nullptr) {
    return Error{Errc::kUsage, fmt::format("{}: no program is loaded", name())};
  }
  return {};
}

Result<void> CpuEngine::place(const Frame& frame) {
  KILN_TRY(check_frame(frame));
  std::memset(frame_.stack, 0, address::kStackBytes);
  std::memset(frame_.window, 0, frame_.window_bytes);
  KILN_TRY(runtime_->load_frame(frame));
  runtime_->begin_frame();
  return {};
}

Result<Outcome> CpuEngine::run(const Frame& frame) {
  KILN_TRY(check_loaded());
  KILN_TRY(place(frame));
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
  take_frame(outcome);
  runtime_->drain_rings();
  outcome.events = std::move(runtime_->events);
  outcome.insns = executed() - before;
  return outcome;
}

void CpuEngine::take_frame(Outcome& outcome) const {
  constexpr std::uint32_t kTcRedirect = 7;  // TC_ACT_REDIRECT
  if (runtime_->skb) {
    outcome.frame = runtime_->skb->output();
    outcome.context = runtime_->skb->context_output();
    if (outcome.code == kTcRedirect) {
      outcome.redirect = runtime_->redirect;
    }
    return;
  }
  const std::span<const std::byte> left = frame_.frame();
  outcome.frame.assign(left.begin(), left.end());
  if (frame_.rest != nullptr) {
    for (const std::vector<std::byte>& piece : frame_.rest->pieces) {
      outcome.frame.insert(outcome.frame.end(), piece.begin(), piece.end());
    }
  }
  if (runtime_->is_xdp() && outcome.verdict() == Verdict::kRedirect) {
    outcome.redirect = runtime_->redirect;
  }
}

Result<void> CpuEngine::check_frame(const Frame& frame) const {
  if (frame_.kind == ContextKind::kRaw) {
    return {};
  }
  const bool long_ones = frame_.rest != nullptr;
  return check_length(frame, long_ones ? runtime_->environment.max_long_frame() : runtime_->environment.max_frame());
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

bool CpuEngine::comes_back(const Frame& frame) {
  if (frame_.kind != ContextKind::kXdp || frame_.rest != nullptr || !place(frame)) {
    return false;
  }
  const FramePosition position = frame_.position;
  const auto run_again = [&]() -> std::optional<std::uint64_t> {
    runtime_->begin_frame();
    const auto code = execute();
    ++runtime_->frame_number;
    runtime_->drain_rings();
    return code && frame_.position == position ? std::optional(*code) : std::nullopt;
  };
  const auto first = run_again(), second = first ? run_again() : std::nullopt;
  return first && first == second && std::ranges::equal(frame_.frame(), frame.data);
}

Result<Throughput> CpuEngine::measure(std::span<const Frame> frames, const MeasureOptions& options) {
  KILN_TRY(check_loaded());
  if (frames.empty()) {
    return Error{Errc::kUsage, "no frames to measure with"};
  }
  for (const Frame& frame : frames) {
    KILN_TRY(check_frame(frame));
  }
  auto rack = FrameRack::make(frame_);
  if (!rack) {
    return rack.error();
  }
  runtime_->keeps_events = false;
  std::vector<bool> come_back(frames.size(), false);
  for (std::size_t i = 0; restores_frames() && i < frames.size(); ++i) {
    come_back[i] = comes_back(frames[i]);
  }
  const FrameMemory own = frame_;
  std::memset(frame_.stack, 0, address::kStackBytes);
  Throughput throughput;
  const std::uint64_t before = executed();
  std::optional<Error> failed;
  for (std::uint32_t repeat = 0; repeat < options.repeats && !failed; ++repeat) {
    double ns = 0;
    for (std::size_t at = 0; at < frames.size() && !failed; at += FrameRack::kWindows) {
      const auto part = frames.subspan(at, std::min(FrameRack::kWindows, frames.size() - at));
      rack->fill(part);
      for (std::size_t i = 0; i < part.size(); ++i) {
        rack->set_comes_back(i, come_back[at + i]);
      }
      const double share = static_cast<double>(part.size()) / static_cast<double>(frames.size());
      const auto round = time_round(*rack, options.seconds_per_round * share, false);
      const auto empty = time_round(*rack, options.seconds_per_round * share * kEmptyShare, true);
      if (!round || !empty) {
        failed = round ? empty.error() : round.error();
        break;
      }
      const auto per_packet = [](const TimedRound& r) { return r.seconds * 1e9 / static_cast<double>(r.packets); };
      ns += (per_packet(*round) - per_packet(*empty)) * share;
      throughput.packets += round->packets;
    }
    throughput.ns_per_packet.push_back(std::max(ns, 0.0));
  }
  frame_ = own;
  runtime_->keeps_events = true;
  if (failed) {
    return *failed;
  }
  throughput.insns_per_packet =
      static_cast<double>(executed() - before) / static_cast<double>(std::max<std::uint64_t>(throughput.packets, 1));
  return throughput;
}

}  // namespace kiln
