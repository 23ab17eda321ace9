// SPDX-License-Identifier: Apache-2.0
//
// Programs of other types than XDP, and callbacks, from C: verified, run on the CPU engines, and held against Linux where
// it test-runs such programs.
#include <gtest/gtest.h>

#include <cstring>

#include <kiln/capture.h>
#include <kiln/compare.h>
#include <kiln/cpu_engines.h>
#include <kiln/events.h>
#include <kiln/kernel_engine.h>

namespace kiln {
namespace {

std::string object_path(const char* name) { return std::string(KILN_BUILD_DIR) + "/types/" + name + ".bpf.o"; }

std::vector<Frame> frames_of(const char* capture) {
  auto frames = read_capture(std::string(KILN_BUILD_DIR) + "/captures/" + capture + ".pcap");
  EXPECT_TRUE(frames) << frames.error().message;
  return frames ? *frames : std::vector<Frame>();
}

void expect_agreement(const Prepared& prepared, const std::vector<Frame>& frames, const char* engine) {
  SpeedOptions options;
  options.listen = true;
  auto comparison = compare_engines(prepared, "", {"interp", engine}, frames, options);
  if (!comparison && comparison.error().code == Errc::kUnavailable && std::string_view(engine) == "kernel") {
    GTEST_SKIP() << comparison.error().message;
  }
  ASSERT_TRUE(comparison) << comparison.error().message;
  EXPECT_GT(comparison->packets, 0u);
  for (const Difference& d : comparison->differences) {
    ADD_FAILURE() << engine << ": frame " << d.packet.value_or(0) << " " << d.what << ": " << d.got << ", interp " << d.expected;
  }
}

TEST(ProgramTypes, ClassifierOnEveryEngine) {
  auto prepared = prepare(object_path("classifier"), "", {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  const std::vector<Frame> frames = frames_of("real");
  expect_agreement(**prepared, frames, "jit");
  expect_agreement(**prepared, frames, "kernel");
}

TEST(ProgramTypes, LoadsFromHeadersOnEveryEngine) {
  for (const char* program : {"filter_headers", "class_headers", "behind_the_end", "before_all_headers", "no_special_values"}) {
    auto prepared = prepare(object_path("header_loads"), program, {});
    ASSERT_TRUE(prepared) << prepared.error().message;
    const std::vector<Frame> frames = frames_of("real");
    expect_agreement(**prepared, frames, "jit");
    expect_agreement(**prepared, frames, "kernel");
  }
}

TEST(ProgramTypes, ClassifierRecords) {
  auto prepared = prepare(object_path("classifier"), "", {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  auto maps = initial_maps(**prepared, "", 1);
  ASSERT_TRUE(maps);
  listen_to_events(*maps);
  const auto engine = make_interp();
  ASSERT_TRUE(engine->load((*prepared)->verified, (*prepared)->entry, std::move(*maps), Environment()));
  for (const Frame& frame : frames_of("xdp1")) {
    auto outcome = engine->run(frame);
    ASSERT_TRUE(outcome) << outcome.error().message;
    if (outcome->code == 0) {
      ASSERT_EQ(outcome->events.size(), 2u);
      EXPECT_EQ(outcome->events[0].data.size(), 36u);  // the record and 20 bytes of the packet
      EXPECT_EQ(outcome->events[1].data.size(), 16u);
      EXPECT_EQ(outcome->frame[12], std::byte{0x81});
      return;
    }
  }
  FAIL() << "no IPv4 in the capture";
}

TEST(ProgramTypes, KprobeCounter) {
  auto prepared = prepare(object_path("kprobe_counter"), "", {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  Frame frame;
  frame.context.resize(168);
  frame.context[112] = std::byte{0x2a};  // rdi
  Environment environment;
  environment.task = {.pid = 7, .tgid = 9, .comm = "reader"};
  for (const auto& engine : {make_interp(), make_jit()}) {
    auto maps = initial_maps(**prepared, "", 1);
    ASSERT_TRUE(maps);
    ASSERT_TRUE(engine->load((*prepared)->verified, (*prepared)->entry, std::move(*maps), environment));
    for (int call = 0; call < 3; ++call) {
      auto outcome = engine->run(frame);
      ASSERT_TRUE(outcome) << outcome.error().message;
      ASSERT_EQ(outcome->events.size(), 1u);
      const std::vector<std::byte>& data = outcome->events[0].data;
      std::uint64_t words[3];
      std::memcpy(words, data.data(), sizeof(words));
      EXPECT_EQ(words[0], 42u);
      EXPECT_EQ(words[1], 0u);  // read, then zeroed by the read that failed
      EXPECT_EQ(static_cast<std::int64_t>(words[2]), -14);
      EXPECT_STREQ(reinterpret_cast<const char*>(data.data()) + 24, "reader");
    }
    auto after = engine->maps();
    ASSERT_TRUE(after);
    const std::uint32_t pid = 9;
    const auto count = after->user_lookup(*after->find("calls"), std::as_bytes(std::span(&pid, 1)));
    ASSERT_TRUE(count);
    EXPECT_EQ((*count)[0], std::byte{3});
  }
}

/// Without Facts, so that every access of the callbacks is checked; the kernel verifies for itself.
TEST(ProgramTypes, CallbacksOnEveryEngine) {
  auto object = load_object_file(object_path("callbacks"), {});
  ASSERT_TRUE(object) << object.error().message;
  const VerifiedObject unverified{.object = &*object, .facts = std::vector<Facts>(object->programs.size())};
  std::vector<std::unique_ptr<Engine>> engines;
  engines.push_back(make_interp());
  engines.push_back(make_jit());
  engines.push_back(make_kernel());
  for (std::size_t i = 0; i < engines.size(); ++i) {
    auto maps = MapSet::create(object->maps, 1);
    ASSERT_TRUE(maps);
    auto loaded = engines[i]->load(unverified, 0, std::move(*maps), Environment());
    if (!loaded && loaded.error().code == Errc::kUnavailable) {
      engines.resize(i);
      break;
    }
    ASSERT_TRUE(loaded) << engines[i]->name() << ": " << loaded.error().message;
  }
  for (const Frame& frame : frames_of("percpu_hash")) {
    auto expected = engines[0]->run(frame);
    ASSERT_TRUE(expected) << expected.error().message;
    for (std::size_t i = 1; i < engines.size(); ++i) {
      auto outcome = engines[i]->run(frame);
      ASSERT_TRUE(outcome) << engines[i]->name() << ": " << outcome.error().message;
      EXPECT_EQ(outcome->code, expected->code) << engines[i]->name();
      EXPECT_EQ(outcome->frame, expected->frame) << engines[i]->name();
    }
  }
}

}  // namespace
}  // namespace kiln
