// SPDX-License-Identifier: Apache-2.0
//
// JSON against the program whose shape it has: `bpftool map dump -j` of maps in the real kernel.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdio>

#include <fmt/format.h>

#include "kernel_maps.h"

namespace kiln::test {
namespace {

/// What bpftool prints for a map, without the line's end; empty if there is no bpftool.
std::string bpftool_dump(int fd) {
  bpf_map_info info{};
  __u32 bytes = sizeof info;
  EXPECT_EQ(bpf_obj_get_info_by_fd(fd, &info, &bytes), 0);
  FILE* pipe = popen(fmt::format("bpftool -j map dump id {} 2>/dev/null", info.id).c_str(), "r");
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    text += static_cast<char>(c);
  }
  pclose(pipe);
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text;
}

struct Case {
  MapType type;
  ByteVector key;
  ByteVector value;  ///< one processor's
};

TEST(KernelJson, DumpEqualsBpftoolsAndItsDumpLoads) {
  if (const std::string why = why_no_kernel(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const auto cpus = static_cast<std::uint32_t>(libbpf_num_possible_cpus());
  const Case cases[] = {{MapType::kHash, bytes({1, 2, 0xab}), bytes({9, 8, 7, 6, 5})},
                        {MapType::kArray, u32(0), bytes({1, 2, 3})},
                        {MapType::kPercpuArray, u32(0), bytes({1, 2, 3})},
                        {MapType::kPercpuHash, bytes({5, 5, 5, 5, 5}), bytes({1, 2, 3})},
                        {MapType::kLpmTrie, bytes({8, 0, 0, 0, 10, 0}), bytes({1})},
                        {MapType::kLruHash, u32(77), bytes({1, 2})},
                        {MapType::kDevmapHash, u32(77), u32(1)}};
  for (const Case& c : cases) {
    SCOPED_TRACE(map_type_name(c.type));
    const MapSpec s = spec(c.type, static_cast<std::uint32_t>(c.key.size()),
                           static_cast<std::uint32_t>(c.value.size()), 1, 0, "m");
    MapSet ours = make(s, cpus);
    const KernelMap theirs(s);
    ByteVector value = c.value;
    for (std::uint32_t cpu = 0; is_per_cpu(c.type) && cpu < cpus; ++cpu) {
      value.resize(8 * (cpu + 1));
      value[8 * cpu] = std::byte(cpu + 1);
    }
    ASSERT_EQ(ours.user_update(0, c.key, value, kAny), 0);
    ASSERT_EQ(theirs.user_update(c.key, value, 0), 0);
    const std::string dump = bpftool_dump(theirs.fd());
    if (dump.empty()) {
      GTEST_SKIP() << "no bpftool";
    }
    EXPECT_EQ(dump_maps_json(ours), "{\"m\":" + dump + "}");
    MapSet loaded = make(s, cpus);
    const auto result = load_maps_json(loaded, "{\"m\":" + dump + "}");
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(compare_maps(ours, loaded, 10).empty());
  }
}

TEST(KernelJson, DevmapWithEmptySlotsLoads) {
  if (const std::string why = why_no_kernel(); !why.empty()) {
    GTEST_SKIP() << why;
  }
  const MapSpec s = spec(MapType::kDevmap, 4, 4, 3);
  const KernelMap theirs(s);
  ASSERT_EQ(theirs.user_update(u32(1), u32(1), 0), 0);
  const std::string dump = bpftool_dump(theirs.fd());
  if (dump.empty()) {
    GTEST_SKIP() << "no bpftool";
  }
  MapSet loaded = make(s);
  const auto result = load_maps_json(loaded, "{\"m\":" + dump + "}");
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(loaded.user_lookup(0, u32(1)), u32(1));
  EXPECT_EQ(loaded.user_lookup(0, u32(0)), std::nullopt);
}

}  // namespace
}  // namespace kiln::test
