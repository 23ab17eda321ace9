// SPDX-License-Identifier: Apache-2.0
#include "test_maps.h"

namespace kiln::test {
namespace {

TEST(Layout, HashHasTheDocumentedOffsets) {
  const MapSet maps = make(spec(MapType::kHash, 5, 12, 100), 4);
  const MapDescriptor& d = maps.descriptor(0);
  EXPECT_EQ(d.type, 1u);
  EXPECT_EQ(d.header, 64u);
  EXPECT_EQ(d.buckets, 64u + 128);
  EXPECT_EQ(d.bucket_mask, 127u);
  EXPECT_EQ(d.entries, d.buckets + 512);
  EXPECT_EQ(d.value_offset, 16u);
  EXPECT_EQ(d.value_stride, 16u);
  EXPECT_EQ(d.entry_stride, 32u);
  EXPECT_EQ(d.entry_count, 132u);
  EXPECT_EQ(d.cpu_count, 1u);
  EXPECT_EQ(maps.arena().size(), d.entries + 132 * 32u);
}

TEST(Layout, PerCpuValuesFollowEachOther) {
  const MapSet maps =
      make({spec(MapType::kPercpuArray, 4, 12, 3), spec(MapType::kPercpuHash, 8, 4, 1)}, 3);
  EXPECT_EQ(maps.descriptor(0).entry_stride, 48u);
  EXPECT_EQ(maps.descriptor(0).cpu_count, 3u);
  EXPECT_EQ(maps.descriptor(0).header, 0u);
  EXPECT_EQ(maps.descriptor(1).entry_stride, 8u + 8 + 24);
  EXPECT_EQ(maps.descriptor(1).bucket_mask, 0u);
  EXPECT_GE(maps.descriptor(1).header, maps.descriptor(0).entries + 3 * 48);
  EXPECT_EQ(maps.user_value_size(0), 48u);
}

TEST(Layout, LpmCountsFollowTheHeader) {
  const MapSet maps = make(spec(MapType::kLpmTrie, 8, 4, 10));
  EXPECT_GE(maps.descriptor(0).buckets, maps.descriptor(0).header + 88 + 4 * 33);
}

TEST(Layout, GlobalDataAndSlotsAreThere) {
  MapSpec data = spec(MapType::kArray, 4, 6, 1, 0, ".data");
  data.is_global_data = true;
  data.initial = bytes({1, 2, 3, 4, 5, 6});
  MapSpec progs = spec(MapType::kProgArray, 4, 4, 3, 0, "progs");
  progs.slots = {{2, 7}};
  MapSpec outer = spec(MapType::kHashOfMaps, 4, 4, 3, 0, "outer");
  outer.slots = {{9, 0}};
  const MapSet maps = make({data, progs, outer});
  EXPECT_EQ(maps.user_lookup(0, u32(0)), data.initial);
  EXPECT_EQ(maps.user_lookup(1, u32(2)), u32(8));
  EXPECT_EQ(maps.user_lookup(1, u32(1)), std::nullopt);
  EXPECT_EQ(maps.user_lookup(2, u32(9)), u32(1));
  EXPECT_EQ(maps.find("outer"), 2u);
  EXPECT_EQ(maps.find("nobody"), std::nullopt);
}

TEST(Layout, ArenaStaysWhenTheSetIsMovedAndIsCopiedWithIt) {
  MapSet maps = make(spec(MapType::kArray, 4, 8, 2));
  std::byte* before = maps.arena().data();
  maps.arena()[maps.descriptor(0).entries] = std::byte{5};
  MapSet moved = std::move(maps);
  EXPECT_EQ(moved.arena().data(), before);
  MapSet copy = moved;
  EXPECT_NE(copy.arena().data(), before);
  EXPECT_TRUE(compare_maps(copy, moved, 10).empty());
  copy.arena()[copy.descriptor(0).entries] = std::byte{6};
  EXPECT_EQ(compare_maps(copy, moved, 10).size(), 1u);
}

TEST(Layout, ImpossibleMapsAreRefusedByName) {
  const auto refused = [](const MapSpec& s, Errc code, std::string_view word) {
    const auto maps = MapSet::create(std::vector{s}, 1);
    ASSERT_FALSE(maps) << word;
    EXPECT_EQ(maps.error().code, code) << maps.error().message;
    EXPECT_NE(maps.error().message.find("'m'"), std::string::npos) << maps.error().message;
    EXPECT_NE(maps.error().message.find(word), std::string::npos) << maps.error().message;
  };
  refused(spec(MapType::kStructOps, 4, 4, 8), Errc::kUnsupported, "struct_ops");
  refused(spec(MapType::kArena, 0, 0, 8), Errc::kUnsupported, "arena");
  refused(spec(MapType::kRingbuf, 4, 0, 4096), Errc::kInput, "key size");
  refused(spec(MapType::kQueue, 4, 4, 8), Errc::kInput, "key size");
  refused(spec(MapType::kStack, 0, 0, 8), Errc::kInput, "value size");
  refused(spec(MapType::kBloomFilter, 0, 4, 0), Errc::kInput, "max_entries");
  refused(spec(MapType::kStackTrace, 4, 12, 8), Errc::kInput, "12");
  refused(spec(MapType::kArray, 8, 4, 8), Errc::kInput, "8, not 4");
  refused(spec(MapType::kArray, 4, 4, 0), Errc::kInput, "max_entries");
  refused(spec(MapType::kArray, 4, 4, 1, 1), Errc::kInput, "flags 0x1");
  refused(spec(MapType::kHash, 4, 4, 1, 0x180), Errc::kInput, "flags 0x180");
  refused(spec(MapType::kHash, 4, 0, 8), Errc::kInput, "value size");
  refused(spec(MapType::kHash, 0, 4, 8), Errc::kInput, "key size");
  refused(spec(MapType::kHash, 5u << 20, 4, 8), Errc::kInput, "more than a kernel");
  refused(spec(MapType::kLpmTrie, 4, 4, 8), Errc::kInput, "prefix");
  refused(spec(MapType::kLpmTrie, 261, 4, 8), Errc::kInput, "256");
  refused(spec(MapType::kDevmap, 4, 12, 8), Errc::kInput, "12");
  refused(spec(MapType::kArray, 4, 8, 1u << 31), Errc::kInput, "1 GiB");
  refused(spec(MapType::kHash, 4, 0x3f0000, 0xffffffff), Errc::kInput, "1 GiB");
  MapSpec no_flag = spec(MapType::kLpmTrie, 8, 4, 8);
  no_flag.flags = 0;
  refused(no_flag, Errc::kInput, "NO_PREALLOC");
}

TEST(Layout, PerfEventArrayWithoutSizeHasOneSlotAProcessor) {
  EXPECT_EQ(make(spec(MapType::kPerfEventArray, 4, 4, 0), 3).spec(0).max_entries, 3u);
}

TEST(Layout, RingBuffersAreOfASizeThatThereIs) {
  const MapSet maps = make({spec(MapType::kRingbuf, 0, 0, 5000), spec(MapType::kUserRingbuf, 0, 0, 4096)});
  EXPECT_EQ(maps.spec(0).max_entries, 8192u);
  EXPECT_EQ(maps.descriptor(0).bucket_mask, 8191u);
  EXPECT_EQ(maps.descriptor(1).bucket_mask, 4095u);
}

TEST(Layout, BloomFiltersHaveTheKernelsSize) {
  const auto bits = [](std::uint32_t entries, std::uint64_t hashes) {
    MapSpec bloom = spec(MapType::kBloomFilter, 0, 4, entries);
    bloom.map_extra = hashes;
    return make(bloom).descriptor(0).bucket_mask + 1;
  };
  EXPECT_EQ(bits(1, 0), 64u);
  EXPECT_EQ(bits(100, 0), 1024u) << "700, rounded up";
  EXPECT_EQ(bits(1000, 3), 8192u) << "4200, rounded up";
}

TEST(Layout, CoreMapsCarryTheDescriptor) {
  const MapSet maps = make(spec(MapType::kPercpuArray, 4, 12, 3), 2);
  const CoreMap map = core_maps(maps).at(0);
  EXPECT_EQ(map.entries, maps.descriptor(0).entries);
  EXPECT_EQ(map.entry_stride, 32u);
  EXPECT_EQ(map.cpu_count, 2u);
}

}  // namespace
}  // namespace kiln::test
