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
#include <kiln/disasm.h>
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

/// Records the first eight bytes of frames in a ring buffer, and some again after what a NIC hands over: there the host
/// goes on with the NIC's ring.
void records_events(bool hands_over) {
  SCOPED_TRACE(hands_over);
  Object object;
  Program& program = object.programs.emplace_back();
  const std::string output = "r1 = map[idx:0]\nr2 = r10\nr2 += -8\nr3 = 8\nr4 = 0\ncall bpf_ringbuf_output\n";
  auto insns = assemble("r6 = *(u32 *)(r1 +0)\nr2 = *(u32 *)(r1 +4)\nr3 = r6\nr3 += 14\nif r3 > r2 goto out\n"
                        "r1 = *(u64 *)(r6 +0)\n*(u64 *)(r10 -8) = r1\n" + output +
                        (hands_over ? "r1 = map[idx:0]\nr2 = 0\ncall bpf_ringbuf_query\n*(u64 *)(r10 -8) = r0\n" + output : "") +
                        "out:\nr0 = 2\nexit");
  ASSERT_TRUE(insns) << insns.error().message;
  program.name = "records";
  program.section = "xdp";
  program.insns = std::move(insns).value();
  program.subprograms.push_back({.name = "records", .start = 0, .end = static_cast<std::uint32_t>(program.insns.size())});
  MapSpec ring;
  ring.name = "ring";
  ring.type = MapType::kRingbuf;
  ring.max_entries = 4096;
  object.maps.push_back(std::move(ring));
  VerifyResult result = verify(object, program);
  ASSERT_TRUE(result.accepted) << result.message;
  VerifiedObject verified{.object = &object, .facts = {}};
  verified.facts.push_back(std::move(result.facts));
  auto maps = MapSet::create(object.maps, 1);
  ASSERT_TRUE(maps) << maps.error().message;
  auto interp = make_interp(), nic = make_nic(with_host(1, 8));
  ASSERT_TRUE(interp->load(verified, 0, *maps, {}));
  const auto loaded = nic->load(verified, 0, *maps, {});
  ASSERT_TRUE(loaded) << loaded.error().message;
  for (unsigned i = 0; i < 4; ++i) {
    const Frame frame{.data = std::vector<std::byte>(64, std::byte(i + 1))};
    const auto expected = interp->run(frame), got = nic->run(frame);
    ASSERT_TRUE(expected && got);
    EXPECT_EQ(got->handed_over, hands_over);
    EXPECT_EQ(expected->events.size(), hands_over ? 2u : 1u);
    EXPECT_EQ(got->events, expected->events) << "frame " << i;
  }
  EXPECT_TRUE(compare_maps(*interp->maps(), *nic->maps(), 1).empty());
}

TEST(NicHandover, PassesEventsOn) {
  records_events(false);
  records_events(true);
}

std::uint64_t array_value(const MapSet& maps, std::string_view name, std::uint32_t index) {
  std::uint64_t value = 0;
  const auto found = maps.user_lookup(*maps.find(name), std::as_bytes(std::span(&index, 1)));
  std::memcpy(&value, found->data(), sizeof value);
  return value;
}

/// A load balancer's size: `stages` programs that tail-call one another, each a hash over the frame and a
/// branch per step; the last one sends.
void make_stages(Object& object, unsigned stages, unsigned steps) {
  for (unsigned stage = 0; stage < stages; ++stage) {
    std::string text = "r6 = r1\nr7 = *(u32 *)(r6 +0)\nr2 = *(u32 *)(r6 +4)\nr3 = r7\nr3 += 64\nif r3 > r2 goto out\n"
                       "r8 = *(u32 *)(r7 +0)\n";
    for (unsigned i = 0; i < steps; ++i) {
      text += fmt::format("r4 = *(u16 *)(r7 +{})\nr8 ^= r4\nr8 *= {}\nr5 = r8\nr5 >>= 13\nif r5 & {} goto skip{}\nr8 += {}\nskip{}:\n",
                          i % 62, 0x01000193 + 2 * i, 1u << i % 8, i, i * 77 + stage, i);
    }
    text += "*(u32 *)(r7 +0) = r8\n";
    if (stage + 1 < stages) {
      text += fmt::format("r1 = r6\nr2 = map[idx:0]\nr3 = {}\ncall bpf_tail_call\n", stage + 1);
    }
    text += "r0 = 3\nexit\nout:\nr0 = 1\nexit";
    auto insns = assemble(text);
    ASSERT_TRUE(insns) << insns.error().message;
    Program& program = object.programs.emplace_back();
    program.name = fmt::format("stage{}", stage);
    program.section = "xdp";
    program.insns = std::move(insns).value();
    program.subprograms.push_back({.name = program.name, .start = 0, .end = static_cast<std::uint32_t>(program.insns.size())});
  }
  MapSpec stages_map;
  stages_map.name = "stages";
  stages_map.type = MapType::kProgArray;
  stages_map.key_size = stages_map.value_size = 4;
  stages_map.max_entries = stages;
  for (unsigned stage = 1; stage < stages; ++stage) {
    stages_map.slots.push_back({stage, stage});
  }
  object.maps.push_back(std::move(stages_map));
}

// 9,000 instructions and more in twenty programs that tail-call one another: larger than the default
// instruction memory, so the smallest NIC that holds it is taken; and one that no NIC holds is refused.
TEST(NicSize, LargeLoadBalancer) {
  Object object;
  make_stages(object, 20, 80);
  std::size_t insns = 0;
  VerifiedObject verified{.object = &object, .facts = {}};
  for (const Program& program : object.programs) {
    insns += program.insns.size();
    VerifyResult result = verify(object, program);
    ASSERT_TRUE(result.accepted) << result.message;
    verified.facts.push_back(std::move(result.facts));
  }
  ASSERT_GT(insns, 9000u);
  auto maps = MapSet::create(object.maps, 1);
  ASSERT_TRUE(maps);
  const auto image = lower_for_nic(verified, 0, *maps);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_GT(image->words.size(), 4096u);
  auto interp = make_interp();
  ASSERT_TRUE(interp->load(verified, 0, *maps, {}));
  for (const auto& [cores, threads] : {std::pair{1u, 1u}, std::pair{4u, 16u}}) {
    auto nic = make_nic(with_host(cores, threads));
    const auto loaded = nic->load(verified, 0, *maps, {});
    ASSERT_TRUE(loaded) << loaded.error().message;
    for (unsigned i = 0; i < 4; ++i) {
      Frame frame{.data = std::vector<std::byte>(i == 3 ? 60 : 64 + 100 * i, std::byte(i * 37 + 1))};
      const auto expected = interp->run(frame), got = nic->run(frame);
      ASSERT_TRUE(expected && got);
      EXPECT_EQ(got->code, expected->code);
      if (expected->verdict() == Verdict::kTx) {
        EXPECT_EQ(got->frame, expected->frame) << "frame " << i;
      }
    }
  }
  Object larger;
  make_stages(larger, 33, 600);
  VerifiedObject too_large{.object = &larger, .facts = {}};
  for (const Program& program : larger.programs) {
    too_large.facts.push_back(verify(larger, program).facts);
  }
  auto larger_maps = MapSet::create(larger.maps, 1);
  const auto refused = make_nic(with_host(1, 8))->load(too_large, 0, std::move(larger_maps).value(), {});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("words of instruction memory, this NIC has 65536"), std::string::npos)
      << refused.error().message;
}

// Many frames in flight on several cores, every other one at the host for a while: what cores and host
// counted in the same words, by atomics, and put into the same table is exact.
TEST(NicHandover, SharesMapsWithTheRunningCores) {
  const Subject subject = feature("handover_shared");
  const Prepared& p = *subject.prepared;
  for (const auto& [cores, threads] :
       {std::pair{1u, 1u}, std::pair{1u, 8u}, std::pair{2u, 2u}}) {
    SCOPED_TRACE(fmt::format("{} cores of {} threads", cores, threads));
    auto nic = make_nic(with_host(cores, threads));
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
