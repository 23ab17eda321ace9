// SPDX-License-Identifier: Apache-2.0
#include "scenario.h"

#include <cstdio>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>

#include "kernel_probe.h"
#include "test_object.h"

namespace kiln::conformance {
namespace {

std::size_t compared_with_linux = 0;

std::vector<std::byte> frame_of(const Scenario& scenario) {
  return scenario.frame.empty() ? test_frame(scenario.frame_bytes) : scenario.frame;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text = fmt::format("{} bytes ", bytes.size());
  for (const std::byte byte : bytes) {
    text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  }
  return text;
}

Observed observed(const Scenario& scenario, std::uint32_t code, const std::vector<std::byte>& frame,
                  const std::vector<std::byte>& context) {
  return {.code = code, .frame = scenario.compares_frame ? frame : std::vector<std::byte>(), .context = context};
}

}  // namespace

std::vector<std::byte> test_frame(std::size_t bytes) {
  std::vector<std::byte> frame(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    frame[i] = static_cast<std::byte>(i * 7 + 3);
  }
  return frame;
}

MapSpec map_spec(MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries) {
  MapSpec spec;
  spec.name = "map";
  spec.type = type;
  spec.key_size = key;
  spec.value_size = value;
  spec.max_entries = entries;
  return spec;
}

Observed run_engine(Engine& engine, const Scenario& scenario, const std::vector<Insn>& insns, bool trust) {
  Object object;
  object.maps = scenario.maps;
  if (scenario.self_in_map_0) {
    object.maps[0].slots = {{.key = 0, .target = 0}};
  }
  add_program(object, "scenario", insns);
  object.programs[0].type = scenario.type;
  object.programs[0].has_frags = scenario.frags;
  auto maps = MapSet::create(object.maps, scenario.environment.cpu_count);
  EXPECT_TRUE(maps) << maps.error().message;
  for (const Element& element : scenario.elements) {
    EXPECT_EQ(maps->user_update(element.map, std::as_bytes(std::span(element.key)),
                                std::as_bytes(std::span(element.value)), 0), 0);
  }
  auto loaded = engine.load(trust ? trusted(object) : unverified(object), 0, std::move(*maps), scenario.environment);
  EXPECT_TRUE(loaded) << loaded.error().message;
  auto outcome = engine.run(Frame{.data = frame_of(scenario)});
  EXPECT_TRUE(outcome) << outcome.error().message;
  return outcome ? observed(scenario, outcome->code, outcome->frame, outcome->context) : Observed();
}

std::optional<Observed> run_linux(const Scenario& scenario, const std::vector<Insn>& insns) {
  auto program = KernelProgram::load(insns, scenario.maps, scenario.type, scenario.frags);
  if (!program) {
    EXPECT_EQ(program.error().code, Errc::kUnavailable) << program.error().message;
    return std::nullopt;
  }
  for (const Element& element : scenario.elements) {
    EXPECT_EQ(program->update(element.map, std::as_bytes(std::span(element.key)),
                              std::as_bytes(std::span(element.value))), 0);
  }
  if (scenario.self_in_map_0) {
    const std::uint32_t key = 0;
    const int self = program->descriptor();
    EXPECT_EQ(program->update(0, std::as_bytes(std::span(&key, 1)), std::as_bytes(std::span(&self, 1))), 0);
  }
  auto outcome = program->run(frame_of(scenario));
  EXPECT_TRUE(outcome) << outcome.error().message;
  return outcome ? observed(scenario, outcome->code, outcome->frame, outcome->context) : Observed();
}

Observed agree(const Scenario& scenario) {
  SCOPED_TRACE(scenario.code);
  auto insns = assemble(scenario.code);
  EXPECT_TRUE(insns) << insns.error().message;
  if (!insns) {
    return {};
  }
  const auto interp = make_interp(), jit = make_jit();
  const Observed expected = run_engine(*interp, scenario, *insns, false);
  EXPECT_EQ(expected, run_engine(*interp, scenario, *insns, true));
  EXPECT_EQ(expected, run_engine(*jit, scenario, *insns, false)) << "JIT with checks";
  // A function that tail calls may only be tail-called itself when it was verified: then the slot counts as empty.
  EXPECT_EQ(scenario.self_in_map_0 ? run_engine(*interp, scenario, *insns, true) : expected,
            run_engine(*jit, scenario, *insns, true)) << "JIT without checks";
  if (!scenario.on_kernel) {
    return expected;
  }
  if (const std::optional<Observed> truth = run_linux(scenario, *insns)) {
    EXPECT_EQ(code_of(*truth), code_of(expected));
    // Linux hands out the metadata in front of the frame as well.
    const std::size_t metadata = truth->frame.size() - std::min(truth->frame.size(), expected.frame.size());
    EXPECT_EQ(hex(std::span(truth->frame).subspan(metadata)), hex(expected.frame));
    EXPECT_EQ(hex(truth->context), hex(expected.context));
    ++compared_with_linux;
  }
  return expected;
}

void HelpersAgainstLinux::TearDownTestSuite() {
  std::printf("%zu scenarios also ran on Linux\n", compared_with_linux);
}

}  // namespace kiln::conformance
