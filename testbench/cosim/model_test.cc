// SPDX-License-Identifier: Apache-2.0
//
// What only the model can be asked: being another processor than the first.
#include <gtest/gtest.h>

#include "core_model.h"
#include "harness.h"

namespace kiln::cosim {
namespace {

/// Each processor has its own value: the model as processor 2 of 4 changes that one only.
TEST(LoweredMaps, PerCpu) {
  for (const MapType type : {MapType::kPercpuArray, MapType::kPercpuHash, MapType::kLruPercpuHash}) {
    TestProgram test;
    const std::vector<MapSpec> maps = {
        map_spec(type, 4, 12, 3)};
    ASSERT_NO_FATAL_FAILURE(make_program(test,
                                         "*(u32 *)(r10 -4) = 1\n*(u64 *)(r10 -16) = 5\n*(u32 *)(r10 -8) = 6\n"
                                         "r1 = map[idx:0]\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -16\nr4 = 0\n"
                                         "call bpf_map_update_elem\n"
                                         "r1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"
                                         "if r0 == 0 goto out\nr1 = *(u64 *)(r0 +0)\nr1 += 1\n*(u64 *)(r0 +0) = r1\n"
                                         "out:\nr0 = 2\nexit",
                                         maps));
    auto set = MapSet::create(maps, 4);
    ASSERT_TRUE(set);
    auto image = lower(test.object, test.verified.facts, 0, core_maps(*set), {});
    ASSERT_TRUE(image) << image.error().message;
    CoreModel model(*image, *set, Environment(), {.cpu = 2});
    std::vector<RetireRecord> records;
    const auto outcome = model.run(Frame{.data = std::vector<std::byte>(64)}, records);
    ASSERT_TRUE(outcome) << outcome.error().message;
    const std::uint32_t key = 1;
    const auto value = model.maps().user_lookup(0, std::as_bytes(std::span(&key, 1)));
    ASSERT_TRUE(value);
    ASSERT_EQ(value->size(), 4u * 16);
    for (std::size_t cpu = 0; cpu < 4; ++cpu) {
      EXPECT_EQ(std::to_integer<int>((*value)[16 * cpu]), cpu == 2 ? 6 : 0) << "processor " << cpu;
    }
  }
}

}  // namespace
}  // namespace kiln::cosim
