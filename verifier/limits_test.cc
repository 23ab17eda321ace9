// SPDX-License-Identifier: Apache-2.0
//
// Programs built to explode: whatever they do, the limit is reached, with a clear message, in bounded memory.
// What it takes is printed; time is not judged, since that is the machine's.
#include <gtest/gtest.h>

#include <iostream>
#include <string>

#include <fmt/format.h>

#include <kiln/verifier.h>

#include "case_file.h"
#include "random_program.h"

namespace kiln::verifier {
namespace {

constexpr int kSlots = 8;  ///< of each of eight frames: all that a chain of calls may have
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

std::string each_slot(const char* format, int slots = kSlots) {
  std::string text;
  for (int k = 1; k <= slots; ++k) {
    text += fmt::format(fmt::runtime(format), 8 * k);
  }
  return text;
}

/// Eight frames with full stacks, all of it read at the end; `body` in the innermost.
std::string eight_frames(const std::string& body) {
  std::string text = "r6 = r1\ncall f1\nr0 = 1\nexit\n";
  for (int f = 1; f < 8; ++f) {
    text += fmt::format("f{}:\nr6 = r1\nr7 = r1\nr8 = r1\nr9 = r1\n", f) + each_slot("*(u64 *)(r10 -{}) = r1\n");
    text += f < 7 ? fmt::format("call f{}\n", f + 1) : body;
    text += each_slot("r0 = *(u64 *)(r10 -{})\n") + "r0 = r6\nr0 = r7\nr0 = r8\nr0 = r9\nr0 = 0\nexit\n";
  }
  return text;
}

void expect_refused(const char* name, const std::string& text, const std::string& words) {
  Object object = standard_object();
  object.programs = {program_from_text(name, text)};
  const VerifyResult result = verify(object, object.programs[0]);
  std::cout << fmt::format("{}: {} instructions processed in {:.2f} s, {} states and {} MiB at most: {}\n", name,
                           result.processed, result.time_us / 1e6, result.peak_states, result.peak_bytes >> 20,
                           result.message);
  EXPECT_FALSE(result.accepted);
  EXPECT_NE(result.message.find(words), std::string::npos) << result.message;
  EXPECT_LT(result.peak_bytes, kMostBytes);
}

TEST(Limits, AllPathsDiffer) {
  // Each slot holds a pointer or a number, both of which are read later: 2^60 states, none like another.
  std::string text = "r6 = r1\n";
  for (int k = 1; k <= 60; ++k) {
    text += fmt::format("call get_prandom_u32\n*(u64 *)(r10 -{0}) = r6\nif r0 > 5 goto l{0}\n*(u64 *)(r10 -{0}) = r0\nl{0}:\n", 8 * k);
  }
  expect_refused("all paths differ", text + each_slot("r0 = *(u64 *)(r10 -{})\n", 60) + "r0 = 1\nexit\n", "too large");
}

TEST(Limits, ALoopOfWideStates) {
  expect_refused("a loop of wide states",
                 eight_frames("r7 = 0\nloop:\n" + each_slot("*(u64 *)(r10 -{}) = r7\n") +
                              "r7 += 1\nif r7 < 200000 goto loop\n"),
                 "too large");
}

TEST(Limits, ManyWaysLeftOpen) {
  expect_refused("many ways left open",
                 eight_frames("r7 = 0\nloop:\ncall get_prandom_u32\n*(u64 *)(r10 -8) = r7\nr7 += 1\nif r0 == 7 goto out\n"
                              "if r7 < 200000 goto loop\nout:\n"),
                 "jumps is too complex");
}

}  // namespace
}  // namespace kiln::verifier
