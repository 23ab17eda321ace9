// SPDX-License-Identifier: Apache-2.0
//
// The bundled programs, lowered, in lockstep with the interpreter, over their captures.
//
// For the benchmark programs it prints BPF instructions and native words per frame: what the lowering
// costs or saves, before any RTL.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <kiln/capture.h>
#include <kiln/load.h>

#include "harness.h"

namespace kiln::cosim {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFrames = 400;  // of one capture

struct Subject {
  std::string name;
  fs::path object;
  std::size_t program;
};

std::ostream& operator<<(std::ostream& out, const Subject& subject) { return out << subject.name; }

std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const char* folder : {"programs", "programs/features"}) {
    std::error_code error;
    for (const auto& file : fs::directory_iterator(fs::path(KILN_BUILD_DIR) / folder, error)) {
      const std::string name = file.path().filename();
      if (!name.ends_with(".bpf.o")) {
        continue;
      }
      const auto object = load_object_file(file.path(), {});
      for (std::size_t i = 0; object && i < object->programs.size(); ++i) {
        if (object->programs[i].type == ProgramType::kXdp) {
          all.push_back({name.substr(0, name.find('.')) + "_" + object->programs[i].name, file.path(), i});
        }
      }
    }
  }
  std::sort(all.begin(), all.end(), [](const Subject& a, const Subject& b) { return a.name < b.name; });
  return all;
}

MapSet maps_for(const Object& object, const fs::path& path) {
  auto maps = MapSet::create(object.maps, 1);
  EXPECT_TRUE(maps) << maps.error().message;
  fs::path contents = path;
  contents.replace_extension().replace_extension(".maps.json");
  std::ifstream in(contents);
  if (maps && in) {
    std::stringstream text;
    text << in.rdbuf();
    const auto loaded = load_maps_json(*maps, text.str());
    EXPECT_TRUE(loaded) << loaded.error().message;
  }
  return maps ? std::move(*maps) : MapSet();
}

/// NAME.pcap or NAME.bench.pcap for NAME.bpf.o.
std::vector<Frame> frames_for(const fs::path& object, const std::string& suffix) {
  std::string stem = object.filename();
  stem = stem.substr(0, stem.find('.'));
  const fs::path path = fs::path(KILN_BUILD_DIR) / "captures" / (stem + suffix);
  if (!fs::exists(path)) {
    return {};
  }
  auto frames = read_capture(path);
  EXPECT_TRUE(frames) << frames.error().message;
  std::erase_if(*frames, [](const Frame& frame) { return frame.data.size() > address::kMaxFrame; });
  frames->resize(std::min(frames->size(), kMostFrames));
  return std::move(*frames);
}

std::optional<Report> run(const Object& object, const std::vector<Facts>& facts, const Subject& subject,
                          const MapSet& maps, std::span<const Frame> frames) {
  const VerifiedObject verified{.object = &object, .facts = facts};
  auto report = run_lockstep(verified, subject.program, maps, Environment(), frames);
  if (!report) {
    // With facts, only what there is no unit for, changes of tries, and what the programs of hand-over need a
    // host for, may be refused.
    const std::string& message = report.error().message;
    EXPECT_EQ(report.error().code, Errc::kUnsupported) << message;
    const auto says = [&message](std::string_view text) { return message.find(text) != std::string::npos; };
    const bool expected = says("the NIC has no helper") || says("the NIC has no kernel functions") ||
                          says("the NIC does not count the turns of loops") || says("lpm_trie") ||
                          (subject.name.starts_with("handover") && says("a key of 72 bytes"));
    EXPECT_TRUE(expected || facts[subject.program].empty()) << message;
    std::printf("refused: %s\n", report.error().message.c_str());
    return std::nullopt;
  }
  EXPECT_EQ(report->difference, "");
  return std::move(*report);
}

class LoweredPrograms : public ::testing::TestWithParam<Subject> {};

TEST_P(LoweredPrograms, LockstepWithInterp) {
  const Subject& subject = GetParam();
  const auto object = load_object_file(subject.object, {});
  ASSERT_TRUE(object) << object.error().message;
  const MapSet maps = maps_for(*object, subject.object);
  const std::vector<Facts> nothing(object->programs.size());
  const std::vector<Facts> facts = facts_of(*object);
  for (const char* suffix : {".pcap", ".bench.pcap"}) {
    const std::vector<Frame> frames = frames_for(subject.object, suffix);
    if (frames.empty()) {
      continue;
    }
    SCOPED_TRACE(suffix);
    const auto without = run(*object, nothing, subject, maps, frames);
    const auto with = facts.empty() ? without : run(*object, facts, subject, maps, frames);
    if (without && with && std::string_view(suffix) == ".bench.pcap") {
      const auto per_frame = [](std::uint64_t sum, const Report& report) {
        return static_cast<double>(sum) / static_cast<double>(report.frames);
      };
      std::printf("%-16s BPF %7.1f  native %7.1f  without facts %7.1f  per frame\n", object->programs[subject.program].name.c_str(),
                  per_frame(with->insns, *with), per_frame(with->words, *with), per_frame(without->words, *without));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, LoweredPrograms, ::testing::ValuesIn(subjects()),
                         [](const auto& info) { return info.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LoweredPrograms);

/// Prints nothing and passes if there are programs to run: an empty set must not look like success.
TEST(LoweredProgramsSet, IsNotEmpty) { EXPECT_GE(subjects().size(), 12u); }

}  // namespace
}  // namespace kiln::cosim
