// SPDX-License-Identifier: Apache-2.0
//
// Every engine against the interpreter, on every bundled program and every XDP object of xdp-tools:
// verdicts, frames, redirect targets and final maps, frame by frame.
//
// The kernel is skipped visibly where it is not available, or too old for a program. Any other engine that
// can't run a program fails the test.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <kiln/capture.h>
#include <kiln/compare.h>
#include <kiln/prepare.h>

namespace kiln {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFrames = 400;  // of one capture

struct Subject {
  std::string name;
  fs::path object;
  std::string program;
};

void PrintTo(const Subject& subject, std::ostream* out) { *out << subject.name; }

/// XDP programs of all objects in a folder, by name.
void add_programs(const fs::path& folder, const std::string& suffix, std::vector<Subject>& subjects) {
  std::error_code error;
  for (const auto& file : fs::directory_iterator(folder, error)) {
    const std::string name = file.path().filename();
    if (!name.ends_with(suffix)) {
      continue;
    }
    auto object = load_object_file(file.path(), {});
    if (!object) {
      subjects.push_back({name, file.path(), ""});  // the test will say why
      continue;
    }
    for (const Program& program : object->programs) {
      if (program.type == ProgramType::kXdp) {
        subjects.push_back({name + "_" + program.name, file.path(), program.name});
      }
    }
  }
}

std::vector<Subject> subjects() {
  std::vector<Subject> all;
  const fs::path programs = fs::path(KILN_BUILD_DIR) / "programs";
  add_programs(programs, ".bpf.o", all);
  add_programs(programs / "features", ".bpf.o", all);
  std::error_code error;
  for (const auto& multiarch : fs::directory_iterator("/usr/lib", error)) {
    add_programs(multiarch.path() / "bpf", ".o", all);
  }
  std::sort(all.begin(), all.end(), [](const Subject& a, const Subject& b) { return a.name < b.name; });
  return all;
}

/// The kernels and map operations that CPU engines are measured with.
std::vector<Subject> kernels() {
  std::vector<Subject> all;
  add_programs(fs::path(KILN_BUILD_DIR) / "programs" / "operations", ".bpf.o", all);
  add_programs(fs::path(KILN_BUILD_DIR) / "programs" / "kernels", ".bpf.o", all);
  std::sort(all.begin(), all.end(), [](const Subject& a, const Subject& b) { return a.name < b.name; });
  return all;
}

/// Those of them whose machine code in the kernel needs nothing else of the kernel.
std::vector<Subject> self_contained_kernels() {
  static constexpr std::string_view kNames[] = {"array_counter", "checksum", "copy",           "fibonacci", "fnv",       "globals",
                                                "jhash",         "modulo",   "percpu_counter", "rewrite",   "rule_scan", "siphash"};
  std::vector<Subject> all = kernels();
  std::erase_if(all, [](const Subject& subject) {
    return std::ranges::find(kNames, subject.object.filename().stem().stem().string()) == std::end(kNames);
  });
  return all;
}

/// NAME.pcap for NAME.bpf.o if there is one, and the captures for all programs.
std::vector<fs::path> captures_for(const fs::path& object) {
  const fs::path folder = fs::path(KILN_BUILD_DIR) / "captures";
  std::string stem = object.filename();
  stem = stem.substr(0, stem.find('.'));
  std::vector<fs::path> captures;
  if (fs::exists(object.parent_path() / "frames.pcap")) {
    captures.push_back(object.parent_path() / "frames.pcap");
  }
  for (const char* name : {stem.c_str(), "real", "worst"}) {
    const fs::path capture = folder / (std::string(name) + ".pcap");
    if (fs::exists(capture)) {
      captures.push_back(capture);
    }
  }
  return captures;
}

std::string maps_for(const fs::path& object) {
  fs::path maps = object;
  maps.replace_extension().replace_extension(".maps.json");
  return fs::exists(maps) ? maps.string() : "";
}

class Agreement : public testing::TestWithParam<std::tuple<Subject, const char*>> {};

TEST_P(Agreement, WithInterpreter) {
  const auto& [subject, engine] = GetParam();
  auto prepared = prepare(subject.object, subject.program, {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  const auto captures = captures_for(subject.object);
  ASSERT_FALSE(captures.empty());
  for (const fs::path& capture : captures) {
    auto frames = read_capture(capture);
    ASSERT_TRUE(frames) << frames.error().message;
    frames->resize(std::min(frames->size(), kMostFrames));
    auto comparison =
        compare_engines(**prepared, maps_for(subject.object), {"interp", engine}, *frames, SpeedOptions());
    if (!comparison && comparison.error().code == Errc::kUnavailable && std::string_view(engine).starts_with("kernel")) {
      GTEST_SKIP() << comparison.error().message;
    }
    ASSERT_TRUE(comparison) << comparison.error().message;
    for (const Difference& d : comparison->differences) {
      if (!d.excuse.empty()) {
        continue;
      }
      ADD_FAILURE() << capture.filename() << " frame " << d.packet.value_or(0) << " " << d.what << ": "
                    << d.engine << " has " << d.got << ", interp " << d.expected;
    }
    std::size_t ran = 0;
    for (std::uint64_t count : comparison->engines.front().verdicts) {
      ran += count;
    }
    EXPECT_GT(ran, 0u) << "no frame of " << capture << " was run";
  }
}

std::string test_name(const testing::TestParamInfo<std::tuple<Subject, const char*>>& info) {
  std::string name = std::get<0>(info.param).name + "_" + std::get<1>(info.param);
  std::replace_if(name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Programs, Agreement,
                         testing::Combine(testing::ValuesIn(subjects()),
                                          testing::Values("jit", "nic", "kernel")),
                         test_name);

INSTANTIATE_TEST_SUITE_P(Kernels, Agreement, testing::Combine(testing::ValuesIn(kernels()), testing::Values("jit", "kernel")), test_name);

INSTANTIATE_TEST_SUITE_P(SelfContainedKernels, Agreement,
                         testing::Combine(testing::ValuesIn(self_contained_kernels()), testing::Values("kernel-code")), test_name);

}  // namespace
}  // namespace kiln
