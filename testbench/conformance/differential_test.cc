// SPDX-License-Identifier: Apache-2.0
//
// Random programs: the interpreter against the JIT, with and without its run-time checks, and against Linux.
//
// A failure prints the seed and the program. KILN_SEED=n runs that seed alone; KILN_PROGRAMS=n runs more; KILN_PASSES=list
// (as for `kiln run --passes`) says which passes of the JIT's optimiser run.
#include <gtest/gtest.h>

#include <cstdlib>

#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>

#include "kernel_probe.h"
#include "random_program.h"
#include "test_object.h"

namespace kiln::conformance {
namespace {

constexpr std::size_t kSteps = 40;

std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 0));
}

std::string listing(const std::vector<Insn>& insns) {
  std::string text;
  for (std::size_t slot = 0; slot < insns.size(); ++slot) {
    const bool wide = insns[slot].is_wide();
    text += std::to_string(slot) + ": " + disassemble(insns[slot], wide ? &insns[slot + 1] : nullptr) + "\n";
    slot += wide ? 1 : 0;
  }
  return text;
}

/// Calls test(seed) for as many seeds as asked, or for KILN_SEED.
template <typename Test>
void for_seeds(std::uint32_t count, Test&& test) {
  const std::uint32_t only = number_from("KILN_SEED", 0);
  const std::uint32_t first = only != 0 ? only : 1, last = only != 0 ? only : number_from("KILN_PROGRAMS", count);
  for (std::uint32_t seed = first; seed <= last; ++seed) {
    test(seed);
    if (::testing::Test::HasFailure()) {
      FAIL() << "replay with KILN_SEED=" << seed << "\n" << listing(random_program(seed, kSteps));
    }
  }
}

RawOutcome run_raw(decltype(&run_raw_interp) run, std::uint32_t seed) {
  RawOutcome outcome{.r0 = 0, .memory = random_memory(seed)};
  auto r0 = run(random_program(seed, kSteps), outcome.memory);
  EXPECT_TRUE(r0) << r0.error().message;
  outcome.r0 = r0 ? *r0 : 0;
  return outcome;
}

TEST(Differential, InterpreterAndCheckedJit) {
  for_seeds(3000, [](std::uint32_t seed) { EXPECT_EQ(run_raw(run_raw_interp, seed), run_raw(run_raw_jit, seed)); });
}

RawOutcome run_engine(Engine& engine, std::uint32_t seed) {
  Object object;
  add_program(object, "random", as_xdp(random_program(seed, kSteps), kRandomMemory));
  auto loaded = engine.load(trusted(object), 0, MapSet(), Environment());
  EXPECT_TRUE(loaded) << loaded.error().message;
  std::vector<std::byte> frame(kRawHeader);
  const std::vector<std::byte> memory = random_memory(seed);
  frame.insert(frame.end(), memory.begin(), memory.end());
  auto outcome = engine.run(Frame{.data = frame});
  EXPECT_TRUE(outcome) << outcome.error().message;
  return outcome ? raw_outcome(outcome->frame) : RawOutcome();
}

TEST(Differential, InterpreterAndTrustingJit) {
  const char* passes = std::getenv("KILN_PASSES");
  const auto interp = make_interp(), jit = make_jit({.passes = passes != nullptr ? passes : "all"});
  for_seeds(3000, [&](std::uint32_t seed) {
    const RawOutcome expected = run_engine(*interp, seed);
    EXPECT_EQ(expected, run_engine(*jit, seed));
    EXPECT_EQ(expected, run_raw(run_raw_interp, seed));
  });
}

TEST(Differential, InterpreterAndLinux) {
  std::uint32_t compared = 0, refused = 0;
  for_seeds(300, [&](std::uint32_t seed) {
    const auto truth = run_raw_kernel(random_program(seed, kSteps), random_memory(seed));
    if (!truth && truth.error().code == Errc::kUnavailable) {
      GTEST_SKIP() << truth.error().message;
    }
    if (!truth) {
      ++refused;
      EXPECT_LT(refused, 30u) << "most programs should be acceptable: " << truth.error().message;
      return;
    }
    EXPECT_EQ(*truth, run_raw(run_raw_interp, seed));
    ++compared;
  });
  std::printf("%u programs equal to Linux, %u refused by its verifier\n", compared, refused);
}

}  // namespace
}  // namespace kiln::conformance
