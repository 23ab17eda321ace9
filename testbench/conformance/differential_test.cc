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
void for_seeds(std::uint32_t count, Test&& test, RandomKind kind = RandomKind::kPlain) {
  const std::uint32_t only = number_from("KILN_SEED", 0);
  const std::uint32_t first = only != 0 ? only : 1, last = only != 0 ? only : number_from("KILN_PROGRAMS", count);
  for (std::uint32_t seed = first; seed <= last; ++seed) {
    test(seed);
    if (::testing::Test::HasFailure()) {
      FAIL() << "replay with KILN_SEED=" << seed << "\n" << listing(random_program(seed, kSteps, kind));
    }
  }
}

RawOutcome run_raw(decltype(&run_raw_interp) run, std::uint32_t seed, RandomKind kind = RandomKind::kPlain) {
  RawOutcome outcome{.r0 = 0, .memory = random_memory(seed)};
  auto r0 = run(random_program(seed, kSteps, kind), outcome.memory);
  EXPECT_TRUE(r0) << r0.error().message;
  outcome.r0 = r0 ? *r0 : 0;
  return outcome;
}

TEST(Differential, InterpreterAndCheckedJit) {
  for_seeds(3000, [](std::uint32_t seed) { EXPECT_EQ(run_raw(run_raw_interp, seed), run_raw(run_raw_jit, seed)); });
}

RawOutcome run_engine(Engine& engine, const std::vector<Insn>& insns, std::uint32_t seed) {
  Object object;
  add_program(object, "random", as_xdp(insns, kRandomMemory));
  auto loaded = engine.load(trusted(object), 0, MapSet(), Environment());
  EXPECT_TRUE(loaded) << loaded.error().message;
  std::vector<std::byte> frame(kRawHeader);
  const std::vector<std::byte> memory = random_memory(seed);
  frame.insert(frame.end(), memory.begin(), memory.end());
  auto outcome = engine.run(Frame{.data = frame});
  EXPECT_TRUE(outcome) << outcome.error().message;
  return outcome ? raw_outcome(outcome->frame) : RawOutcome();
}

/// What the optimiser once got wrong. R1 is the memory; the result is R0.
TEST(Differential, OptimisedAsWritten) {
  const auto interp = make_interp(), jit = make_jit();
  for (const char* text : {
           // A constant whose low half is 0 times anything, in 32 bits.
           "r7 = 0x200000000 ll\nr3 = *(u8 *)(r1 +0)\nw7 *= w3\nr0 = r7\nexit\n",
           // Both operands of a shift are the same value, of which all bits count.
           "r0 = *(u64 *)(r1 +0)\nr4 = *(u64 *)(r1 +8)\nr0 *= r4\nr0 <<= r0\nexit\n",
           // A constant shift count beyond the width.
           "r0 = *(u64 *)(r1 +0)\nr0 += 7\nr8 = 0x854a4e3d460114d5 ll\nr0 <<= r8\nexit\n",
           // Bytes put together, big-endian, with a store to one of them in between.
           "r2 = *(u8 *)(r1 +0)\nr3 = *(u8 *)(r1 +1)\nr2 <<= 8\n*(u8 *)(r1 +1) = 7\nr2 |= r3\nr4 = *(u8 *)(r1 +1)\nr0 = r2\nr0 <<= 8\n"
           "r0 |= r4\nexit\n",
           // Neighbours swapped: loads move, but not over what they would miss.
           "r2 = *(u16 *)(r1 +0)\nr3 = *(u16 *)(r1 +2)\n*(u16 *)(r1 +0) = r3\n*(u16 *)(r1 +2) = r2\nr4 = *(u16 *)(r1 +4)\n"
           "*(u16 *)(r1 +6) = r4\nr5 = *(u16 *)(r1 +6)\n*(u16 *)(r1 +8) = r5\nr0 = *(u64 *)(r1 +2)\nexit\n",
           // A stack slot written in parts and read whole, and one that is read only in part.
           "r2 = *(u32 *)(r1 +0)\n*(u32 *)(r10 -8) = r2\n*(u16 *)(r10 -4) = 9\n*(u16 *)(r10 -2) = r2\nr0 = *(u64 *)(r10 -8)\n"
           "r3 = *(u16 *)(r10 -7)\nr0 += r3\nexit\n",
           // A fetching atomic of a slot that would otherwise be a value.
           "r2 = *(u64 *)(r1 +0)\n*(u64 *)(r10 -8) = r2\nr3 = 5\nr3 = atomic64_fetch_or((u64 *)(r10 -8), r3)\nr0 = *(u64 *)(r10 -8)\n"
           "r0 += r3\nexit\n"}) {
    auto insns = assemble(text);
    ASSERT_TRUE(insns) << insns.error().message << "\n" << text;
    EXPECT_EQ(run_engine(*interp, *insns, 1), run_engine(*jit, *insns, 1)) << text;
  }
}

TEST(Differential, InterpreterAndTrustingJit) {
  const char* passes = std::getenv("KILN_PASSES");
  const auto interp = make_interp(), jit = make_jit({.passes = passes != nullptr ? passes : "all"});
  for_seeds(3000, [&](std::uint32_t seed) {
    const RawOutcome expected = run_engine(*interp, random_program(seed, kSteps), seed);
    EXPECT_EQ(expected, run_engine(*jit, random_program(seed, kSteps), seed));
    EXPECT_EQ(expected, run_raw(run_raw_interp, seed));
  });
}

/// With what RFC 9669 does not have. Without Facts instructions are translated one to one, with them they are optimised.
TEST(Differential, BeyondTheStandard) {
  constexpr RandomKind kKind = RandomKind::kBeyond;
  const char* passes = std::getenv("KILN_PASSES");
  const auto interp = make_interp(), jit = make_jit({.passes = passes != nullptr ? passes : "all"});
  for_seeds(
      2000,
      [&](std::uint32_t seed) {
        const RawOutcome expected = run_engine(*interp, random_program(seed, kSteps, kKind), seed);
        EXPECT_EQ(expected, run_engine(*jit, random_program(seed, kSteps, kKind), seed));
        EXPECT_EQ(expected, run_raw(run_raw_interp, seed, kKind));
        EXPECT_EQ(expected, run_raw(run_raw_jit, seed, kKind));
        Object object;
        add_program(object, "random", random_program(seed, kSteps, kKind));
        auto form = disassemble_ir(trusted(object), 0, MapSet(), {});
        EXPECT_TRUE(form) << form.error().message;  // or the JIT would quietly translate one to one
      },
      kKind);
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
