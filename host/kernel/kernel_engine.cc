// SPDX-License-Identifier: Apache-2.0
//
// Engine "kernel": maps, the entry program and all it may tail-call in the kernel, frames by
// BPF_PROG_TEST_RUN.
#include <fmt/format.h>
#include <linux/bpf.h>

#include <map>
#include <set>

#include <kiln/address.h>
#include <kiln/btf.h>
#include <kiln/kernel_engine.h>
#include <kiln/load.h>

#include "kernel_access.h"
#include "kernel_maps.h"
#include "kernel_measure.h"
#include "kernel_program.h"
#include "test_run.h"

namespace kiln {
namespace {

/// Whether any program of the object (tail calls) can put bytes before its frame.
bool makes_metadata(const Object& object) {
  for (const Program& program : object.programs) {
    for (const Insn& insn : program.insns) {
      const InsnInfo* info = find_insn(insn);
      if (info != nullptr && info->op == Op::CALL_HELPER && insn.imm == BPF_FUNC_xdp_adjust_meta) {
        return true;
      }
    }
  }
  return false;
}

/// Types whose programs BPF_PROG_TEST_RUN runs, of those that Kiln knows what to give.
bool can_test_run(ProgramType type) {
  return type == ProgramType::kXdp || type == ProgramType::kSchedCls || type == ProgramType::kSchedAct ||
         type == ProgramType::kSocketFilter || type == ProgramType::kCgroupSkb ||
         type == ProgramType::kRawTracepoint;
}

using kernel::Fd;

constexpr std::uint32_t kMinFrame = 14;  // an Ethernet header

/// A slot of a prog array, as the MapSet has it.
struct ProgSlot {
  std::size_t map;
  std::uint32_t key;
  std::size_t program;
};

/// Map indices that a program refers to.
std::set<std::size_t> maps_of(const Program& program) {
  constexpr std::uint8_t kMapIndex = 5;       // BPF_PSEUDO_MAP_IDX
  constexpr std::uint8_t kMapIndexValue = 6;  // BPF_PSEUDO_MAP_IDX_VALUE
  std::set<std::size_t> maps;
  for (std::size_t i = 0; i < program.insns.size(); ++i) {
    const Insn& insn = program.insns[i];
    if (insn.is_wide()) {
      if (insn.src == kMapIndex || insn.src == kMapIndexValue) {
        maps.insert(static_cast<std::size_t>(insn.imm));
      }
      ++i;
    }
  }
  return maps;
}

/// Kernel functions are numbers in the object's kernel_types: those must be the running kernel's numbers.
Result<void> check_functions(const Object& object, const Program& program) {
  for (const Insn& insn : program.insns) {
    const InsnInfo* info = find_insn(insn);
    if (info == nullptr || info->op != Op::CALL_KFUNC || object.kernel_types == nullptr) {
      continue;
    }
    const auto id = static_cast<std::uint32_t>(insn.imm);
    const std::string_view name = id < object.kernel_types->count() ? object.kernel_types->name(id) : "";
    const auto running = kernel_btf();
    if (!running || (*running)->find(BtfKind::kFunc, name) != id) {
      return Error{Errc::kUnavailable,
                   fmt::format("program '{}': the running kernel has no function {}, or another number for it", program.name, name)};
    }
  }
  return {};
}

class KernelEngine final : public Engine {
 public:
  std::string_view name() const override { return "kernel"; }
  Result<void> load(const VerifiedObject& object, std::size_t entry, MapSet maps,
                    const Environment& environment) override;
  Result<Outcome> run(const Frame& frame) override;
  Result<MapSet> maps() override;
  Result<Throughput> measure(std::span<const Frame> frames, const MeasureOptions& options) override;

 private:
  /// All that lives in the kernel. Made anew by load(), gone with it.
  struct State {
    kernel::KernelMaps maps;
    MapSet initial;  ///< what programs can't change is read from here
    std::map<std::size_t, Fd> programs;
    int entry = -1;
    Fd empty;
    ProgramType type = ProgramType::kXdp;
    bool has_frags = false;
    bool makes_metadata = false;  ///< then each run asks for the context afterwards
    std::uint32_t cpu = 0;
    const Object* object = nullptr;
    std::size_t entry_index = 0;
    std::unique_ptr<kernel::Meter> meter = {};  ///< made by the first measure()
  };

  static Result<void> check(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                            const Environment& environment);
  static Result<void> load_programs(const VerifiedObject& object, std::size_t entry, const kernel::Types& entry_types, State& state);
  static Result<void> check_frame(const State& state, const Frame& frame);

  std::optional<State> state_;
  std::vector<std::byte> out_;
};

Result<void> KernelEngine::check(const VerifiedObject& object, std::size_t entry,
                                 const MapSet& maps, const Environment& environment) {
  const Program& program = object.object->programs[entry];
  if (!can_test_run(program.type) || kernel::runs_from_map(program)) {
    return Error{
        Errc::kUnsupported,
        fmt::format(
            "program '{}': the kernel does not run programs of type {}, section '{}', for a test",
            program.name, program_type_name(program.type), program.section)};
  }
  if (environment.window_bytes != address::kWindowBytes) {
    return Error{Errc::kUnsupported, fmt::format("the kernel's frame buffer has {} bytes, not {}",
                                                 address::kWindowBytes, environment.window_bytes)};
  }
  KILN_TRY(kernel::check_available());
  if (maps.cpu_count() > kernel::possible_cpus()) {
    return Error{Errc::kUnsupported,
                 fmt::format("this machine keeps values for {} processors, not {}",
                             kernel::possible_cpus(), maps.cpu_count())};
  }
  return {};
}

/// The entry, the programs in the prog arrays it uses, those in theirs, and so on; then the slots.
/// \param entry_types  those that the maps were made with: what maps hold and the entry uses is the same type then.
Result<void> KernelEngine::load_programs(const VerifiedObject& object, std::size_t entry, const kernel::Types& entry_types,
                                         State& state) {
  std::vector<std::size_t> wanted = {entry};
  std::set<std::size_t> seen_maps;
  std::vector<ProgSlot> slots;
  while (!wanted.empty()) {
    const std::size_t index = wanted.back();
    wanted.pop_back();
    if (state.programs.contains(index)) {
      continue;
    }
    const Program& program = object.object->programs[index];
    KILN_TRY(check_functions(*object.object, program));
    const kernel::Types own_types = index == entry ? kernel::Types() : kernel::load_types(*object.object, program);
    const kernel::Types& types = index == entry ? entry_types : own_types;
    kernel::Loaded loaded =
        kernel::load_program(*object.object, program, state.maps.fds(), types, 0);
    if (!loaded.fd) {
      loaded = kernel::load_program(*object.object, program, state.maps.fds(), types, 1);
    }
    if (!loaded.fd) {
      return Error{Errc::kRejected, fmt::format("the kernel refuses program '{}': {}", program.name,
                                                kernel::reason(loaded))};
    }
    state.programs.emplace(index, std::move(loaded.fd));
    for (const std::size_t map : maps_of(program)) {
      if (state.initial.spec(map).type != MapType::kProgArray || !seen_maps.insert(map).second) {
        continue;
      }
      state.initial.for_each(map, [&](auto key, auto value) {
        ProgSlot slot{map, 0, 0};
        std::uint32_t number = 0;
        std::memcpy(&slot.key, key.data(), sizeof slot.key);
        std::memcpy(&number, value.data(), sizeof number);
        slot.program = number - 1;
        if (slot.program < object.facts.size() && !object.facts[slot.program].empty()) {
          slots.push_back(slot);
          wanted.push_back(slot.program);
        }
      });
    }
  }
  for (const ProgSlot& slot : slots) {
    KILN_TRY(state.maps.fill_prog_slot(slot.map, slot.key, state.programs.at(slot.program).get()));
  }
  state.entry = state.programs.at(entry).get();
  return {};
}

Result<void> KernelEngine::load(const VerifiedObject& object, std::size_t entry, MapSet maps,
                                const Environment& environment) {
  state_.reset();
  KILN_TRY(check(object, entry, maps, environment));
  const kernel::Types types = kernel::load_types(*object.object, object.object->programs[entry]);
  auto created = kernel::KernelMaps::create(object.object->maps, types.btf.get());
  if (!created) {
    return created.error();
  }
  auto empty = kernel::load_empty_program();
  if (!empty) {
    return empty.error();
  }
  State state{.maps = std::move(created).value(),
              .initial = std::move(maps),
              .programs = {},
              .empty = std::move(empty).value()};
  state.cpu = kernel::choose_cpu();
  state.object = object.object;
  state.entry_index = entry;
  state.type = object.object->programs[entry].type;
  state.has_frags = object.object->programs[entry].has_frags;
  state.makes_metadata = makes_metadata(*object.object);
  const kernel::PinnedTo pinned(state.cpu);  // free entries of LRU maps wait at the processor that took them
  KILN_TRY(state.maps.fill_readonly());
  KILN_TRY(state.maps.fill(state.initial, state.cpu));
  KILN_TRY(load_programs(object, entry, types, state));
  state_ = std::move(state);
  return {};
}

Result<void> KernelEngine::check_frame(const State& state, const Frame& frame) {
  if (state.type == ProgramType::kRawTracepoint) {
    return {};
  }
  // Linux test-runs longer frames in pieces for any program, but gives them to no driver's without
  // xdp.frags.
  const bool too_long = !state.has_frags && frame.data.size() > address::kMaxFrame;
  if (frame.data.size() < kMinFrame || too_long) {
    return Error{Errc::kInput, fmt::format("a frame of {} bytes; the program takes {} to {}",
                                           frame.data.size(), kMinFrame, address::kMaxFrame)};
  }
  return {};
}

Result<Outcome> KernelEngine::run(const Frame& frame) {
  KILN_CHECK(state_);
  KILN_TRY(check_frame(*state_, frame));
  const kernel::PinnedTo pinned(state_->cpu);
  if (state_->type != ProgramType::kXdp) {
    auto packet = state_->type == ProgramType::kRawTracepoint ? kernel::test_run_tracepoint(state_->entry, frame)
                                                              : kernel::test_run_packet(state_->entry, frame);
    if (!packet) {
      return packet.error();
    }
    Outcome outcome;
    outcome.code = packet->code;
    outcome.frame = std::move(packet->frame);
    outcome.context = std::move(packet->context);
    state_->maps.drain(outcome.events);
    return outcome;
  }
  auto result = kernel::test_run(state_->entry, frame, 1, out_, state_->makes_metadata);
  if (!result) {
    return result.error();
  }
  Outcome outcome;
  outcome.code = result->code;
  outcome.frame.assign(out_.begin() + static_cast<std::ptrdiff_t>(result->meta_bytes),
                       out_.begin() + static_cast<std::ptrdiff_t>(result->frame_bytes));
  state_->maps.drain(outcome.events);
  return outcome;
}

Result<MapSet> KernelEngine::maps() {
  KILN_CHECK(state_);
  MapSet maps = state_->initial;
  KILN_TRY(state_->maps.read_back(maps, state_->cpu));
  return maps;
}

Result<Throughput> KernelEngine::measure(std::span<const Frame> frames,
                                         const MeasureOptions& options) {
  KILN_CHECK(state_);
  if (state_->type == ProgramType::kRawTracepoint) {
    return Error{Errc::kUnsupported, "the speed of raw tracepoints is not measured in the kernel"};
  }
  for (const Frame& frame : frames) {
    KILN_TRY(check_frame(*state_, frame));
  }
  const kernel::PinnedTo pinned(state_->cpu);
  if (!state_->meter) {
    state_->meter = std::make_unique<kernel::Meter>(
        kernel::MeterTarget{.object = *state_->object, .entry = state_->entry_index, .maps = state_->maps.fds(),
                            .program = state_->entry, .empty = state_->empty.get()});
    if (state_->maps.has_rings()) {
      state_->meter->empties_rings([this] { state_->maps.empty_rings(); });
    }
  }
  return state_->meter->measure(frames, options);
}

}  // namespace

std::uint32_t kernel_processors() { return kernel::possible_cpus(); }

std::unique_ptr<Engine> make_kernel() {
  return std::make_unique<KernelEngine>();
}

}  // namespace kiln
