// SPDX-License-Identifier: Apache-2.0
//
// Several threads that run one JIT program on the same maps, each on frames of its own: no count is lost, each sees its own per-CPU values.
//
// Made for ThreadSanitizer as well: cmake -DKILN_SANITIZE=thread (it sees helpers and maps, not emitted code).
#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>

namespace kiln {
namespace {

constexpr std::uint32_t kThreads = 4;
constexpr std::uint32_t kFrames = 5'000;
constexpr std::uint32_t kKeys = 61;

/// Maps: 0 array, 1 hash, 2 LRU hash, 3 per-CPU array. The frame's first byte is the key of the hashes.
constexpr const char* kProgram =
    "r6 = *(u32 *)(r1 +0)\n"
    // array[0] += 1, atomically
    "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\ncall bpf_map_lookup_elem#1\nif r0 == 0 goto out\nr1 = 1\nlock *(u64 *)(r0 +0) += r1\n"
    // hash[key] += 1, inserted if it is not there; whoever was quicker, it is there afterwards
    "r7 = *(u8 *)(r6 +0)\n*(u32 *)(r10 -4) = r7\n*(u64 *)(r10 -16) = 0\n"
    "r2 = r10\nr2 += -4\nr1 = map[idx:1]\ncall bpf_map_lookup_elem#1\nif r0 != 0 goto found\n"
    "r2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 1\nr1 = map[idx:1]\ncall bpf_map_update_elem#2\n"
    "r2 = r10\nr2 += -4\nr1 = map[idx:1]\ncall bpf_map_lookup_elem#1\n"
    "if r0 == 0 goto out\nfound:\nr1 = 1\nlock *(u64 *)(r0 +0) += r1\n"
    // the LRU map, whose elements come and go
    "r2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\nr1 = map[idx:2]\ncall bpf_map_update_elem#2\n"
    // percpu[0] += 1, plainly
    "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[idx:3]\ncall bpf_map_lookup_elem#1\nif r0 == 0 goto out\nr1 = *(u64 *)(r0 +0)\nr1 += 1\n"
    "*(u64 *)(r0 +0) = r1\nr0 = 2\nexit\nout:\nr0 = 0\nexit\n";

MapSpec map_spec(const char* name, MapType type, std::uint32_t entries) {
  MapSpec spec;
  spec.name = name;
  spec.type = type;
  spec.key_size = 4;
  spec.value_size = 8;
  spec.max_entries = entries;
  return spec;
}

/// Every 8-byte value of a map, all processors'.
std::vector<std::uint64_t> values_of(const MapSet& maps, std::size_t map) {
  std::vector<std::uint64_t> values;
  maps.for_each(map, [&](auto, std::span<const std::byte> value) {
    for (std::size_t at = 0; at + 8 <= value.size(); at += 8) {
      std::uint64_t one = 0;
      std::memcpy(&one, value.data() + at, 8);
      values.push_back(one);
    }
  });
  return values;
}

std::uint64_t sum(const std::vector<std::uint64_t>& values) {
  std::uint64_t total = 0;
  for (const std::uint64_t value : values) {
    total += value;
  }
  return total;
}

Object counting_object() {
  Object object;
  object.maps = {map_spec("array", MapType::kArray, 1), map_spec("hash", MapType::kHash, 64), map_spec("lru", MapType::kLruHash, 32),
                 map_spec("percpu", MapType::kPercpuArray, 1)};
  auto insns = assemble(kProgram);
  KILN_CHECK(insns);
  Program& program = object.programs.emplace_back();
  program.name = "count";
  program.subprograms = {{.name = "count", .start = 0, .end = static_cast<std::uint32_t>(insns->size())}};
  program.insns = std::move(*insns);
  return object;
}

Facts all_reachable(const Program& program) {
  Facts facts;
  facts.insns.resize(program.insns.size());
  for (std::size_t slot = 0; slot < facts.insns.size(); ++slot) {
    facts.insns[slot].reachable = true;
    slot += program.insns[slot].is_wide() ? 1 : 0;
  }
  facts.stack_depth = {16};
  return facts;
}

void run_frames(Engine& engine, std::uint32_t thread) {
  Frame frame;
  frame.data.resize(64);
  for (std::uint32_t i = 0; i < kFrames; ++i) {
    frame.data[0] = static_cast<std::byte>((i * (2 * thread + 1)) % kKeys);
    const auto outcome = engine.run(frame);
    ASSERT_TRUE(outcome) << outcome.error().message;
    ASSERT_EQ(outcome->code, 2u);
  }
}

TEST(Threads, CountsOfOneProgramAreExact) {
  const Object object = counting_object();
  Environment environment;
  environment.cpu_count = kThreads;
  for (const char* passes : {"all", "none"}) {
    auto maps = MapSet::create(object.maps, kThreads);
    ASSERT_TRUE(maps);
    maps->share();
    std::vector<std::unique_ptr<Engine>> engines;
    engines.push_back(make_jit({.passes = passes}));
    ASSERT_TRUE(engines[0]->load({.object = &object, .facts = {all_reachable(object.programs[0])}}, 0, std::move(*maps), environment));
    for (std::uint32_t cpu = 1; cpu < kThreads; ++cpu) {
      auto sibling = make_sibling(*engines[0], cpu);
      ASSERT_TRUE(sibling) << sibling.error().message;
      engines.push_back(std::move(*sibling));
    }
    std::vector<std::thread> threads;
    for (std::uint32_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&engines, i] { run_frames(*engines[i], i); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    auto after = engines[0]->maps();
    ASSERT_TRUE(after);
    EXPECT_EQ(sum(values_of(*after, 0)), std::uint64_t{kThreads} * kFrames);
    EXPECT_EQ(sum(values_of(*after, 1)), std::uint64_t{kThreads} * kFrames);
    EXPECT_EQ(values_of(*after, 1).size(), kKeys);
    EXPECT_LE(values_of(*after, 2).size(), 32u);
    EXPECT_EQ(values_of(*after, 3), std::vector<std::uint64_t>(kThreads, kFrames));
  }
}

TEST(Threads, MapsMustBeSharedBeforeLoading) {
  const Object object = counting_object();
  auto maps = MapSet::create(object.maps, 1);
  ASSERT_TRUE(maps);
  auto engine = make_jit();
  ASSERT_TRUE(engine->load({.object = &object, .facts = {all_reachable(object.programs[0])}}, 0, std::move(*maps), {}));
  auto sibling = make_sibling(*engine, 0);
  ASSERT_FALSE(sibling);
  EXPECT_EQ(sibling.error().code, Errc::kUsage);
  EXPECT_FALSE(make_sibling(*make_interp(), 0));
}

}  // namespace
}  // namespace kiln
