// SPDX-License-Identifier: Apache-2.0
#include <kiln/prepare.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <kiln/capture.h>
#include <kiln/cpu_engines.h>
#include <kiln/kernel_engine.h>
#include <kiln/nic_engine.h>
#include <kiln/verdicts.h>

namespace kiln {
namespace {

/// `entry` and the targets of prog-array slots: what may run.
std::vector<std::size_t> programs_that_may_run(const Object& object, std::size_t entry) {
  std::vector<std::size_t> programs = {entry};
  for (const MapSpec& map : object.maps) {
    if (map.type != MapType::kProgArray) {
      continue;
    }
    for (const MapSpec::Slot& slot : map.slots) {
      if (std::find(programs.begin(), programs.end(), slot.target) == programs.end()) {
        programs.push_back(slot.target);
      }
    }
  }
  return programs;
}

}  // namespace

std::string describe_insn(const Program& program, std::uint32_t insn) {
  const SourceLine* line = program.line_of(insn);
  if (line == nullptr) {
    return fmt::format("insn {}", insn);
  }
  return fmt::format("insn {} ({}:{}: {})", insn, line->file, line->line, line->text);
}

Result<std::unique_ptr<Prepared>> prepare(const std::string& path, const std::string& name,
                                          const LoadOptions& options) {
  auto prepared = std::make_unique<Prepared>();
  auto object = load_object_file(path, options);
  if (!object) {
    return object.error();
  }
  prepared->path = path;
  prepared->object = std::move(object).value();
  auto entry = select_program(prepared->object, name);
  if (!entry) {
    return entry.error();
  }
  prepared->entry = *entry;
  prepared->verified.object = &prepared->object;
  prepared->verified.facts.resize(prepared->object.programs.size());
  for (std::size_t index : programs_that_may_run(prepared->object, prepared->entry)) {
    const Program& program = prepared->object.programs[index];
    VerifyResult result = verify(prepared->object, program);
    if (!result.accepted) {
      return Error{Errc::kRejected, fmt::format("{}: {}: rejected by the verifier at {}: {}", path, program.name,
                                                describe_insn(program, result.insn), result.message)};
    }
    prepared->verified.facts[index] = std::move(result.facts);
  }
  return prepared;
}

bool frame_fits(const Prepared& prepared, const Frame& frame) {
  const Environment& environment = prepared.environment;
  const Program& program = prepared.program();
  if (!takes_frames(program.type)) {
    return true;
  }
  const std::size_t length = frame.data.size();
  const bool as_packet = program.type != ProgramType::kXdp;
  if (as_packet && length >= Environment::kMinFrame) {  // the kernel makes no packet with half an IP header
    const auto type = std::to_integer<unsigned>(frame.data[12]) << 8 | std::to_integer<unsigned>(frame.data[13]);
    if ((type == 0x0800 && length < 14 + 20) || (type == 0x86dd && length < 14 + 40)) {
      return false;
    }
  }
  return program.has_frags ? length >= Environment::kMinFrame && length <= environment.max_long_frame()
                           : environment.fits(length);
}

Result<MapSet> initial_maps(const Prepared& prepared, const std::string& maps_path,
                            std::uint32_t cpu_count, std::uint32_t possible_cpus) {
  const std::uint32_t asked = prepared.environment.possible_cpus;
  auto maps = MapSet::create(prepared.object.maps, cpu_count, asked != 0 ? asked : possible_cpus);
  if (!maps || maps_path.empty()) {
    return maps;
  }
  auto json = read_text(maps_path);
  if (!json) {
    return json.error();
  }
  if (auto loaded = load_maps_json(*maps, *json); !loaded) {
    Error error = loaded.error();
    error.message = maps_path + ": " + error.message;
    return error;
  }
  return maps;
}

std::span<const std::string_view> engine_names() {
  static constexpr std::array<std::string_view, 4> kNames = {"interp", "jit", "nic", "kernel"};
  return kNames;
}

Result<std::unique_ptr<Engine>> make_engine(std::string_view name, const EngineOptions& options) {
  if (name == "interp") {
    return make_interp();
  }
  if (name == "jit") {
    return make_jit({.passes = options.passes, .harden = options.harden, .perf_map = options.perf_map});
  }
  if (name == "nic") {
    return make_nic({.cores = options.cores,
                     .threads = options.threads,
                     .continuation = [] { return make_resumable_interp(); },
                     .handover = options.handover});
  }
  if (name == "native" && !options.native.empty()) {  // for bench only, so not among the names
    return make_native(options.native);
  }
  if (name == "kernel") {
    return make_kernel();
  }
  if (name == "kernel-code") {  // for bench only
    return make_kernel_code(kernel_code);
  }
  return Error{Errc::kUsage, fmt::format("no engine '{}': there are {}", name,
                                         fmt::join(engine_names(), ", "))};
}

}  // namespace kiln
