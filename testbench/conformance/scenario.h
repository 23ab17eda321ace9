// SPDX-License-Identifier: Apache-2.0
//
// One program on one frame, on every CPU engine and on Linux: for tests of helpers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <kiln/engine.h>

namespace kiln::conformance {

/// A map element that user space sets before the run.
struct Element {
  std::size_t map;
  std::vector<std::uint32_t> key, value;
};

struct Scenario {
  std::string code = {};
  std::vector<MapSpec> maps = {};
  std::vector<Element> elements = {};
  std::size_t frame_bytes = 64;
  bool self_in_map_0 = false;  ///< slot 0 of map 0, a prog array, holds the program itself
  bool compares_frame = true;
  ProgramType type = ProgramType::kXdp;
  std::vector<std::byte> frame = {};  ///< instead of test_frame(frame_bytes)
  Environment environment = {};
  bool frags = false;     ///< the program takes frames in pieces
  bool on_kernel = true;  ///< Linux would answer from its own clock, dice or network
};

/// Bytes that tell where they are.
std::vector<std::byte> test_frame(std::size_t bytes);
MapSpec map_spec(MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries);

struct Observed {
  std::uint32_t code = 0;
  std::vector<std::byte> frame = {};
  std::vector<std::byte> context = {};  ///< struct __sk_buff
  bool operator==(const Observed&) const = default;
};

/// \param trust  as if it had been verified.
Observed run_engine(Engine& engine, const Scenario& scenario, const std::vector<Insn>& insns, bool trust);
/// nullopt where bpf(2) is refused; anything else that goes wrong is a test failure.
std::optional<Observed> run_linux(const Scenario& scenario, const std::vector<Insn>& insns);
/// Runs the scenario everywhere. \return what the interpreter did.
Observed agree(const Scenario& scenario);

inline std::int32_t code_of(const Observed& observed) { return static_cast<std::int32_t>(observed.code); }

/// Prints how many scenarios Linux ran too.
class HelpersAgainstLinux : public ::testing::Test {
 protected:
  static void TearDownTestSuite();
};

}  // namespace kiln::conformance
