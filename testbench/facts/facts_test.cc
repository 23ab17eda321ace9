// SPDX-License-Identifier: Apache-2.0
//
// Facts against running programs: whatever the interpreter sees before an instruction lies in what the
// verifier proved there. Random programs with random frames, and the bundled programs with their captures.
#include <gtest/gtest.h>

#include <filesystem>
#include <iostream>

#include <kiln/address.h>
#include <kiln/load.h>
#include <kiln/verifier.h>

#include "case_file.h"
#include "facts_check.h"
#include "random_program.h"

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kRandomPrograms = 3000;

TEST(Facts, HoldForRandomPrograms) {
  FactsTotals totals;
  for (std::uint64_t seed = 1; seed <= kRandomPrograms; ++seed) {
    const auto failure = check_seed(seed, totals);
    EXPECT_FALSE(failure) << "seed " << seed << ": " << *failure;
  }
  std::cout << totals.programs << " random programs, " << totals.frames << " frames, " << totals.steps
            << " instructions executed, " << totals.values << " register values inside their facts\n";
  EXPECT_GT(totals.programs, kRandomPrograms / 5);
}

TEST(Facts, HoldForBundledPrograms) {
  const fs::path build = KILN_BUILD_DIR;
  FactsTotals totals;
  for (const fs::path& folder : {build / "programs", build / "programs" / "features"}) {
    for (const auto& file : fs::directory_iterator(folder)) {
      const std::string name = file.path().filename();
      auto object = name.ends_with(".bpf.o") ? load_object_file(file.path(), {}) : Result<Object>(Object{});
      ASSERT_TRUE(object) << object.error().message;
      std::vector<Facts> facts;
      for (const Program& program : object->programs) {
        facts.push_back(verify(*object, program).facts);
      }
      for (std::size_t i = 0; i < object->programs.size(); ++i) {
        for (const char* capture : {name.substr(0, name.find('.')).c_str(), "real", "worst"}) {
          const fs::path path = build / "captures" / (std::string(capture) + ".pcap");
          if (facts[i].empty() || !fs::exists(path)) {
            continue;
          }
          auto frames = read_capture(path);
          ASSERT_TRUE(frames) << frames.error().message;
          std::erase_if(*frames, [](const Frame& frame) { return frame.data.size() > address::kMaxFrame; });
          frames->resize(std::min<std::size_t>(frames->size(), 300));
          const auto failure = run_checked(*object, i, facts, *frames, totals);
          EXPECT_FALSE(failure) << name << " " << object->programs[i].name << ": " << *failure;
        }
      }
    }
  }
  std::cout << totals.programs << " programs, " << totals.frames << " frames, " << totals.steps
            << " instructions executed, " << totals.values << " register values inside their facts\n";
  EXPECT_GT(totals.steps, 10000u);
}

/// Programs that once reached what was proven dead, or held a value outside of its fact.
TEST(Facts, HoldWhereTheyOnceDidNot) {
  FactsTotals totals;
  for (const std::uint64_t seed : {20286616u, 20581694u, 21136374u, 21682923u, 21739183u, 21789123u, 22092805u, 700317954u}) {
    const auto failure = check_seed(seed, totals);
    EXPECT_FALSE(failure) << "seed " << seed << ": " << failure.value_or("");
  }
}

/// A number added to a copy links the copy to its source; where another path adds another number, what comparing the
/// copy teaches of the source is another thing.
TEST(Facts, HoldWhereALinkIsOneOfSeveral) {
  Object object = verifier::standard_object();
  object.programs = {verifier::program_from_text("links", R"(
    r0 = *(u32 *)(r1 +12)
    r3 = *(u32 *)(r1 +16)
    r4 = 1
    r4 = 2
    r4 = 3
    r4 = 4
    r2 = 1
    if r3 > 100 goto joined
    r2 = 0x10000000
    if r3 > 99 goto joined
  joined:
    r1 = r0
    r1 += r2
    if r1 > 0x20000000 goto out
    r4 = r0
    if r4 > 5 goto out
  out:
    r0 = 1
    exit
  )")};
  VerifyResult result = verify(object, object.programs[0]);
  ASSERT_TRUE(result.accepted) << result.log;
  std::vector<Facts> facts;
  facts.push_back(std::move(result.facts));
  Frame frame;
  frame.data.resize(64);
  frame.ingress_ifindex = 0x18000000;
  frame.rx_queue = 200;
  FactsTotals totals;
  const auto failure = run_checked(object, 0, facts, {frame}, totals);
  EXPECT_FALSE(failure) << failure.value_or("");
  EXPECT_EQ(totals.frames, 1u);
}

}  // namespace
}  // namespace kiln
