// SPDX-License-Identifier: Apache-2.0
//
// Map files: what is saved is loaded, whatever the type; what is damaged is refused; one map goes elsewhere.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include <kiln/map_file.h>

#include "test_maps.h"

namespace kiln::test {
namespace {

class MapFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("kiln_map_file_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    path = (folder_ / "m").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string bytes_of_file() const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write(const std::string& bytes) const { std::ofstream(path, std::ios::binary) << bytes; }

  std::string path;

 private:
  std::filesystem::path folder_;
};

std::vector<MapSpec> some_of_each() {
  return {spec(MapType::kArray, 4, 8, 3, 0, "array"),         spec(MapType::kHash, 4, 8, 5, 0, "hash"),
          spec(MapType::kPercpuHash, 4, 8, 5, 0, "percpu"),    spec(MapType::kLpmTrie, 8, 8, 5, 0, "lpm"),
          spec(MapType::kQueue, 0, 8, 5, 0, "queue"),          spec(MapType::kRingbuf, 0, 0, 4096, 0, "ring"),
          spec(MapType::kBloomFilter, 0, 8, 5, 0, "bloom"),    spec(MapType::kDevmap, 4, 8, 3, 0, "devices")};
}

void fill(MapSet& maps) {
  const ByteVector value = bytes({1, 2, 3, 4, 5, 6, 7, 8});
  for (std::size_t map = 0; map < maps.size(); ++map) {
    const MapSpec& s = maps.spec(map);
    if (is_ring(s.type)) {
      maps.ring_output(map, value, 0);
      maps.ring_output(map, u32(3), 0);
    } else if (is_keyless(s.type)) {
      maps.push(map, value, 0);
    } else {
      ByteVector values = value;
      values.resize(maps.user_value_size(map), std::byte{0});
      ASSERT_EQ(maps.user_update(map, ByteVector(s.key_size), values, kAny), 0) << s.name;
    }
  }
}

TEST_F(MapFiles, WhatIsSavedIsLoaded) {
  MapSet maps = make(some_of_each(), 2);
  fill(maps);
  maps.freeze(0);
  ASSERT_TRUE(save_map_file(path, maps, bytes({9, 8, 7})));
  auto file = load_map_file(path);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(file->btf, bytes({9, 8, 7}));
  EXPECT_TRUE(file->maps.is_frozen(0));
  EXPECT_FALSE(file->maps.is_frozen(1));
  EXPECT_EQ(file->maps.spec(3).name, "lpm");
  EXPECT_TRUE(std::equal(maps.arena().begin(), maps.arena().end(), file->maps.arena().begin()));
}

TEST_F(MapFiles, EveryDamageIsNoticed) {
  MapSet maps = make(spec(MapType::kHash, 4, 8, 2));
  fill(maps);
  ASSERT_TRUE(save_map_file(path, maps, {}));
  const std::string good = bytes_of_file();
  std::mt19937 random(7);
  for (int round = 0; round < 400; ++round) {
    std::string bad = good;
    if (round % 4 == 0) {
      bad.resize(random() % bad.size());
    } else {
      bad[round < 300 ? random() % 200 : random() % bad.size()] ^= static_cast<char>(1 << random() % 8);
    }
    write(bad);
    const auto file = load_map_file(path);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, Errc::kInput);
    EXPECT_EQ(file.error().message.find(path), 0u) << file.error().message;
  }
}

TEST_F(MapFiles, AnotherVersionIsRefusedAndStays) {
  MapSet maps = make(spec(MapType::kHash, 4, 8, 2));
  ASSERT_TRUE(save_map_file(path, maps, {}));
  std::string other = bytes_of_file();
  constexpr std::size_t kVersionAt = 8;
  other[kVersionAt] = static_cast<char>(other[kVersionAt] + 1);
  write(other);
  const auto file = load_map_file(path);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("version"), std::string::npos) << file.error().message;
  EXPECT_EQ(bytes_of_file(), other);
}

/// A process that saves without end is killed in the midst of it: the file is whole, the last one or the one before.
TEST_F(MapFiles, KilledWhileSaving) {
  MapSet maps = make(spec(MapType::kArray, 4, 8, 20000));
  const auto fill_with = [&maps](std::uint64_t number) {
    for (std::uint32_t i = 0; i < 20000; ++i) {
      std::memcpy(maps.arena().data() + maps.descriptor(0).entries + 8 * std::size_t{i}, &number, 8);
    }
  };
  fill_with(0);
  ASSERT_TRUE(save_map_file(path, maps, {}));
  std::mt19937 random(5);
  for (std::uint64_t round = 0; round < 15; ++round) {
    const pid_t saver = fork();
    ASSERT_GE(saver, 0);
    if (saver == 0) {
      for (std::uint64_t number = 1000 * round;; ++number) {
        fill_with(number);
        if (!save_map_file(path, maps, {})) {
          _exit(1);
        }
      }
    }
    usleep(2000 + random() % 20000);
    kill(saver, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(saver, &status, 0), saver);
    ASSERT_TRUE(WIFSIGNALED(status)) << "saving failed";
    const auto file = load_map_file(path);
    ASSERT_TRUE(file) << file.error().message;
    const std::byte* values = file->maps.arena().data() + file->maps.descriptor(0).entries;
    for (std::uint32_t i = 1; i < 20000; ++i) {
      ASSERT_EQ(std::memcmp(values, values + 8 * std::size_t{i}, 8), 0) << "of two saves";
    }
  }
}

TEST_F(MapFiles, AMapGoesElsewhere) {
  MapSet maps = make(some_of_each(), 2);
  fill(maps);
  for (std::size_t map = 0; map < maps.size(); ++map) {
    auto one = single_map(maps, map);
    ASSERT_TRUE(one) << one.error().message;
    MapSet back = make(some_of_each(), 2);
    ASSERT_TRUE(copy_map(*one, 0, back, map));
    MapSet expected = make(some_of_each(), 2);
    ASSERT_TRUE(copy_map(maps, map, expected, map));
    EXPECT_TRUE(compare_maps(back, expected, 1).empty()) << maps.spec(map).name;
    EXPECT_FALSE(compare_maps(back, make(some_of_each(), 2), 1).empty()) << maps.spec(map).name;
    if (is_ring(maps.spec(map).type)) {
      ring_commit(back.arena().data(), back.ring_reserve(map, 8).value(), false);
      EXPECT_EQ(back.ring_take(map)->size(), 8u);
    }
  }
}

TEST_F(MapFiles, OnlyAMapOfTheSameDescriptionIsTaken) {
  const MapSet from = make(spec(MapType::kHash, 4, 8, 2));
  for (const MapSpec& other : {spec(MapType::kLruHash, 4, 8, 2), spec(MapType::kHash, 8, 8, 2), spec(MapType::kHash, 4, 4, 2),
                               spec(MapType::kHash, 4, 8, 3), spec(MapType::kHash, 4, 8, 2, kNoPrealloc)}) {
    MapSet to = make(other);
    const auto result = copy_map(from, 0, to, 0);
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("the saved one"), std::string::npos);
  }
  EXPECT_FALSE(single_map(make(spec(MapType::kProgArray, 4, 4, 2)), 0));
}

}  // namespace
}  // namespace kiln::test
