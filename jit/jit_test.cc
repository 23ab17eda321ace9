// SPDX-License-Identifier: Apache-2.0
//
// What only the JIT has: memory that is never writable and executable, the shifts of older processors, the listing.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>

#include "arithmetic.h"
#include "jit_code.h"
#include "raw.h"

namespace kiln {
namespace {

namespace a = arithmetic;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

std::vector<Code> decoded(const std::string& text) {
  auto insns = assemble(text);
  EXPECT_TRUE(insns) << insns.error().message;
  auto code = decode_program(*insns, nullptr, nullptr, kJit, 0);
  EXPECT_TRUE(code) << code.error().message;
  std::vector<Code> programs;
  programs.push_back(std::move(*code));
  return programs;
}

u64 run_with(const std::string& text, const JitOptions& options) {
  const std::vector<Code> programs = decoded(text);
  auto machine = RawMachine::make({}, AddressSpaceKind::kHost);
  EXPECT_TRUE(machine);
  HelperRuntime& runtime = (*machine)->runtime();
  auto code = emit_code({.programs = programs, .entry = 0, .maps = runtime.maps}, options);
  EXPECT_TRUE(code) << code.error().message;
  const u64 r0 = code->enter(&runtime);
  EXPECT_EQ(runtime.faulted, 0u) << runtime.fault_message;
  return r0;
}

/// Every shift by every pair of registers, with the three-operand instructions and without.
TEST(Jit, ShiftsOnAllRegistersAndProcessors) {
  constexpr u64 kValue = 0x9abcdef012345678;
  for (const bool bmi2 : {true, false}) {
    for (unsigned dst = 0; dst < 10; ++dst) {
      for (unsigned src = 0; src < 10; ++src) {
        for (const u64 count : {u64{0}, u64{1}, u64{31}, u64{33}, u64{63}, u64{0xffffffff00000041}}) {
          const u64 value = dst == src ? count : kValue;
          const auto run = [&](const char* text) {
            // R0 gathers the result and, times 3, a neighbour that must survive.
            const unsigned witness = (std::max(dst, src) + 1) % 10;
            return run_with(fmt::format("r{0} = 1000\nr{1} = {2:#x} ll\nr{3} = {4:#x} ll\n{5}\nr{0} *= 3\n"
                                        "r{0} += r{1}\nr0 = r{0}\nexit\n", witness, dst, value, src, count, text),
                            {.use_bmi2 = bmi2});
          };
          if ((std::max(dst, src) + 1) % 10 == std::min(dst, src)) {
            continue;
          }
          const auto w = static_cast<u32>(value), c = static_cast<u32>(count);
          EXPECT_EQ(run(fmt::format("r{} <<= r{}", dst, src).c_str()), 3000 + a::lsh<u64>(value, count));
          EXPECT_EQ(run(fmt::format("r{} s>>= r{}", dst, src).c_str()), 3000 + a::arsh<u64>(value, count));
          EXPECT_EQ(run(fmt::format("w{} >>= w{}", dst, src).c_str()), 3000 + u64{a::rsh<u32>(w, c)});
          EXPECT_EQ(run(fmt::format("w{} s>>= w{}", dst, src).c_str()), 3000 + u64{a::arsh<u32>(w, c)});
        }
      }
    }
  }
}

/// No page of this process is writable and executable while code exists.
TEST(Jit, WritableOrExecutableNeverBoth) {
  const std::vector<Code> programs = decoded("r0 = 2\nexit\n");
  MapSet maps;
  auto code = emit_code({.programs = programs, .entry = 0, .maps = maps}, {});
  ASSERT_TRUE(code) << code.error().message;
  const auto enter = reinterpret_cast<std::uintptr_t>(code->enter);
  std::ifstream lines("/proc/self/maps");
  bool found = false;
  for (std::string line; std::getline(lines, line);) {
    unsigned long long start = 0, end = 0;
    char modes[5] = {};
    ASSERT_EQ(std::sscanf(line.c_str(), "%llx-%llx %4s", &start, &end, modes), 3);
    EXPECT_FALSE(modes[1] == 'w' && modes[2] == 'x') << line;
    if (enter >= start && enter < end) {
      EXPECT_STREQ(modes, "r-xp");
      found = true;
    }
  }
  EXPECT_TRUE(found);
}

/// Right before and right behind the code lie pages that can't be touched.
TEST(Jit, CodeLiesBetweenGuardPages) {
  const std::vector<Code> programs = decoded("r0 = 2\nexit\n");
  MapSet maps;
  auto code = emit_code({.programs = programs, .entry = 0, .maps = maps}, {});
  ASSERT_TRUE(code) << code.error().message;
  const auto first = reinterpret_cast<std::uintptr_t>(code->pages.data());
  std::ifstream lines("/proc/self/maps");
  std::uintptr_t before = 0, behind = 0, end_of_code = 0;
  for (std::string line; std::getline(lines, line);) {
    unsigned long long start = 0, end = 0;
    char modes[5] = {};
    ASSERT_EQ(std::sscanf(line.c_str(), "%llx-%llx %4s", &start, &end, modes), 3);
    end_of_code = start == first ? end : end_of_code;
    if (std::string(modes) == "---p") {
      before += end == first ? 1 : 0;
      behind += end_of_code != 0 && start == end_of_code ? 1 : 0;
    }
  }
  EXPECT_EQ(before, 1u);
  EXPECT_EQ(behind, 1u);
}

constexpr const char* kManyConstants =
    "r0 = 0x5eed0001\nr0 += 0x5eed0002\nr0 ^= 0x5eed0003\nr0 *= 0x5eed0005\nr1 = 0x5eed0006a1b2c3d4 ll\nr0 -= r1\nr0 |= 0x5eed0007\n"
    "r0 &= -0x5eed0008\nw0 -= 0x5eed0009\n*(u64 *)(r10 -8) = 0x5eed000a\n*(u32 *)(r10 -16) = 0x5eed000b\n*(u16 *)(r10 -24) = 0x5eed\n"
    "r2 = *(u64 *)(r10 -8)\nr0 ^= r2\nw2 = *(u32 *)(r10 -16)\nr0 += r2\nw3 = *(u16 *)(r10 -24)\nr0 += r3\nif r0 == 0x5eed000c goto out\n"
    "if w0 > 0x5eed000d goto out\nif r0 & 0x5eed000e goto out\nr0 /= 0x5eed000f\nr0 += -77777\nout:\nr1 = r0\nr1 >>= 32\nw0 ^= w1\nexit\n";

/// Whether any four bytes of the code are one of the constants above, or the upper half of a long one.
bool shows_constants(const JitCode& code, std::size_t bytes) {
  for (std::size_t at = 0; at + 4 <= bytes; ++at) {
    u32 word = 0;
    std::memcpy(&word, code.pages.data() + at, sizeof(word));
    if ((word >> 16 == 0x5eed && (word & 0xffff) < 0x20) || word == 0xa1b2c3d4 || word >> 16 == 0xa112) {
      return true;
    }
  }
  return false;
}

TEST(Jit, HardenedCodeHidesConstants) {
  auto insns = assemble(kManyConstants);
  ASSERT_TRUE(insns) << insns.error().message;
  Program program;
  program.name = "constants";
  program.subprograms.push_back({.name = "constants", .start = 0, .end = static_cast<u32>(insns->size())});
  program.insns = std::move(*insns);
  Facts facts;
  facts.insns.resize(program.insns.size());
  for (InsnFact& insn : facts.insns) {
    insn.reachable = true;
  }
  facts.stack_depth = {32};
  std::optional<u64> expected;
  for (const bool verified : {false, true}) {
    for (const char* passes : {"none", "all"}) {
      for (const bool harden : {false, true}) {
        auto decoded = decode_program(program.insns, &program, verified ? &facts : nullptr, kJit, 0);
        ASSERT_TRUE(decoded) << decoded.error().message;
        std::vector<Code> programs;
        programs.push_back(std::move(*decoded));
        auto machine = RawMachine::make({}, AddressSpaceKind::kHost);
        ASSERT_TRUE(machine);
        HelperRuntime& runtime = (*machine)->runtime();
        const std::span<const Facts> given = verified ? std::span(&facts, 1) : std::span<const Facts>();
        auto code = emit_code({.programs = programs, .entry = 0, .maps = runtime.maps, .facts = given},
                              {.harden = harden, .passes = *ir::PassSet::parse(passes)});
        ASSERT_TRUE(code) << code.error().message;
        const u64 r0 = code->enter(&runtime);
        ASSERT_EQ(runtime.faulted, 0u) << runtime.fault_message;
        EXPECT_EQ(r0, expected.value_or(r0)) << verified << passes << harden;
        expected = r0;
        if (harden) {
          EXPECT_FALSE(shows_constants(*code, 4096)) << verified << passes;
        } else if (!verified || std::string(passes) == "none") {
          EXPECT_TRUE(shows_constants(*code, 4096));  // the test can see them
        }
      }
    }
  }
}

TEST(Jit, PerfMapNamesFunctions) {
  Object object;
  Program& program = object.programs.emplace_back();
  program.name = "named";
  program.insns = *assemble("call pc+1\nexit\nr0 = 2\nexit\n");
  program.subprograms = {{.name = "named", .start = 0, .end = 2}, {.name = "part", .start = 2, .end = 4}};
  auto engine = make_jit({.perf_map = true});
  const std::string path = fmt::format("/tmp/perf-{}.map", ::getpid());
  ASSERT_TRUE(engine->load({.object = &object, .facts = {}}, 0, MapSet(), {}));
  std::ifstream lines(path);
  std::string all((std::istreambuf_iterator<char>(lines)), {});
  std::remove(path.c_str());
  EXPECT_NE(all.find(" bpf:named\n"), std::string::npos) << all;
  EXPECT_NE(all.find(" bpf:named:part\n"), std::string::npos) << all;
}

TEST(Jit, ListingNamesTheInstructions) {
  Object object;
  Program& program = object.programs.emplace_back();
  program.name = "listed";
  program.insns = *assemble("r0 = 2\nr2 = 0x1122334455667788 ll\nr0 s/= r2\nexit\n");
  program.subprograms.push_back({.name = "listed", .start = 0, .end = 5});
  auto text = disassemble_jit({.object = &object, .facts = {}}, 0, MapSet());
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NE(text->find("; 0: r0 = 2"), std::string::npos) << *text;
  EXPECT_NE(text->find("; 3: r0 s/= r2"), std::string::npos) << *text;
  EXPECT_NE(text->find("idiv"), std::string::npos) << *text;
}

/// A program as long as the kernel's longest: jumps reach, and emitting takes no time worth mentioning.
TEST(Jit, LongPrograms) {
  std::string text = "r0 = 0\nif r0 == 1 goto out\n";
  for (int i = 0; i < 20000; ++i) {
    text += "r0 += 3\n";
  }
  EXPECT_EQ(run_with(text + "out:\nexit\n", {}), 60000u);
}

}  // namespace
}  // namespace kiln
