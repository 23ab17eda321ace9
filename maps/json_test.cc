// SPDX-License-Identifier: Apache-2.0
#include "test_maps.h"

#include <algorithm>

namespace kiln::test {
namespace {

std::vector<MapSpec> specs() {
  MapSpec rodata = spec(MapType::kArray, 4, 2, 1, 0, ".rodata");
  rodata.initial = bytes({7, 8});
  rodata.is_readonly = true;
  return {spec(MapType::kHash, 2, 1, 4, 0, "h"), spec(MapType::kPercpuArray, 4, 2, 1, 0, "p"),
          spec(MapType::kDevmap, 4, 4, 2, 0, "d"), rodata};
}

TEST(Json, DumpIsBpftoolsShape) {
  MapSet maps = make(specs(), 2);
  maps.user_update(0, bytes({1, 0xab}), bytes({3}), kAny);
  EXPECT_EQ(
      dump_maps_json(maps),
      R"({"h":[{"key":["0x01","0xab"],"value":["0x03"]}],)"
      R"("p":[{"key":["0x00","0x00","0x00","0x00"],"values":[{"cpu":0,"value":["0x00","0x00"]},)"
      R"({"cpu":1,"value":["0x00","0x00"]}]}],)"
      R"("d":[],)"
      R"(".rodata":[{"key":["0x00","0x00","0x00","0x00"],"value":["0x07","0x08"]}]})");
}

TEST(Json, LoadOfADumpGivesTheSameContents) {
  MapSet maps = make(specs(), 2);
  maps.user_update(0, bytes({1, 2}), bytes({3}), kAny);
  maps.user_update(0, bytes({5, 2}), bytes({0xff}), kAny);
  maps.user_update(1, u32(0), bytes({1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0}), kAny);
  maps.user_update(2, u32(1), u32(1), kAny);
  MapSet other = make(specs(), 2);
  other.user_update(0, bytes({9, 9}), bytes({9}), kAny);
  const std::byte* arena = other.arena().data();
  const auto loaded = load_maps_json(other, dump_maps_json(maps));
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(compare_maps(maps, other, 10).empty());
  EXPECT_EQ(other.arena().data(), arena);
  EXPECT_EQ(dump_maps_json(other), dump_maps_json(maps));
}

TEST(Json, TakesNumbersFormattedAndEmptySlots) {
  MapSet maps = make(specs(), 2);
  const auto loaded = load_maps_json(maps, R"({
    "h": [{"key": [1, "0x2"], "value": [255], "formatted": {"key": 513, "value": 255}}],
    "d": [{"key": ["0x00","0x00","0x00","0x00"], "value": {"error": "No such file or directory"}},
          {"key": [1,0,0,0], "value": [1,0,0,0]}],
    "p": [{"key": [0,0,0,0], "values": [{"cpu": 1, "value": [4, 5]}, {"cpu": 7, "value": [0, 0]}]}]})");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(maps.user_lookup(0, bytes({1, 2})), bytes({255}));
  EXPECT_EQ(maps.user_lookup(1, u32(0)), bytes({0, 0, 0, 0, 0, 0, 0, 0, 4, 5, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(maps.user_lookup(2, u32(1)), u32(1));
}

TEST(Json, ErrorsNameMapAndElementAndChangeNothing) {
  const MapSet untouched = make(specs(), 2);
  const auto refused = [&](std::string_view json, std::string_view message) {
    MapSet maps = untouched;
    const auto loaded = load_maps_json(maps, json);
    ASSERT_FALSE(loaded) << json;
    EXPECT_EQ(loaded.error().code, Errc::kInput);
    EXPECT_EQ(loaded.error().message, message);
    EXPECT_TRUE(std::equal(maps.arena().begin(), maps.arena().end(), untouched.arena().begin()));
  };
  refused("{", "the map state is not JSON");
  refused("[]", "the map state is not a JSON object with one member a map");
  refused(R"({"x":[]})", "map 'x': the object has no such map");
  refused(R"({"h":7})", "map 'h': not an array of elements");
  refused(R"({"h":[{"key":[1,2],"value":[1]},{"key":[1],"value":[1]}]})",
          "map 'h', element 1: its key has 1 bytes, not 2");
  refused(R"({"h":[{"key":[1,2],"value":[1,2]}]})",
          "map 'h', element 0: its value has 2 bytes, not 1");
  refused(R"({"h":[{"key":[1,256],"value":[1]}]})",
          "map 'h', element 0: byte 1 of its key is neither \"0x00\" to \"0xff\" nor 0 to 255");
  refused(R"({"h":[{"key":["0x","0x00"],"value":[1]}]})",
          "map 'h', element 0: byte 0 of its key is neither \"0x00\" to \"0xff\" nor 0 to 255");
  refused(R"({"h":[{"key":[-1,0],"value":[1]}]})",
          "map 'h', element 0: byte 0 of its key is neither \"0x00\" to \"0xff\" nor 0 to 255");
  refused(R"({"h":[{"key":[1,2]}]})", "map 'h', element 0: it has no \"value\"");
  refused(R"({"h":[{"key":[1,0],"value":[1]},{"key":[2,0],"value":[1]},{"key":[3,0],"value":[1]},
                   {"key":[4,0],"value":[1]},{"key":[5,0],"value":[1]}]})",
          "map 'h', element 4: no room for it, or an index beyond the last element");
  refused(R"({"h":[5]})", "map 'h', element 0: it is not an object with a \"key\"");
  refused(R"({"p":[{"key":[0,0,0,0],"value":[1,2]}]})", "map 'p', element 0: it has no \"values\"");
  refused(R"({"p":[{"key":[0,0,0,0],"values":[{"cpu":2,"value":[0,1]}]}]})",
          "map 'p', element 0: a value for processor 2, but there are 2");
  refused(R"({".rodata":[{"key":[0,0,0,0],"value":[1,2]}]})",
          "map '.rodata', element 0: this map is read-only and holds another value");
}

TEST(Json, HostileTextIsAnErrorNotACrash) {
  MapSet maps = make(specs(), 2);
  EXPECT_FALSE(load_maps_json(maps, std::string(100000, '[')));
  EXPECT_FALSE(load_maps_json(maps, "{\"\xff\":[]}"));
  EXPECT_FALSE(load_maps_json(maps, ""));
}

}  // namespace
}  // namespace kiln::test
