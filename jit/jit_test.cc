// SPDX-License-Identifier: Apache-2.0
//
// What only the JIT has: memory that is never writable and executable, the shifts of older processors, the listing.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

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
