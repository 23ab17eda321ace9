// SPDX-License-Identifier: Apache-2.0
//
// What goes into the kernel's maps comes out again, for every type and more elements than one
// batch.
#include <random>

#include "test_object.h"

namespace kiln::kernel::test {
namespace {

using KernelMapContents = KernelTest;

std::vector<std::byte> random_bytes(std::size_t bytes, std::mt19937& random) {
  std::vector<std::byte> result(bytes);
  for (std::byte& b : result) {
    b = std::byte(random());
  }
  return result;
}

void round_trip(std::vector<MapSpec> specs, std::uint32_t cpus) {
  Running r(object({program("r0 = 2\nexit\n")}, specs), cpus);
  std::mt19937 random(1);
  std::size_t elements = 0;
  for (std::size_t m = 0; m < specs.size(); ++m) {
    const MapSpec& spec = specs[m];
    for (std::uint32_t i = 0; i < spec.max_entries; i += 1 + random() % 2) {
      std::vector<std::byte> key = spec.type == MapType::kLpmTrie || !is_hash_kind(spec.type)
                                       ? u32(i)
                                       : random_bytes(spec.key_size, random);
      if (spec.type == MapType::kLpmTrie) {
        key = u32(random() % 33);
        const auto data = random_bytes(4, random);
        key.insert(key.end(), data.begin(), data.end());
      }
      const std::int64_t put =
          r.maps.user_update(m, key, random_bytes(r.maps.user_value_size(m), random), kAny);
      ASSERT_EQ(put, 0);
      ++elements;
    }
  }
  KILN_LOAD(r);
  EXPECT_EQ(compare_maps(r.maps, r.state(), 9).size(), 0u);
  r.run(frame(60));
  EXPECT_EQ(compare_maps(r.maps, r.state(), 9).size(), 0u);
  std::printf("%zu elements\n", elements);
}

std::vector<MapSpec> all_types() {
  return {map(MapType::kHash, 5, 3, 700),        map(MapType::kArray, 4, 7, 700),
          map(MapType::kPercpuHash, 4, 12, 300), map(MapType::kPercpuArray, 4, 5, 300),
          map(MapType::kLruHash, 4, 8, 100),     map(MapType::kLruPercpuHash, 4, 4, 100),
          map(MapType::kLpmTrie, 8, 4, 200)};
}

TEST_F(KernelMapContents, OneProcessor) {
  round_trip(all_types(), 1);
}

TEST_F(KernelMapContents, AllProcessors) {
  round_trip(all_types(), possible_cpus());
}

TEST_F(KernelMapContents, MoreThanABatch) {
  round_trip({map(MapType::kHash, 8, 500, 5000), map(MapType::kArray, 4, 1000, 3000)}, 1);
}

TEST_F(KernelMapContents, EmptyAndFull) {
  Running r(object({program("r0 = 2\nexit\n")},
                   {map(MapType::kHash, 4, 4, 1), map(MapType::kHash, 4, 4, 3)}));
  for (std::uint32_t i = 0; i < 3; ++i) {
    ASSERT_EQ(r.maps.user_update(1, u32(i), u32(i), kAny), 0);
  }
  KILN_LOAD(r);
  EXPECT_TRUE(compare_maps(r.maps, r.state(), 9).empty());
}

// A program writes on the processor it was pinned to; that is processor 0 here.
TEST_F(KernelMapContents, PerCpuValuesOfTheProgramLandInSlotZero) {
  Running r(object({program(R"(
    *(u32 *)(r10 -4) = 0
    r2 = r10
    r2 += -4
    r1 = map[idx:0]
    call 1
    if r0 == 0 goto out
    *(u32 *)(r0 +0) = 77
  out:
    r0 = 2
    exit)")},
                   {map(MapType::kPercpuArray, 4, 4, 1)}),
            possible_cpus());
  KILN_LOAD(r);
  r.run(frame(60));
  auto value = r.state().user_lookup(0, u32(0));
  ASSERT_TRUE(value);
  std::vector<std::byte> expected(value->size());
  expected[0] = std::byte{77};
  EXPECT_EQ(*value, expected);
}

TEST_F(KernelMapContents, MoreProcessorsThanTheMachineHasAreRefused) {
  Running r(object({program("r0 = 2\nexit\n")}, {map(MapType::kPercpuArray, 4, 4, 1)}),
            possible_cpus() + 1);
  EXPECT_EQ(r.load().error().code, Errc::kUnsupported);
}

}  // namespace
}  // namespace kiln::kernel::test
