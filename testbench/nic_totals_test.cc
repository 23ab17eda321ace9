// SPDX-License-Identifier: Apache-2.0
//
// Many frames in flight on several cores of the NIC, all at the same queue, stack and ring buffer: nothing is lost
// and nothing comes twice.
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <kiln/capture.h>
#include <kiln/compare.h>
#include <kiln/nic_engine.h>
#include <kiln/prepare.h>

namespace kiln {
namespace {

std::uint64_t sum(const MapSet& maps, std::uint32_t index) {
  std::uint64_t value = 0;
  const auto found = maps.user_lookup(*maps.find("sums"), std::as_bytes(std::span(&index, 1)));
  std::memcpy(&value, found->data(), sizeof value);
  return value;
}

/// What is left in a queue or stack: how many values, and their sum.
std::pair<std::uint64_t, std::uint64_t> left(const MapSet& maps, std::string_view name) {
  std::uint64_t count = 0, total = 0;
  maps.for_each(*maps.find(name), [&](std::span<const std::byte>, std::span<const std::byte> value) {
    std::uint64_t number = 0;
    std::memcpy(&number, value.data(), sizeof number);
    total += number;
    ++count;
  });
  return {count, total};
}

TEST(NicTotals, AreExact) {
  const std::filesystem::path build = KILN_BUILD_DIR;
  auto prepared = prepare(build / "programs/features/totals.bpf.o", "totals", {});
  ASSERT_TRUE(prepared) << prepared.error().message;
  auto frames = read_capture(build / "captures/totals.pcap");
  ASSERT_TRUE(frames) << frames.error().message;
  const Prepared& p = **prepared;
  for (const auto& [cores, threads] : {std::pair{1u, 8u}, std::pair{2u, 4u}}) {
    SCOPED_TRACE(fmt::format("{} cores of {} threads", cores, threads));
    auto maps = initial_maps(p, "", 1);
    ASSERT_TRUE(maps) << maps.error().message;
    auto nic = make_nic({.cores = cores, .threads = threads});
    const auto loaded = nic->load(p.verified, p.entry, std::move(maps).value(), p.environment);
    ASSERT_TRUE(loaded) << loaded.error().message;
    const auto measured = nic->measure(*frames, {});
    ASSERT_TRUE(measured) << measured.error().message;
    const auto after = nic->maps();
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_GT(sum(*after, 0), measured->packets);
    for (const auto& [name, first] : {std::pair{"queue", 1u}, std::pair{"stack", 5u}}) {
      const auto [count, total] = left(*after, name);
      EXPECT_GT(sum(*after, first + 2), measured->packets / 8) << name;
      EXPECT_EQ(sum(*after, first), sum(*after, first + 2) + count) << name;
      EXPECT_EQ(sum(*after, first + 1), sum(*after, first + 3) + total) << name;
    }
    RingHeader ring;
    std::memcpy(&ring, after->arena().data() + after->descriptor(*after->find("ring")).header, sizeof ring);
    EXPECT_EQ(sum(*after, 9) + sum(*after, 10), sum(*after, 0));
    EXPECT_EQ(ring.producer, 16 * sum(*after, 9));
    EXPECT_EQ(ring.consumer, ring.producer);  // all have gone to the host
  }
}

}  // namespace
}  // namespace kiln
