// SPDX-License-Identifier: Apache-2.0
//
// The engine: verdicts, frames, tail calls, redirects, refusals, measuring.
#include "test_object.h"

#include <algorithm>

namespace kiln::kernel::test {
namespace {

using KernelEngine = KernelTest;

constexpr std::string_view kPass = "r0 = 2\nexit\n";

TEST_F(KernelEngine, VerdictAndFrameComeBack) {
  Running r(object({program(R"(
    r2 = *(u32 *)(r1 +0)
    r3 = *(u32 *)(r1 +4)
    r4 = r2
    r4 += 14
    if r4 > r3 goto out
    *(u8 *)(r2 +3) = 0x77
    r0 = 3
    exit
  out:
    r0 = 1
    exit)")}));
  KILN_LOAD(r);
  const Frame in = frame(60);
  const Outcome out = r.run(in);
  EXPECT_EQ(out.verdict(), Verdict::kTx);
  std::vector<std::byte> expected = in.data;
  expected[3] = std::byte{0x77};
  EXPECT_EQ(out.frame, expected);
  EXPECT_FALSE(out.redirect);
}

TEST_F(KernelEngine, FrameGrowsAtTheFront) {
  Running r(object({program("r2 = -20\ncall 44\nr0 += 7\nexit\n")}));
  KILN_LOAD(r);
  const Outcome out = r.run(frame(60));
  EXPECT_EQ(out.code, 7u);
  EXPECT_EQ(out.verdict(), Verdict::kAborted);
  ASSERT_EQ(out.frame.size(), 80u);
  EXPECT_EQ(out.frame[19], std::byte{0});
  EXPECT_EQ(out.frame[20], std::byte{1});
}

TEST_F(KernelEngine, StateStaysBetweenFramesAndStartsAfreshWithLoad) {
  Running r(object({program(R"(
    r1 = map[idx:0][0]+8
    r2 = 1
    lock *(u64 *)(r1 +0) += r2
    r0 = *(u32 *)(r1 +0)
    exit)")},
                   {map(MapType::kArray, 4, 16, 1)}));
  KILN_LOAD(r);
  for (std::uint32_t i = 1; i <= 5; ++i) {
    EXPECT_EQ(r.run(frame(60)).code, i);
  }
  EXPECT_EQ(r.state().user_lookup(0, u32(0))->at(8), std::byte{5});
  KILN_LOAD(r);
  EXPECT_EQ(r.run(frame(60)).code, 1u);
}

TEST_F(KernelEngine, ReadOnlyDataIsThereAndFrozen) {
  MapSpec rodata = map(MapType::kArray, 4, 4, 1);
  rodata.is_readonly = rodata.is_global_data = true;
  rodata.initial = u32(41);
  // The kernel knows the value, so the branch that would be refused is never looked at.
  Running r(object({program(R"(
    r1 = map[idx:0][0]+0
    r0 = *(u32 *)(r1 +0)
    if r0 == 41 goto out
    r0 = *(u64 *)(r0 +0)
  out:
    exit)")},
                   {rodata}));
  KILN_LOAD(r);
  EXPECT_EQ(r.run(frame(60)).code, 41u);
  EXPECT_TRUE(compare_maps(r.state(), r.maps, 9).empty());
}

constexpr std::string_view kTailCall = R"(
    r2 = map[idx:0]
    r3 = 1
    call 12
    r0 = 9
    exit)";

TEST_F(KernelEngine, TailCalls) {
  MapSpec slots = map(MapType::kProgArray, 4, 4, 2);
  slots.slots = {{1, 1}};
  Running r(object({program(kTailCall), program(kPass, "next")}, {slots}));
  KILN_LOAD(r);
  EXPECT_EQ(r.run(frame(60)).code, 2u);
  EXPECT_TRUE(compare_maps(r.state(), r.maps, 9).empty());
  r.verified.facts[1].insns.clear();  // not verified: not tail-called
  KILN_LOAD(r);
  EXPECT_EQ(r.run(frame(60)).code, 9u);
}

TEST_F(KernelEngine, TailCallChainIsFollowed) {
  MapSpec first = map(MapType::kProgArray, 4, 4, 2);
  first.slots = {{1, 1}};
  MapSpec second = first;
  second.slots = {{1, 2}};
  std::string middle(kTailCall);
  middle.replace(middle.find("idx:0"), 5, "idx:1");
  Running r(object({program(kTailCall), program(middle, "middle"), program(kPass, "last")},
                   {first, second}));
  KILN_LOAD(r);
  EXPECT_EQ(r.run(frame(60)).code, 2u);
}

TEST_F(KernelEngine, RedirectThroughMapsOfDevicesProcessorsAndSockets) {
  for (const MapType type :
       {MapType::kDevmap, MapType::kDevmapHash, MapType::kCpumap, MapType::kXskmap}) {
    SCOPED_TRACE(map_type_name(type));
    Running r(object({program(R"(
      r2 = *(u32 *)(r1 +0)
      r3 = *(u32 *)(r1 +4)
      r4 = r2
      r4 += 14
      if r4 > r3 goto out
      r2 = *(u8 *)(r2 +0)
      r1 = map[idx:0]
      r3 = 1
      call 51
      exit
    out:
      r0 = 0
      exit)")},
                     {map(type, 4, 4, 2)}));
    ASSERT_EQ(r.maps.user_update(0, u32(0), u32(1), kAny), 0);
    KILN_LOAD(r);
    Frame f = frame(60);
    f.data[0] = std::byte{0};
    EXPECT_EQ(r.run(f).verdict(), Verdict::kRedirect);
    f.data[0] = std::byte{1};
    EXPECT_EQ(r.run(f).verdict(), Verdict::kDrop) << "an empty slot: the flags";
    EXPECT_TRUE(compare_maps(r.state(), r.maps, 9).empty());
  }
}

TEST_F(KernelEngine, ADeviceThatIsNotHereIsRefusedByName) {
  Running r(object({program(kPass)}, {map(MapType::kDevmap, 4, 4, 2)}));
  ASSERT_EQ(r.maps.user_update(0, u32(1), u32(987654), kAny), 0);
  const auto loaded = r.load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::kUnsupported);
  EXPECT_NE(loaded.error().message.find("'devmap'"), std::string::npos);
  EXPECT_NE(loaded.error().message.find("987654"), std::string::npos) << loaded.error().message;
}

TEST_F(KernelEngine, MapsOfMaps) {
  for (const MapType type : {MapType::kArrayOfMaps, MapType::kHashOfMaps}) {
    MapSpec outer = map(type, 4, 4, 2);
    outer.inner = 1;
    outer.slots = {{1, 2}};
    Running r(object({program(R"(
      *(u32 *)(r10 -4) = 1
      r2 = r10
      r2 += -4
      r1 = map[idx:0]
      call 1
      if r0 == 0 goto out
      *(u32 *)(r10 -4) = 0
      r2 = r10
      r2 += -4
      r1 = r0
      call 1
      if r0 == 0 goto out
      *(u32 *)(r0 +0) = 77
      r0 = 2
      exit
    out:
      r0 = 0
      exit)")},
                     {outer, map(MapType::kArray, 4, 4, 1), map(MapType::kArray, 4, 4, 1)}));
    KILN_LOAD(r);
    EXPECT_EQ(r.run(frame(60)).code, 2u);
    const MapSet state = r.state();
    EXPECT_EQ(state.user_lookup(2, u32(0)), u32(77));
    EXPECT_EQ(state.user_lookup(1, u32(0)), u32(0));
    EXPECT_EQ(state.user_lookup(0, u32(1)), u32(3));
  }
}

TEST_F(KernelEngine, PerfEventsHaveAListenerWhereTheSlotIsSet) {
  Running r(object({program(R"(
    r2 = map[idx:0]
    r3 = 0xffffffff ll
    *(u64 *)(r10 -8) = 5
    r4 = r10
    r4 += -8
    r5 = 8
    call 25
    exit)")},
                   {map(MapType::kPerfEventArray, 4, 4, 0)}));
  KILN_LOAD(r);
  EXPECT_EQ(static_cast<std::int32_t>(r.run(frame(60)).code), -ENOENT);
  ASSERT_EQ(r.maps.user_update(0, u32(0), u32(1), kAny), 0);
  KILN_LOAD(r);
  for (int i = 0; i < 1000; ++i) {  // more than the buffer holds
    ASSERT_EQ(r.run(frame(60)).code, 0u);
  }
}

TEST_F(KernelEngine, FramesThatDoNotFitAreInputErrors) {
  Running r(object({program(kPass)}));
  KILN_LOAD(r);
  for (const std::size_t bytes : {0u, 13u, address::kMaxFrame + 1, 9000u}) {
    const auto outcome = r.engine->run(frame(bytes));
    ASSERT_FALSE(outcome) << bytes;
    EXPECT_EQ(outcome.error().code, Errc::kInput);
  }
  EXPECT_EQ(r.run(frame(14)).frame.size(), 14u);
  EXPECT_EQ(r.run(frame(address::kMaxFrame)).frame, frame(address::kMaxFrame).data);
}

TEST_F(KernelEngine, LongFramesForProgramsWithFrags) {
  constexpr int kGetBuffLen = 188;
  Running r(object({program("call " + std::to_string(kGetBuffLen) + "\nexit\n", "entry", true)}));
  KILN_LOAD(r);
  const Frame f = frame(9000);
  const Outcome out = r.run(f);
  EXPECT_EQ(out.code, 9000u);
  EXPECT_EQ(out.frame, f.data);
  const auto outcome = r.engine->run(frame(1 << 20));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::kInput);
}

TEST_F(KernelEngine, InterfaceOfTheFrame) {
  Running r(object({program("r0 = *(u32 *)(r1 +12)\nexit\n")}));
  KILN_LOAD(r);
  EXPECT_EQ(r.run(frame(60)).code, 1u);
  Frame f = frame(60);
  f.ingress_ifindex = 987654;
  const auto outcome = r.engine->run(f);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, Errc::kUnsupported);
}

TEST_F(KernelEngine, TheProcessorIsTheOneItWasPinnedTo) {
  Running r(object({program("call 8\nexit\n")}));
  KILN_LOAD(r);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(r.run(frame(60)).code, choose_cpu());
  }
}

TEST_F(KernelEngine, RefusedProgramSaysWhatTheVerifierSays) {
  Running r(object({program("r0 = *(u64 *)(r1 +0)\nexit\n", "bad")}));
  const auto loaded = r.load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, Errc::kRejected);
  EXPECT_EQ(loaded.error().message,
            "the kernel refuses program 'bad': invalid bpf_context access off=0 size=8");
}

TEST_F(KernelEngine, WhatTheKernelCannotRunIsSaid) {
  Running r(object({program(kPass)}));
  r.object.programs[0].section = "xdp/devmap";
  EXPECT_EQ(r.load().error().code, Errc::kUnsupported);
  r.object.programs[0].section = "xdp";
  r.environment.window_bytes = 2048;
  EXPECT_EQ(r.load().error().code, Errc::kUnsupported);
}

/// n additions, then an exit.
std::string additions(int n) {
  std::string text = "r0 = 1\n";
  for (int i = 0; i < n; ++i) {
    text += "r0 *= 3\n";
  }
  return text + "exit\n";
}

double median_ns(const Object& o, const Frame& f) {
  Running r(o);
  EXPECT_TRUE(r.load());
  auto measured =
      r.engine->measure(std::vector<Frame>(3, f), {.repeats = 5, .seconds_per_round = 0.01});
  EXPECT_TRUE(measured) << measured.error().message;
  EXPECT_EQ(measured->ns_per_packet.size(), 5u);
  EXPECT_GT(measured->packets, 100u);
  std::vector<double> ns = measured->ns_per_packet;
  std::nth_element(ns.begin(), ns.begin() + 2, ns.end());
  return ns[2];
}

TEST_F(KernelEngine, MeasuringSubtractsTheEmptyProgram) {
  const double nothing = median_ns(object({program("r0 = 1\nexit\n")}), frame(60));
  const double few = median_ns(object({program(additions(1000))}), frame(60));
  const double many = median_ns(object({program(additions(4000))}), frame(60));
  std::printf("0, 1000, 4000 multiplications: %.2f, %.1f, %.1f ns\n", nothing, few, many);
  EXPECT_LT(nothing, 0.25 * few);
  EXPECT_GT(many, 2 * few);
}

TEST_F(KernelEngine, MeasuringAProgramThatChangesTheFrame) {
  const std::string grow = "r6 = r1\nr2 = -14\ncall 44\n";
  const double ns = median_ns(object({program(grow + additions(1000))}), frame(60));
  std::printf("adjust_head and 1000 multiplications: %.1f ns\n", ns);
  EXPECT_GT(ns, 100);
}

/// A time to live that would run out after a few repeats, were it not put back before each.
TEST_F(KernelEngine, MeasuringPutsTheFrameBack) {
  const std::string count_down =
      "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 14\nif r4 > r3 goto out\n"
      "r5 = *(u8 *)(r2 + 8)\nif r5 == 0 goto out\nr5 += -1\n*(u8 *)(r2 + 8) = r5\n";
  std::string work = additions(1000);
  work.resize(work.rfind("exit"));
  const double ns = median_ns(object({program(count_down + work + "out:\nr0 = 1\nexit\n")}), frame(60));
  std::printf("1000 multiplications before the count is out: %.1f ns\n", ns);
  EXPECT_GT(ns, 100);
}

/// Cut behind and grown in front, as an ICMP answer is.
TEST_F(KernelEngine, MeasuringPutsBothEndsBack) {
  const std::string answer = "r6 = r1\nr2 = -40\ncall 65\nr1 = r6\nr2 = -28\ncall 44\n";
  Running r(object({program(answer + additions(1000))}));
  ASSERT_TRUE(r.load());
  auto measured = r.engine->measure(std::vector<Frame>(1, frame(128)), {.repeats = 3, .seconds_per_round = 0.01});
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_GT(measured->packets, 3000u) << "single runs were measured, the frame was not put back";
  EXPECT_GT(measured->ns_per_packet[1], 100);
}

}  // namespace
}  // namespace kiln::kernel::test
