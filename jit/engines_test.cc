// SPDX-License-Identifier: Apache-2.0
//
// Both CPU engines as engines: faults and their words, frames, stack frames, maps, environment, tail calls between
// programs, measuring. What instructions and helpers do is tested in testbench/conformance.
#include <gtest/gtest.h>

#include <cstring>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>

namespace kiln {
namespace {

void add_program(Object& object, const std::string& text, std::vector<std::uint32_t> functions = {0}) {
  auto insns = assemble(text);
  ASSERT_TRUE(insns) << insns.error().message;
  Program& program = object.programs.emplace_back();
  program.name = fmt::format("prog{}", object.programs.size() - 1);
  functions.push_back(static_cast<std::uint32_t>(insns->size()));
  for (std::size_t i = 0; i + 1 < functions.size(); ++i) {
    program.subprograms.push_back({.name = "f", .start = functions[i], .end = functions[i + 1]});
  }
  program.insns = std::move(*insns);
}

MapSpec map_spec(MapType type, std::uint32_t key, std::uint32_t value, std::uint32_t entries) {
  MapSpec spec;
  spec.name = "map";
  spec.type = type;
  spec.key_size = key;
  spec.value_size = value;
  spec.max_entries = entries;
  return spec;
}

Facts facts_for(const Program& program, std::vector<std::uint32_t> depth) {
  Facts facts;
  facts.insns.resize(program.insns.size());
  for (std::size_t slot = 0; slot < program.insns.size(); ++slot) {
    facts.insns[slot].reachable = true;
    slot += program.insns[slot].is_wide() ? 1 : 0;
  }
  facts.stack_depth = std::move(depth);
  return facts;
}

/// Each test runs on both engines.
class CpuEngines : public ::testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Engine> make() const { return std::string(GetParam()) == "interp" ? make_interp() : make_jit(); }

  /// Loads program 0 unverified and runs one frame of 64 bytes: 0, 1, 2, ...
  Result<Outcome> run(const Object& object, const Environment& environment = {}) {
    auto maps = MapSet::create(object.maps, environment.cpu_count);
    EXPECT_TRUE(maps) << maps.error().message;
    engine_ = make();
    KILN_TRY(engine_->load({.object = &object, .facts = std::vector<Facts>(object.programs.size())}, 0,
                           std::move(*maps), environment));
    return engine_->run(frame());
  }
  Result<Outcome> run(const std::string& text) {
    Object object;
    add_program(object, text);
    return run(object);
  }
  static Frame frame(std::size_t bytes = 64) {
    Frame out;
    for (std::size_t i = 0; i < bytes; ++i) {
      out.data.push_back(static_cast<std::byte>(i));
    }
    return out;
  }
  /// The message of the fault that the program must end in.
  std::string fault(const std::string& text) {
    auto outcome = run(text);
    EXPECT_FALSE(outcome) << "no fault";
    if (outcome) {
      return "";
    }
    EXPECT_EQ(outcome.error().code, Errc::kFault) << outcome.error().message;
    return outcome.error().message;
  }

  std::unique_ptr<Engine> engine_;
};

#define EXPECT_HAS(text, part) \
  EXPECT_NE((text).find(part), std::string::npos) << "no '" << (part) << "' in: " << (text)

TEST_P(CpuEngines, ContextIsXdpMd) {
  const std::string code =
      "r6 = *(u32 *)(r1 +4)\nr7 = *(u32 *)(r1 +0)\nr6 -= r7\nr0 = r6\n"  // length
      "r2 = *(u32 *)(r1 +8)\nr2 -= r7\nr0 += r2\n"                        // data_meta == data
      "r3 = *(u32 *)(r1 +12)\nr3 *= 1000\nr0 += r3\n"
      "r4 = *(u32 *)(r1 +16)\nr4 *= 100000\nr0 += r4\n"
      "r5 = *(u32 *)(r1 +20)\nr0 += r5\nr8 = *(u8 *)(r7 +5)\nr8 *= 10000000\nr0 += r8\nexit\n";
  Object object;
  add_program(object, code);
  engine_ = make();
  ASSERT_TRUE(engine_->load({.object = &object, .facts = {}}, 0, MapSet(), {}));
  Frame in = frame(70);
  in.ingress_ifindex = 3;
  in.rx_queue = 2;
  auto outcome = engine_->run(in);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->code, 50000000u + 200000 + 3000 + 70);
  EXPECT_EQ(outcome->frame, in.data);
}

TEST_P(CpuEngines, FaultsNameSlotAddressAndRegion) {
  EXPECT_HAS(fault("r0 = 0\nr2 = *(u32 *)(r1 +24)\nexit\n"), "slot 1");
  EXPECT_HAS(fault("r2 = *(u32 *)(r1 +4)\nr0 = *(u8 *)(r2 +0)\nexit\n"), "outside the packet");
  EXPECT_HAS(fault("r2 = *(u32 *)(r1 +4)\nr0 = *(u32 *)(r2 -3)\nexit\n"), "load of 4 bytes");
  EXPECT_HAS(fault("r2 = *(u32 *)(r1 +0)\n*(u8 *)(r2 -1) = 1\nr0 = 0\nexit\n"), "store of 1 bytes");
  EXPECT_HAS(fault("*(u64 *)(r10 -520) = 1\nr0 = 0\nexit\n"), "outside the stack");
  EXPECT_HAS(fault("r0 = *(u64 *)(r10 -4)\nexit\n"), "outside the stack");
  EXPECT_HAS(fault("r1 = 0x123456789abc ll\nr0 = *(u8 *)(r1 +0)\nexit\n"), "no region");
  EXPECT_HAS(fault("r1 = 0\nr0 = *(u8 *)(r1 +0)\nexit\n"), "null page");
  EXPECT_HAS(fault("again:\ngoto again\nexit\n"), "runaway");
  EXPECT_HAS(fault("r1 = 77\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem#1\nexit\n"), "not a map");
  EXPECT_FALSE(run("*(u32 *)(r1 +0) = 1\nr0 = 0\nexit\n"));  // the context is read only
}

TEST_P(CpuEngines, FaultNamesTheSourceLine) {
  Object object;
  add_program(object, "r0 = 1\nr1 = 0\nr0 = *(u8 *)(r1 +9)\nexit\n");
  object.programs[0].lines = {{.insn = 0, .file = "drop.c", .line = 7, .column = 1, .text = "int a;"},
                              {.insn = 2, .file = "drop.c", .line = 34, .column = 2, .text = "return *p;"}};
  auto outcome = run(object);
  ASSERT_FALSE(outcome);
  EXPECT_HAS(outcome.error().message, "prog0: slot 2 (drop.c:34)");
  EXPECT_EQ(outcome.error().insn, 2u);
}

TEST_P(CpuEngines, EngineSurvivesAFault) {
  const std::string code = "r2 = *(u32 *)(r1 +0)\nr3 = *(u8 *)(r2 +0)\nr0 = 2\nif r3 == 0 goto bad\nexit\nbad:\nr0 = *(u8 *)(r3 +0)\nexit\n";
  Object object;
  add_program(object, code);
  EXPECT_FALSE(run(object));
  Frame good = frame();
  good.data[0] = std::byte{1};
  auto outcome = engine_->run(good);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->verdict(), Verdict::kPass);
}

TEST_P(CpuEngines, MapValueBounds) {
  const std::string lookup = "*(u32 *)(r10 -4) = 1\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall bpf_map_lookup_elem#1\n"
                             "if r0 == 0 goto out\n";
  const auto with = [&](const std::string& access, MapType type = MapType::kArray, bool readonly = false) {
    Object object;
    object.maps = {map_spec(type, 4, 12, 4)};
    object.maps[0].is_readonly = readonly;
    add_program(object, lookup + access + "r0 = 5\nout:\nexit\n");
    return run(object);
  };
  EXPECT_TRUE(with("r1 = *(u32 *)(r0 +8)\n"));
  EXPECT_TRUE(with("*(u64 *)(r0 +4) = 1\n"));
  EXPECT_FALSE(with("r1 = *(u32 *)(r0 +9)\n"));   // across the value's end
  EXPECT_FALSE(with("r1 = *(u8 *)(r0 +12)\n"));   // padding
  EXPECT_FALSE(with("r1 = *(u8 *)(r0 -1)\n"));
  EXPECT_TRUE(with("r1 = *(u32 *)(r0 +8)\n", MapType::kArray, true));
  EXPECT_FALSE(with("*(u32 *)(r0 +8) = 1\n", MapType::kArray, true));
  // What was allowed just before says nothing about the next access.
  EXPECT_TRUE(with("r1 = *(u32 *)(r0 +8)\nr1 = *(u64 *)(r0 +16)\n"));  // the next element
  EXPECT_FALSE(with("r1 = *(u32 *)(r0 +8)\nr1 = *(u32 *)(r0 +9)\n"));
  EXPECT_FALSE(with("*(u64 *)(r0 +4) = 1\n*(u8 *)(r0 +12) = 1\n"));
  EXPECT_FALSE(with("r1 = *(u32 *)(r0 +8)\n*(u32 *)(r0 +8) = 1\n", MapType::kArray, true));
  auto missing = with("r1 = *(u32 *)(r0 +8)\n", MapType::kHash);
  ASSERT_TRUE(missing);
  EXPECT_EQ(missing->code, 0u);
}

TEST_P(CpuEngines, MapStateStaysAndIsHandedOut) {
  Object object;
  object.maps = {map_spec(MapType::kArray, 4, 8, 1)};
  add_program(object, "r1 = map[idx:0][0]+0\nr2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = *(u32 *)(r1 +0)\nexit\n");
  ASSERT_TRUE(run(object));
  ASSERT_TRUE(engine_->run(frame()));
  auto outcome = engine_->run(frame());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->code, 3u);
  auto maps = engine_->maps();
  ASSERT_TRUE(maps);
  const std::uint32_t key = 0;
  auto value = maps->user_lookup(0, std::as_bytes(std::span(&key, 1)));
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ((*value)[0], std::byte{3});
}

TEST_P(CpuEngines, InnerMaps) {
  Object object;
  object.maps = {map_spec(MapType::kArrayOfMaps, 4, 4, 2), map_spec(MapType::kArray, 4, 4, 1)};
  object.maps[0].inner = 1;
  object.maps[0].slots = {{.key = 1, .target = 1}};
  const auto code = [](int index) {
    return fmt::format("*(u32 *)(r10 -4) = {}\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall bpf_map_lookup_elem#1\n"
                       "if r0 == 0 goto out\n*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = r0\n"
                       "call bpf_map_lookup_elem#1\n*(u32 *)(r0 +0) = 8\nr0 = *(u32 *)(r0 +0)\nout:\nexit\n", index);
  };
  add_program(object, code(1));
  auto outcome = run(object);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->code, 8u);
  object.programs.clear();
  add_program(object, code(0));
  outcome = run(object);
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->code, 0u);  // an empty slot
}

TEST_P(CpuEngines, EnvironmentIsWhatTheProgramSees) {
  Object object;
  add_program(object, "r6 = *(u32 *)(r1 +0)\ncall bpf_ktime_get_ns#5\n*(u64 *)(r6 +0) = r0\ncall bpf_get_prandom_u32#7\n"
                      "*(u64 *)(r6 +8) = r0\ncall bpf_get_smp_processor_id#8\nexit\n");
  Environment environment;
  environment.clock_ns = 5'000;
  environment.clock_step_ns = 300;
  environment.random_seed = 42;
  ASSERT_TRUE(run(object, environment));
  auto outcome = engine_->run(frame());  // the second frame
  ASSERT_TRUE(outcome);
  std::uint64_t seen[2];
  std::memcpy(seen, outcome->frame.data(), sizeof(seen));
  EXPECT_EQ(seen[0], 5'300u);
  std::uint64_t state = 42;
  next_random(state);
  EXPECT_EQ(seen[1], next_random(state));
  EXPECT_EQ(outcome->code, 0u);
}

// Values of a per-CPU map are those of the processor that the environment names, however the look-up is made.
TEST_P(CpuEngines, ProcessorSeesItsOwnValues) {
  Environment environment;
  environment.cpu = 2;
  environment.cpu_count = 4;
  for (const MapType type : {MapType::kPercpuArray, MapType::kPercpuHash, MapType::kLruPercpuHash}) {
    Object object;
    object.maps.push_back(map_spec(type, 4, 8, 4));
    add_program(object, "*(u32 *)(r10 -4) = 1\n*(u64 *)(r10 -16) = 5\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\n"
                        "r4 = 0\ncall bpf_map_update_elem#2\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem#1\n"
                        "if r0 == 0 goto pc+3\nr1 = *(u64 *)(r0 +0)\nr1 += 2\n*(u64 *)(r0 +0) = r1\nr0 = 0\nexit\n");
    auto initial = MapSet::create(object.maps, environment.cpu_count);
    ASSERT_TRUE(initial);
    engine_ = make();
    ASSERT_TRUE(engine_->load({.object = &object, .facts = {facts_for(object.programs[0], {16})}}, 0, std::move(*initial), environment));
    ASSERT_TRUE(engine_->run(frame()));
    auto maps = engine_->maps();
    ASSERT_TRUE(maps);
    const std::uint32_t key = 1;
    const auto values = maps->user_lookup(0, std::as_bytes(std::span(&key, 1)));
    ASSERT_TRUE(values);
    std::uint64_t seen[4];
    ASSERT_EQ(values->size(), sizeof(seen));
    std::memcpy(seen, values->data(), sizeof(seen));
    EXPECT_EQ(seen[2], 7u) << static_cast<int>(type);
    EXPECT_EQ(seen[0] + seen[1] + seen[3], 0u);
  }
}

TEST_P(CpuEngines, StackAndWindowAreZeroForEachFrame) {
  Object object;
  add_program(object, "r6 = r1\nr7 = *(u64 *)(r10 -512)\nr2 = *(u64 *)(r10 -8)\nr7 |= r2\n*(u64 *)(r10 -512) = 1\n*(u64 *)(r10 -8) = 1\n"
                      "r2 = -8\ncall bpf_xdp_adjust_head#44\nr1 = *(u32 *)(r6 +0)\nr3 = *(u64 *)(r1 +0)\nr7 |= r3\n"
                      "*(u64 *)(r1 +0) = -1\nr0 = r7\nexit\n");
  ASSERT_TRUE(run(object));
  auto outcome = engine_->run(frame());
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->code, 0u);
  EXPECT_EQ(outcome->frame.size(), 72u);
  EXPECT_EQ(outcome->frame[0], std::byte{0xff});
  EXPECT_EQ(outcome->frame[8], std::byte{0});
  EXPECT_EQ(outcome->frame[9], std::byte{1});
}

TEST_P(CpuEngines, RedirectTarget) {
  auto plain = run("r1 = 17\nr2 = 0\ncall bpf_redirect#23\nexit\n");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->verdict(), Verdict::kRedirect);
  EXPECT_EQ(plain->redirect, (RedirectTarget{.map = -1, .key = 17}));
  // A verdict that is not redirect has no target, whatever was called before.
  auto dropped = run("r1 = 17\nr2 = 0\ncall bpf_redirect#23\nr0 = 1\nexit\n");
  ASSERT_TRUE(dropped);
  EXPECT_FALSE(dropped->redirect.has_value());
}

TEST_P(CpuEngines, FramesOfTheWrongLengthAreRefused) {
  Object object;
  add_program(object, "r0 = 2\nexit\n");
  ASSERT_TRUE(run(object));
  EXPECT_TRUE(engine_->run(frame(14)));
  EXPECT_TRUE(engine_->run(frame(address::kMaxFrame)));
  for (const std::size_t bytes : {0u, 13u, address::kMaxFrame + 1}) {
    auto outcome = engine_->run(frame(bytes));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::kInput);
  }
}

TEST_P(CpuEngines, TailCallGoesToAVerifiedProgramOnly) {
  Object object;
  object.maps = {map_spec(MapType::kProgArray, 4, 4, 2)};
  object.maps[0].slots = {{.key = 0, .target = 1}, {.key = 1, .target = 2}};
  const auto caller = [](int index) {
    return fmt::format("r2 = map[idx:0]\nr3 = {}\ncall bpf_tail_call#12\nr0 = 2\nexit\n", index);
  };
  add_program(object, caller(0));
  add_program(object, "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +33)\nexit\n");
  add_program(object, "r0 = 99\nexit\n");
  for (const int index : {0, 1}) {
    object.programs[0].insns = *assemble(caller(index));
    VerifiedObject ready{.object = &object, .facts = {}};
    ready.facts.push_back(facts_for(object.programs[0], {0}));
    ready.facts.push_back(facts_for(object.programs[1], {0}));
    ready.facts.emplace_back();  // the third was not verified
    auto maps = MapSet::create(object.maps, 1);
    ASSERT_TRUE(maps);
    engine_ = make();
    ASSERT_TRUE(engine_->load(ready, 0, std::move(*maps), {}));
    auto outcome = engine_->run(frame());
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(outcome->code, index == 0 ? 33u : 2u);
  }
}

TEST_P(CpuEngines, StackFramesFollowFacts) {
  // The callee's R10 is the caller's minus its depth, rounded up to 32: 40 bytes become 64.
  Object object;
  add_program(object, "r6 = r10\nr1 = r10\ncall pc+2\nr0 &= 0xffff\nexit\nr1 -= r10\nr0 = r1\nexit\n", {0, 5});
  VerifiedObject ready{.object = &object, .facts = {facts_for(object.programs[0], {40, 8})}};
  engine_ = make();
  ASSERT_TRUE(engine_->load(ready, 0, MapSet(), {}));
  auto outcome = engine_->run(frame());
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->code, 64u);
}

TEST_P(CpuEngines, UnreachableInstructionsMayBeAnything) {
  Object object;
  add_program(object, "r0 = 3\nif r0 == 3 goto pc+1\ncall unknown#195896080\nexit\n");
  Facts facts = facts_for(object.programs[0], {0});
  facts.insns[2].reachable = false;
  VerifiedObject ready{.object = &object, .facts = {facts}};
  engine_ = make();
  ASSERT_TRUE(engine_->load(ready, 0, MapSet(), {}));
  auto outcome = engine_->run(frame());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->code, 3u);
  auto refused = engine_->load({.object = &object, .facts = {}}, 0, MapSet(), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnsupported);
  EXPECT_HAS(refused.error().message, "unknown helper 195896080");
}

TEST_P(CpuEngines, RunWithoutLoadIsRefused) {
  engine_ = make();
  EXPECT_FALSE(engine_->run(frame()));
  EXPECT_FALSE(engine_->maps());
  EXPECT_FALSE(engine_->measure({}, {}));
}

TEST_P(CpuEngines, MeasuresWithFramesRestored) {
  // Moves the head and writes: were the frame not put back, the fifth run or so would find no room and drop.
  Object object;
  object.maps = {map_spec(MapType::kArray, 4, 8, 1)};
  add_program(object, "r6 = r1\nr2 = -40\ncall bpf_xdp_adjust_head#44\nif r0 != 0 goto bad\nr1 = *(u32 *)(r6 +0)\n"
                      "r3 = *(u8 *)(r1 +40)\nif r3 != 0 goto bad\n*(u8 *)(r1 +40) = 9\nr0 = 2\nexit\n"
                      "bad:\nr1 = map[idx:0][0]+0\nr2 = 1\nlock *(u64 *)(r1 +0) += r2\nr0 = 1\nexit\n");
  ASSERT_TRUE(run(object));
  std::vector<Frame> frames(300, frame());
  frames[7] = frame(1500);
  auto measured = engine_->measure(frames, {.repeats = 3, .seconds_per_round = 0.003});
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_EQ(measured->ns_per_packet.size(), 3u);
  EXPECT_GE(measured->packets, 900u);
  for (const double ns : measured->ns_per_packet) {
    EXPECT_GE(ns, 0.0);  // how many is for the machine to say: an empty program's time was subtracted
  }
  EXPECT_EQ(measured->insns_per_packet, std::string(GetParam()) == "interp" ? 10.0 : 0.0);
  const std::uint32_t key = 0;
  auto maps = engine_->maps();
  ASSERT_TRUE(maps);
  EXPECT_EQ((*maps->user_lookup(0, std::as_bytes(std::span(&key, 1))))[0], std::byte{0}) << "some run saw a used frame";
  EXPECT_TRUE(engine_->run(frame()));  // still usable one by one
}

/// As BPF_PROG_TEST_RUN does: a frame that is as before after two runs is not put back in between, any other is.
TEST_P(CpuEngines, MeasuresWithoutRestoringWhatComesBack) {
  const auto changed_frames_seen = [this](const std::string& change) {
    Object object;
    object.maps = {map_spec(MapType::kArray, 4, 8, 1)};
    add_program(object, "r1 = *(u32 *)(r1 +0)\nr3 = *(u8 *)(r1 +5)\nr4 = *(u8 *)(r1 +6)\n" + change +
                        "if r3 == 5 goto out\nr1 = map[idx:0][0]+0\nr2 = 1\nlock *(u64 *)(r1 +0) += r2\nout:\nr0 = 2\nexit\n");
    EXPECT_TRUE(run(object));
    auto measured = engine_->measure(std::vector<Frame>(3, frame()), {.repeats = 2, .seconds_per_round = 0.002});
    EXPECT_TRUE(measured) << measured.error().message;
    const std::uint32_t key = 0;
    const auto value = engine_->maps()->user_lookup(0, std::as_bytes(std::span(&key, 1)));
    std::uint64_t count = 0;
    std::memcpy(&count, value->data(), sizeof count);
    return std::pair(count, measured->packets);
  };
  const auto [swapped, packets] = changed_frames_seen("*(u8 *)(r1 +5) = r4\n*(u8 *)(r1 +6) = r3\n");
  EXPECT_GT(swapped, packets / 3) << "about every second run sees the bytes swapped";
  const auto [counted_up, more] = changed_frames_seen("r4 = r3\nr4 += 1\n*(u8 *)(r1 +5) = r4\n");
  EXPECT_EQ(counted_up, 3u) << "only the second run that tells whether the frame comes back, of each";
  EXPECT_GT(more, 3u);
}

/// Each function counts for itself, each time it is called.
TEST_P(CpuEngines, MayGotoEndsLoops) {
  Object object;
  add_program(object, "call f\nr6 = r0\ncall f\nr0 += r6\nexit\n"
                      "f:\nr0 = 0\nagain:\nmay_goto out\nr0 += 1\ngoto again\nout:\nexit\n", {0, 5});
  auto outcome = run(object);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->code, 2u * 8 * 1024 * 1024);
}

TEST_P(CpuEngines, KernelFunctionsAreRefusedByName) {
  Object object;
  add_program(object, "call kernel-function#7\nexit\n");
  auto outcome = run(object);
  ASSERT_FALSE(outcome);
  EXPECT_NE(outcome.error().message.find("kernel function 7 is not in the kernel's BTF"), std::string::npos)
      << outcome.error().message;
}

INSTANTIATE_TEST_SUITE_P(Engines, CpuEngines, ::testing::Values("interp", "jit"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Interp, CountsInstructionsAndShowsEachStep) {
  Object object;
  add_program(object, "r0 = 1\nr2 = 5\nagain:\nr2 -= 1\nif r2 != 0 goto again\nexit\n");
  std::vector<InterpState> steps;
  auto engine = make_interp([&steps](const InterpState& state) { steps.push_back(state); });
  ASSERT_TRUE(engine->load({.object = &object, .facts = {}}, 0, MapSet(), {}));
  auto outcome = engine->run(Frame{.data = std::vector<std::byte>(60)});
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->insns, 13u);
  ASSERT_EQ(steps.size(), 14u);
  EXPECT_EQ(steps[0].pc, 0u);
  EXPECT_EQ(steps[0].regs[1], address::kContext);
  EXPECT_EQ(steps[0].regs[10], address::kStack + address::kStackBytes);
  EXPECT_EQ(steps[3].regs[2], 4u);
  EXPECT_EQ(steps[12].pc, 4u);
  EXPECT_EQ(steps[13].pc, kNoPc);
}

TEST(Interp, UsesTheSharedAddressSpace) {
  Object object;
  object.maps = {map_spec(MapType::kArray, 4, 8, 1)};
  add_program(object, "r6 = *(u32 *)(r1 +0)\nr7 = map[idx:0]\nr8 = map[idx:0][0]+4\nr0 = 0\nexit\n");
  std::vector<InterpState> steps;
  auto engine = make_interp([&steps](const InterpState& state) { steps.push_back(state); });
  auto maps = MapSet::create(object.maps, 1);
  ASSERT_TRUE(maps);
  const std::uint32_t entries = maps->descriptor(0).entries;
  ASSERT_TRUE(engine->load({.object = &object, .facts = {}}, 0, std::move(*maps), {}));
  ASSERT_TRUE(engine->run(Frame{.data = std::vector<std::byte>(60)}));
  const auto& last = steps.back().regs;
  EXPECT_EQ(last[6], address::kPacket + address::kHeadroom);
  EXPECT_EQ(last[7], address::kMapHandle);
  EXPECT_EQ(last[8], address::kMap + entries + 4);
}

}  // namespace
}  // namespace kiln
