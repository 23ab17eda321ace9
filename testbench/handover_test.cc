// SPDX-License-Identifier: Apache-2.0
//
// Runs that change engines in the middle: the interpreter's state taken and given at every instruction, and
// programs that the NIC hands over, one frame in flight and many.
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <kiln/capture.h>
#include <kiln/compare.h>
#include <kiln/cpu_engines.h>
#include <kiln/nic_engine.h>
#include <kiln/prepare.h>

namespace kiln {
namespace {

namespace fs = std::filesystem;

struct Subject {
  std::unique_ptr<Prepared> prepared;
  std::vector<Frame> frames;
};

Subject feature(const std::string& name) {
  const fs::path build = KILN_BUILD_DIR;
  auto prepared = prepare(build / "programs/features" / (name + ".bpf.o"), name, {});
  EXPECT_TRUE(prepared) << prepared.error().message;
  auto frames = read_capture(build / "captures" / (name + ".pcap"));
  EXPECT_TRUE(frames) << frames.error().message;
  return {std::move(prepared).value(), std::move(frames).value()};
}

MapSet fresh_maps(const Prepared& prepared, std::uint32_t cpus = 1) {
  auto maps = initial_maps(prepared, "", cpus);
  KILN_CHECK(maps);
  return std::move(maps).value();
}

class TakenAndGiven : public testing::TestWithParam<const char*> {};

// One machine runs n instructions, another the rest; for every n the end is the same.
TEST_P(TakenAndGiven, AtEveryInstruction) {
  const Subject subject = feature(GetParam());
  const Prepared& p = *subject.prepared;
  std::size_t switches = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(subject.frames.size(), 4); ++i) {
    const Frame& frame = subject.frames[i * subject.frames.size() / 4];
    auto whole = make_interp();
    ASSERT_TRUE(whole->load(p.verified, p.entry, fresh_maps(p), p.environment));
    const auto expected = whole->run(frame);
    ASSERT_TRUE(expected) << expected.error().message;
    for (std::uint64_t n = 0; n < expected->insns; n += 1 + n / 60) {
      auto first = make_resumable_interp();
      ASSERT_TRUE(first->load(p.verified, p.entry, fresh_maps(p), p.environment, nullptr));
      auto state = first->suspend(frame, n);
      ASSERT_TRUE(state) << state.error().message;
      const auto parsed = parse_run_state(serialise(*state));
      ASSERT_TRUE(parsed) << parsed.error().message;
      ASSERT_EQ(*parsed, *state);
      auto second = make_resumable_interp();
      ASSERT_TRUE(second->load(p.verified, p.entry, first->maps(), p.environment, nullptr));
      const auto outcome = second->resume(*parsed);
      ASSERT_TRUE(outcome) << "after " << n << ": " << outcome.error().message;
      ASSERT_EQ(outcome->code, expected->code) << "after " << n;
      ASSERT_EQ(outcome->frame, expected->frame) << "after " << n;
      ASSERT_EQ(outcome->redirect, expected->redirect) << "after " << n;
      ASSERT_EQ(outcome->insns + n, expected->insns);
      ASSERT_TRUE(compare_maps(*whole->maps(), second->maps(), 1).empty()) << "after " << n;
      ++switches;
    }
  }
  EXPECT_GT(switches, 50u);
}

INSTANTIATE_TEST_SUITE_P(Programs, TakenAndGiven,
                         testing::Values("subprograms", "adjust", "tail_calls", "tail_call_from_subprogram", "redirects",
                                         "handover", "handover_tail_calls", "map_choice"));

TEST(RunState, DamagedOnesAreRefused) {
  const Subject subject = feature("handover");
  auto machine = make_resumable_interp();
  const Prepared& p = *subject.prepared;
  ASSERT_TRUE(machine->load(p.verified, p.entry, fresh_maps(p), p.environment, nullptr));
  auto state = machine->suspend(subject.frames.front(), 20);
  ASSERT_TRUE(state);
  const std::vector<std::byte> good = serialise(*state);
  for (std::size_t bytes = 0; bytes < good.size(); bytes += 1 + good.size() / 300) {
    EXPECT_FALSE(parse_run_state(std::span(good).first(bytes))) << bytes;
  }
  std::vector<std::byte> version = good;
  version[4] = std::byte{2};
  EXPECT_FALSE(parse_run_state(version));
  RunState elsewhere = *state;
  elsewhere.pc = 1 << 20;
  EXPECT_FALSE(machine->resume(elsewhere));
  elsewhere = *state;
  elsewhere.program = 99;
  EXPECT_FALSE(machine->resume(elsewhere));
}

NicOptions with_host(std::uint32_t cores, std::uint32_t threads) {
  return {.cores = cores, .threads = threads, .continuation = [] { return make_resumable_interp(); }};
}

TEST(NicHandover, IsRefusedWhereNobodyGoesOn) {
  const Subject subject = feature("handover");
  const Prepared& p = *subject.prepared;
  for (const bool allowed : {false, true}) {
    NicOptions options = with_host(1, 8);
    options.handover = allowed;
    if (allowed) {
      options.continuation = nullptr;
    }
    const auto loaded = make_nic(options)->load(p.verified, p.entry, fresh_maps(p), p.environment);
    ASSERT_FALSE(loaded);
    EXPECT_EQ(loaded.error().code, Errc::kUnsupported);
    EXPECT_NE(loaded.error().message.find("handover.bpf.c:"), std::string::npos) << loaded.error().message;
    EXPECT_NE(loaded.error().message.find("72 bytes"), std::string::npos) << loaded.error().message;
  }
}

TEST(NicHandover, SaysWhichFramesWent) {
  const Subject subject = feature("handover");
  const Prepared& p = *subject.prepared;
  auto nic = make_nic(with_host(1, 8));
  ASSERT_TRUE(nic->load(p.verified, p.entry, fresh_maps(p), p.environment));
  for (std::size_t i = 0; i < 16; ++i) {  // the capture's first: steps 0 to 15, of which odd ones count
    const auto outcome = nic->run(subject.frames[i]);
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->handed_over, i % 2 == 1) << i;
  }
}

std::uint64_t array_value(const MapSet& maps, std::string_view name, std::uint32_t index) {
  std::uint64_t value = 0;
  const auto found = maps.user_lookup(*maps.find(name), std::as_bytes(std::span(&index, 1)));
  std::memcpy(&value, found->data(), sizeof value);
  return value;
}

// Many frames in flight on several cores, every other one at the host for a while: what cores and host
// counted in the same words, by atomics, and put into the same table is exact.
TEST(NicHandover, SharesMapsWithTheRunningCores) {
  const Subject subject = feature("handover_shared");
  const Prepared& p = *subject.prepared;
  for (const std::uint32_t cores : {1u, 4u}) {
    auto nic = make_nic(with_host(cores, 8));
    auto environment = p.environment;
    environment.cpu_count = 64;
    ASSERT_TRUE(nic->load(p.verified, p.entry, fresh_maps(p, 64), environment));
    const auto measured = nic->measure(subject.frames, {});
    ASSERT_TRUE(measured) << measured.error().message;
    EXPECT_GT(measured->handovers, measured->packets / 4);
    EXPECT_LT(measured->handovers, measured->packets);
    const auto maps = nic->maps();
    ASSERT_TRUE(maps);
    const std::uint64_t frames = array_value(*maps, "counts", 0);
    const std::uint64_t at_host = array_value(*maps, "counts", 1);
    EXPECT_GT(frames, measured->packets);
    EXPECT_GT(at_host, 0u);
    EXPECT_EQ(array_value(*maps, "counts", 2), frames);                // by everyone, at the end
    EXPECT_EQ(array_value(*maps, "counts", 3), at_host);               // by the host
    std::uint64_t in_table = 0;
    maps->for_each(*maps->find("table"), [&](std::span<const std::byte>, std::span<const std::byte> value) {
      std::uint64_t n = 0;
      std::memcpy(&n, value.data(), sizeof n);
      in_table += n;
    });
    EXPECT_EQ(in_table, frames);
  }
}

}  // namespace
}  // namespace kiln
