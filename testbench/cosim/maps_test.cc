// SPDX-License-Identifier: Apache-2.0
//
// Map helpers on the core model: every map kind, key and value sizes, places of the key, flags known
// and not, in lockstep with the interpreter; at the end the arenas must be equal byte for byte.
//
// The programs take the operation, flags, key and value from the frame, and leave R0 in it.
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness.h"

namespace kiln::cosim {
namespace {

enum class KeyIn { kStack, kPacket, kMap };

constexpr std::uint32_t kKeyAt = 16, kValueAt = 96;  // in the frame
constexpr std::int32_t kStackKey = -72, kStackValue = -344;

std::string copy_to_stack(std::uint32_t from, std::int32_t to, std::uint32_t bytes) {
  std::string text;
  for (std::uint32_t at = 0; at < bytes;) {
    const std::uint32_t size = bytes - at >= 4 ? 4 : 1;
    text += fmt::format("r1 = *(u{0} *)(r7 +{1})\n*(u{0} *)(r10 {2:+d}) = r1\n", 8 * size, from + at,
                        to + static_cast<std::int32_t>(at));
    at += size;
  }
  return text;
}

struct Shape {
  MapType type;
  std::uint32_t key, value, entries;
  KeyIn key_in = KeyIn::kStack;
  bool value_on_stack = false;
  std::optional<std::uint32_t> flags{};  ///< constant, else from the frame
};

std::string text_of(const Shape& shape) {
  const std::string key = shape.key_in == KeyIn::kPacket ? fmt::format("r2 = r7\nr2 += {}\n", kKeyAt)
                          : shape.key_in == KeyIn::kMap  ? std::string("r2 = r8\n")
                                                         : fmt::format("r2 = r10\nr2 += {}\n", kStackKey);
  const std::string value = shape.value_on_stack ? fmt::format("r3 = r10\nr3 += {}\n", kStackValue)
                                                 : fmt::format("r3 = r7\nr3 += {}\n", kValueAt);
  const std::string flags = shape.flags ? fmt::format("r4 = {}\n", *shape.flags) : "r4 = *(u8 *)(r7 +1)\n";
  std::string text = fmt::format(
      "r6 = r1\nr7 = *(u32 *)(r6 +0)\nr8 = *(u32 *)(r6 +4)\nr1 = r7\nr1 += {}\nif r1 > r8 goto out\n",
      kValueAt + shape.value);
  if (shape.key_in == KeyIn::kMap) {
    // The key lies in the value of map 1.
    text += "*(u32 *)(r10 -4) = 0\nr1 = map[idx:1]\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr8 = r0\n";
    for (std::uint32_t at = 0; at < shape.key; ++at) {
      text += fmt::format("r1 = *(u8 *)(r7 +{})\n*(u8 *)(r8 +{}) = r1\n", kKeyAt + at, at);
    }
  } else if (shape.key_in == KeyIn::kStack) {
    text += copy_to_stack(kKeyAt, kStackKey, shape.key);
  }
  if (shape.value_on_stack) {
    text += copy_to_stack(kValueAt, kStackValue, shape.value);
  }
  text += "r9 = *(u8 *)(r7 +0)\nif r9 == 1 goto update\nif r9 == 2 goto delete\n";
  text += "r1 = map[idx:0]\n" + key + "call bpf_map_lookup_elem\nif r0 == 0 goto none\n";
  text += "r1 = *(u8 *)(r0 +0)\nr1 += 1\n*(u8 *)(r0 +0) = r1\n*(u8 *)(r7 +8) = r1\n";
  text += "r0 = 2\nexit\nnone:\n*(u8 *)(r7 +9) = 1\nr0 = 1\nexit\n";
  if (shape.type == MapType::kLpmTrie) {
    return text + "update:\ndelete:\nout:\nr0 = 0\nexit\n";
  }
  text += "update:\nr1 = map[idx:0]\n" + key + value + flags + "call bpf_map_update_elem\n*(u64 *)(r7 +8) = r0\nr0 = 3\nexit\n";
  text += "delete:\nr1 = map[idx:0]\n" + key + "call bpf_map_delete_elem\n*(u64 *)(r7 +8) = r0\nr0 = 4\nexit\n";
  return text + "out:\nr0 = 0\nexit\n";
}

std::vector<Frame> frames_for(const Shape& shape, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Frame> frames;
  for (int i = 0; i < 160; ++i) {
    Frame frame{.data = std::vector<std::byte>(kValueAt + shape.value + 4)};
    for (std::byte& byte : frame.data) {
      byte = static_cast<std::byte>(random());
    }
    const auto set = [&frame](std::size_t at, unsigned value) { frame.data[at] = static_cast<std::byte>(value); };
    set(0, random() % 8 < 5 ? 1 : random() % 3);
    set(1, random() % 4 == 0 ? random() % 9 : 0);
    // Few keys, so that operations meet; those of an LPM trie start with a prefix length.
    const unsigned which = random() % (shape.entries + 2);
    for (std::uint32_t at = 0; at < shape.key; ++at) {
      set(kKeyAt + at, at == 0 ? which : shape.type == MapType::kLpmTrie && at >= 4 ? which * 37 + at : 0);
    }
    if (shape.type == MapType::kLpmTrie) {
      set(kKeyAt, random() % (8 * (shape.key - 4) + 3));
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

void run(const Shape& shape, const CheckOptions& options = {}) {
  SCOPED_TRACE(fmt::format("{} key {} value {} entries {} key in {} value on stack {} flags {}",
                           map_type_name(shape.type), shape.key, shape.value, shape.entries,
                           static_cast<int>(shape.key_in), shape.value_on_stack, shape.flags ? int(*shape.flags) : -1));
  std::vector<MapSpec> maps = {
      map_spec(shape.type, shape.key, shape.value, shape.entries)};
  if (shape.key_in == KeyIn::kMap) {
    maps.push_back(map_spec(MapType::kArray, 4, 64, 1));
  }
  static std::size_t count = 0;
  if (!takes(count++)) {
    return;
  }
  TestProgram test;
  make_program(test, text_of(shape), maps);
  if (::testing::Test::HasFatalFailure()) {
    return;
  }
  const std::vector<Frame> frames = frames_for(shape, shape.key * 1000 + shape.value);
  if (shape.type == MapType::kLpmTrie) {  // programs only look up; what is there, some of the frames' keys
    for (std::size_t i = 0; i < frames.size(); i += 9) {
      const std::span<const std::byte> data = frames[i].data;
      test.maps.user_update(0, data.subspan(kKeyAt, shape.key), data.subspan(kValueAt, shape.value), 0);
    }
  }
  check(test, frames, options);
}

TEST(LoweredMaps, Arrays) {
  for (const MapType type : {MapType::kArray, MapType::kPercpuArray}) {
    for (const std::uint32_t value : {1u, 2u, 3u, 4u, 7u, 8u, 12u, 16u, 31u, 64u, 65u, 200u}) {
      run({.type = type, .key = 4, .value = value, .entries = 5});
      run({.type = type, .key = 4, .value = value, .entries = 5, .key_in = KeyIn::kPacket, .value_on_stack = true});
    }
    run({.type = type, .key = 4, .value = 8, .entries = 5, .key_in = KeyIn::kMap});
    for (std::uint32_t flags = 0; flags < 9; ++flags) {
      run({.type = type, .key = 4, .value = 8, .entries = 5, .flags = flags});
    }
  }
}

TEST(LoweredMaps, Hashes) {
  for (const MapType type : {MapType::kHash, MapType::kPercpuHash}) {
    for (const std::uint32_t key : {1u, 2u, 3u, 4u, 5u, 8u, 11u, 12u, 16u, 20u, 37u, 64u}) {
      run({.type = type, .key = key, .value = 8, .entries = 6});
      run({.type = type, .key = key, .value = 12, .entries = 6, .key_in = KeyIn::kPacket, .value_on_stack = true});
      run({.type = type, .key = key, .value = 8, .entries = 6, .key_in = KeyIn::kMap});
    }
    for (const std::uint32_t value : {1u, 3u, 6u, 15u, 64u, 65u, 136u, 200u}) {
      run({.type = type, .key = 8, .value = value, .entries = 6, .value_on_stack = true});
      run({.type = type, .key = 8, .value = value, .entries = 6, .key_in = KeyIn::kMap});
    }
    for (std::uint32_t flags = 0; flags < 4; ++flags) {
      run({.type = type, .key = 8, .value = 8, .entries = 6, .flags = flags});
    }
  }
}

TEST(LoweredMaps, Lru) {
  for (const MapType type : {MapType::kLruHash, MapType::kLruPercpuHash}) {
    run({.type = type, .key = 4, .value = 8, .entries = 6});
    run({.type = type, .key = 13, .value = 20, .entries = 6, .key_in = KeyIn::kPacket});
  }
}

TEST(LoweredMaps, LpmTrie) {
  for (const std::uint32_t key : {5u, 8u, 12u, 20u, 24u, 64u}) {
    run({.type = MapType::kLpmTrie, .key = key, .value = 8, .entries = 8});
    run({.type = MapType::kLpmTrie, .key = key, .value = 4, .entries = 8, .key_in = KeyIn::kPacket});
  }
}

/// PREPARE answers 0 while no entry is free: the program asks again.
TEST(LoweredMaps, BusyEngine) {
  for (const KeyIn key_in : {KeyIn::kStack, KeyIn::kPacket, KeyIn::kMap}) {
    const CheckOptions busy{.core = {.busy = true}, .on_kernel = false};
    run({.type = MapType::kHash, .key = 12, .value = 8, .entries = 6, .key_in = key_in}, busy);
    run({.type = MapType::kHash, .key = 12, .value = 100, .entries = 6, .key_in = key_in}, busy);
  }
}

/// A key longer than the service port takes is refused by name, with the instruction.
TEST(LoweredMaps, LongKeyIsRefused) {
  TestProgram test;
  const std::vector<MapSpec> maps = {
      map_spec(MapType::kHash, 65, 8, 4)};
  ASSERT_NO_FATAL_FAILURE(make_program(test, "r1 = map[idx:0]\nr2 = r10\nr2 += -72\ncall bpf_map_lookup_elem\nr0 = 1\nexit", maps));
  const auto image = lower(test.object, test.verified.facts, 0, core_maps(test.maps), {});
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, Errc::kUnsupported);
  EXPECT_EQ(image.error().insn, 4u);
  EXPECT_NE(image.error().message.find("a key of 65 bytes"), std::string::npos) << image.error().message;
}

/// Constant keys: an array's element is an address, and lookups of it can't fail.
TEST(LoweredMaps, ConstantIndex) {
  for (const std::uint32_t index : {0u, 2u, 3u, 0xffff'ffffu}) {
    TestProgram test;
    const std::vector<MapSpec> maps = {
        map_spec(MapType::kArray, 4, 24, 3)};
    ASSERT_NO_FATAL_FAILURE(make_program(
        test,
        fmt::format("*(u32 *)(r10 -4) = {}\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\n"
                    "if r0 == 0 goto out\nr1 = 1\nlock *(u64 *)(r0 +8) += r1\nr0 = 2\nexit\nout:\nr0 = 1\nexit",
                    static_cast<std::int32_t>(index)),
        maps));
    const std::vector<Frame> frames(3, Frame{.data = std::vector<std::byte>(64)});
    const double words = check(test, frames);
    EXPECT_LE(words, 7.0) << "the prologue, an address, an atomic and the verdict";
  }
}

}  // namespace
}  // namespace kiln::cosim
