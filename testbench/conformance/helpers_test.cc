// SPDX-License-Identifier: Apache-2.0
//
// What helpers return and do to the frame: interpreter, JIT with and without checks, and Linux must agree.
//
// Programs are assembly, many of them made at random from a list of calls. Where bpf(2) is refused the engines are
// compared with each other alone. Helpers of packets that are struct sk_buff: helpers_skb_test.cc.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>

#include "scenario.h"

namespace kiln::conformance {
namespace {

/// Calls with constant arguments; R0 of all of them is mixed into the result.
std::string call_sequence(const std::vector<std::pair<std::string, std::int32_t>>& calls) {
  std::string code = "r6 = r1\nr7 = 0\n";
  for (const auto& [helper, argument] : calls) {
    code += fmt::format("r1 = r6\nr2 = {}\ncall {}\nr7 *= 33\nr7 += r0\n", argument, helper);
  }
  return code + "r0 = r7\nexit\n";
}

constexpr const char* kHead = "bpf_xdp_adjust_head#44";
constexpr const char* kMeta = "bpf_xdp_adjust_meta#54";
constexpr const char* kTail = "bpf_xdp_adjust_tail#65";


TEST_F(HelpersAgainstLinux, AdjustLimits) {
  const std::int32_t length = 64;
  // The last offset that is allowed, and the first that is not.
  EXPECT_EQ(code_of(agree({call_sequence({{kHead, length - 14}})})), 0);
  EXPECT_EQ(code_of(agree({call_sequence({{kHead, length - 13}})})), -22);
  EXPECT_EQ(code_of(agree({call_sequence({{kHead, -216}})})), 0);
  EXPECT_EQ(code_of(agree({call_sequence({{kHead, -217}})})), -22);
  EXPECT_EQ(code_of(agree({call_sequence({{kTail, 14 - length}})})), 0);
  EXPECT_EQ(code_of(agree({call_sequence({{kTail, 13 - length}})})), -22);
  EXPECT_EQ(code_of(agree({call_sequence({{kTail, 4096 - 320 - 256 - length}})})), 0);
  EXPECT_EQ(code_of(agree({call_sequence({{kTail, 4096 - 320 - 256 - length + 1}})})), -22);
  EXPECT_EQ(code_of(agree({call_sequence({{kMeta, -216}})})), 0);
  EXPECT_EQ(code_of(agree({call_sequence({{kMeta, -217}})})), -22);
  EXPECT_EQ(code_of(agree({call_sequence({{kMeta, -6}})})), -13);
  EXPECT_EQ(code_of(agree({call_sequence({{kMeta, 4}})})), -22);
  // 255 bytes of metadata at most, in steps of four, once there is room for more.
  EXPECT_EQ(code_of(agree({call_sequence({{kHead, 50}, {kMeta, -252}})})), 0);
  EXPECT_EQ(code_of(agree({call_sequence({{kHead, 50}, {kMeta, -256}})})), -13);
  // Metadata moves along with the head, and takes room in front of it.
  EXPECT_EQ(code_of(agree({call_sequence({{kMeta, -8}, {kHead, -208}})})), 0);
  EXPECT_EQ(code_of(agree({call_sequence({{kMeta, -8}, {kHead, -209}})})), -22);
  EXPECT_EQ(code_of(agree({call_sequence({{kHead, std::numeric_limits<std::int32_t>::min()}})})), -22);
  EXPECT_EQ(code_of(agree({call_sequence({{kTail, std::numeric_limits<std::int32_t>::max()}})})), -22);
}

TEST_F(HelpersAgainstLinux, AdjustSequences) {
  std::mt19937 random(7);
  constexpr const char* kHelpers[] = {kHead, kMeta, kTail};
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    std::vector<std::pair<std::string, std::int32_t>> calls;
    for (std::uint32_t i = 0, n = 1 + random() % 6; i < n; ++i) {
      const auto range = random() % 4 == 0 ? 4000u : 80u;
      calls.emplace_back(kHelpers[random() % 3], static_cast<std::int32_t>(random() % range) - static_cast<std::int32_t>(range / 2));
      if (random() % 2 == 0) {
        calls.back().second &= ~3;
      }
    }
    agree({call_sequence(calls)});
  }
}

TEST_F(HelpersAgainstLinux, GrownTailIsZero) {
  const Observed seen = agree({call_sequence({{kTail, -40}, {kTail, 30}})});
  ASSERT_EQ(seen.frame.size(), 54u);
  EXPECT_NE(seen.frame[23], std::byte{0});
  for (std::size_t i = 24; i < 54; ++i) {
    EXPECT_EQ(seen.frame[i], std::byte{0}) << i;
  }
}

/// csum_diff over constant parts of the packet; sizes may be 0, which asks for NULL.
std::string csum_code(std::uint32_t from, std::uint32_t from_size, std::uint32_t to, std::uint32_t to_size,
                      std::int32_t seed) {
  std::string code = "r6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr2 = r6\nr2 += 64\nif r2 > r7 goto out\n";
  code += from_size == 0 ? "r1 = 0\n" : fmt::format("r1 = r6\nr1 += {}\n", from);
  code += fmt::format("r2 = {}\n", from_size);
  code += to_size == 0 ? "r3 = 0\n" : fmt::format("r3 = r6\nr3 += {}\n", to);
  return code + fmt::format("r4 = {}\nr5 = {}\ncall bpf_csum_diff#28\nexit\nout:\nr0 = 7\nexit\n", to_size, seed);
}

TEST_F(HelpersAgainstLinux, ChecksumDifference) {
  std::mt19937 random(11);
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    const std::uint32_t from_size = random() % 4 == 0 ? 0 : random() % 32, to_size = random() % 4 == 0 ? 0 : random() % 32;
    const auto seed = random() % 3 == 0 ? 0 : random() % 3 == 0 ? -1 : static_cast<std::int32_t>(random());
    const Observed seen = agree({csum_code(random() % 32, from_size, random() % 32, to_size, seed)});
    EXPECT_LE(seen.code, 0xffffu);  // folded to 16 bits, never an error
  }
  // The same bytes on both sides: minus zero.
  EXPECT_EQ(agree({csum_code(8, 16, 8, 16, 0)}).code, 0xffffu);
}

/// The packet's first bytes are overwritten first, so that sums of zeros and ones come up too.
TEST_F(HelpersAgainstLinux, ChecksumOfZerosAndOnes) {
  for (const char* fill : {"0", "-1"}) {
    for (const int size : {4, 8, 12, 5, 7}) {
      for (const int seed : {0, -1, 1, 0x10000}) {
        for (const bool push : {false, true}) {
          const std::string body = fmt::format(
              "*(u64 *)(r10 -16) = {}\n*(u64 *)(r10 -8) = {}\nr2 = r10\nr2 += -16\n", fill, fill);
          const std::string arguments = push ? fmt::format("r3 = r2\nr4 = {}\nr1 = 0\nr2 = 0\n", size)
                                             : fmt::format("r1 = r2\nr2 = {}\nr3 = 0\nr4 = 0\n", size);
          agree({body + arguments + fmt::format("r5 = {}\ncall bpf_csum_diff#28\nexit\n", seed)});
        }
      }
    }
  }
}

TEST_F(HelpersAgainstLinux, Redirect) {
  EXPECT_EQ(agree({"r1 = 1\nr2 = 0\ncall bpf_redirect#23\nexit\n"}).code, 4u);
  EXPECT_EQ(agree({"r1 = 1\nr2 = 1\ncall bpf_redirect#23\nexit\n"}).code, 0u);
  EXPECT_EQ(agree({"r1 = 1\nr2 = 0x100000000 ll\ncall bpf_redirect#23\nexit\n"}).code, 0u);
}

std::string redirect_map_code(std::uint64_t key, std::uint64_t flags) {
  return fmt::format("r1 = map[idx:0]\nr2 = {:#x} ll\nr3 = {:#x} ll\ncall bpf_redirect_map#51\nexit\n", key, flags);
}

TEST_F(HelpersAgainstLinux, RedirectMap) {
  const MapSpec devices = map_spec(MapType::kDevmap, 4, 4, 4), hashed = map_spec(MapType::kDevmapHash, 4, 4, 4),
                processors = map_spec(MapType::kCpumap, 4, 4, 2);
  for (const std::uint64_t flags : {0ull, 1ull, 2ull, 3ull, 4ull, 8ull, 9ull, 16ull, 17ull, 24ull, 32ull, 1ull << 32}) {
    for (const std::uint64_t key : {0ull, 1ull, 4ull, 77ull, 0x100000001ull}) {
      agree({redirect_map_code(key, flags), {devices}, {{0, {1}, {1}}}});
      agree({redirect_map_code(key, flags), {hashed}, {{0, {77}, {1}}}});
      agree({redirect_map_code(key, flags), {processors}, {{0, {0}, {64}}}});
    }
  }
}

/// A program that counts its runs in map 1 and calls itself; the result is the count.
std::string counting(const char* index) {
  return fmt::format(
      "r6 = r1\nr7 = map[idx:1][0]+0\nr1 = *(u32 *)(r7 +0)\nr1 += 1\n*(u32 *)(r7 +0) = r1\n"
      "r1 = r6\nr2 = map[idx:0]\nr3 = {} ll\ncall bpf_tail_call#12\n"
      "r0 = *(u32 *)(r7 +0)\nexit\n", index);
}

TEST_F(HelpersAgainstLinux, TailCallLimit) {
  const std::vector<MapSpec> maps = {map_spec(MapType::kProgArray, 4, 4, 2), map_spec(MapType::kArray, 4, 8, 1)};
  const auto runs = [&](const char* index, bool filled) {
    Scenario scenario{.code = counting(index), .maps = maps, .self_in_map_0 = filled};
    auto insns = assemble(scenario.code);
    EXPECT_TRUE(insns) << insns.error().message;
    const auto interp = make_interp(), jit = make_jit();
    const std::uint32_t count = run_engine(*interp, scenario, *insns, true).code;
    EXPECT_EQ(count, run_engine(*jit, scenario, *insns, true).code);
    if (const auto truth = run_linux(scenario, *insns)) {
      EXPECT_EQ(truth->code, count);
    }
    return count;
  };
  EXPECT_EQ(runs("0", true), 34u);
  EXPECT_EQ(runs("1", true), 1u);   // an empty slot
  EXPECT_EQ(runs("2", true), 1u);   // beyond the array
  EXPECT_EQ(runs("0x100000000", true), 34u);  // 32 bits of the index count
  EXPECT_EQ(runs("0", false), 1u);
}

/// A tail call out of a function replaces that function only: its caller goes on with the other program's R0.
TEST_F(HelpersAgainstLinux, TailCallOutOfAFunction) {
  const std::string code =
      "r6 = r1\nr7 = map[idx:1][0]+0\nr8 = *(u32 *)(r7 +0)\nif r8 > 2 goto enough\nr8 += 1\n*(u32 *)(r7 +0) = r8\n"
      "r1 = r6\ncall hop\nr0 *= 10\nr0 += r8\nexit\n"
      "enough:\nr0 = 7\nexit\n"
      "hop:\n*(u64 *)(r10 -8) = 1\nr2 = map[idx:0]\nr3 = 0\ncall bpf_tail_call#12\nr0 = 1000\nexit\n";
  const std::vector<MapSpec> maps = {map_spec(MapType::kProgArray, 4, 4, 2), map_spec(MapType::kArray, 4, 8, 1)};
  Scenario scenario{.code = code, .maps = maps, .self_in_map_0 = true};
  auto insns = assemble(code);
  ASSERT_TRUE(insns) << insns.error().message;
  const auto interp = make_interp(), jit = make_jit();
  const std::uint32_t seen = run_engine(*interp, scenario, *insns, true).code;
  EXPECT_EQ(seen, 7321u);  // Linux allows it only with BTF for the function, which raw instructions don't have
  EXPECT_EQ(seen, run_engine(*jit, scenario, *insns, true).code);
}

/// "text" on the stack, then trace_printk with three arguments.
std::string printk_code(const std::string& text, bool terminated = true) {
  std::string bytes = text + (terminated ? std::string(1, '\0') : "");
  const std::size_t size = bytes.size();
  bytes.resize((size + 7) / 8 * 8);
  std::string code;
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    code += fmt::format("r1 = {:#x} ll\n*(u64 *)(r10 -{}) = r1\n", word, bytes.size() - at);
  }
  return code + fmt::format("r1 = r10\nr1 += -{}\nr2 = {}\nr3 = -5 ll\nr4 = 0xfedcba9876 ll\nr5 = 65\n"
                            "call bpf_trace_printk#6\nexit\n", bytes.size(), size);
}

TEST_F(HelpersAgainstLinux, TracePrintkReturnsTheLength) {
  for (const char* text : {"", "plain", "%d", "%d %u", "%i|%x|%X", "%ld %lld", "%lu %llu %c", "%llx and %lx", "%5d|", "%-5d|",
                           "%05d|", "%+d|%+u", "% d", "%08llx", "%c%c%c", "%%", "100%% %d", "%p", "%px", "%3c|", "a\tb\n"}) {
    agree({printk_code(text)});
  }
  // What Linux refuses.
  for (const char* text : {"%", "%q", "%d %d %d %d", "%lc", "%lls", "%h", "%hd", "\x01", "%l", "%5"}) {
    EXPECT_EQ(code_of(agree({printk_code(text)})), -22) << text;
  }
  EXPECT_EQ(code_of(agree({printk_code("no end", false)})), -22);
}

TEST_F(HelpersAgainstLinux, PerfEventOutputWithoutListener) {
  const std::vector<MapSpec> maps = {map_spec(MapType::kPerfEventArray, 4, 4, 2)};
  const auto code = [](std::uint64_t flags, int size) {
    return fmt::format("*(u64 *)(r10 -8) = 17\nr2 = map[idx:0]\nr3 = {:#x} ll\nr4 = r10\nr4 += -8\nr5 = {}\n"
                       "call bpf_perf_event_output#25\nexit\n", flags, size);
  };
  const auto result = [&](std::uint64_t flags, int size = 8) { return code_of(agree({code(flags, size), maps})); };
  EXPECT_EQ(result(0), -2);
  EXPECT_EQ(result(1), -2);
  EXPECT_EQ(result(2), -7);
  EXPECT_EQ(result(0, 0), -2);
  EXPECT_EQ(result(1ull << 52), -22);
  EXPECT_EQ(result(64ull << 32), -2);    // the whole frame as well
  EXPECT_EQ(result(65ull << 32), -14);   // more than there is
}

/// A key and a value on the stack, then one call on map 0; its 64-bit result comes back in two halves.
std::string map_call(const char* helper, std::uint32_t key, std::uint32_t value, std::uint64_t flags) {
  return fmt::format("*(u32 *)(r10 -4) = {}\n*(u32 *)(r10 -8) = {}\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\n"
                     "r3 = r10\nr3 += -8\nr4 = {:#x} ll\ncall {}\n", key, value, flags, helper);
}

TEST_F(HelpersAgainstLinux, MapCalls) {
  constexpr const char* kUpdate = "bpf_map_update_elem#2";
  constexpr const char* kDelete = "bpf_map_delete_elem#3";
  for (const MapType type : {MapType::kHash, MapType::kArray, MapType::kPercpuArray, MapType::kPercpuHash, MapType::kLruHash}) {
    const std::vector<MapSpec> maps = {map_spec(type, 4, 4, 2)};
    for (const std::uint64_t flags : {0ull, 1ull, 2ull, 3ull, 4ull, 8ull, 1ull << 40}) {
      agree({map_call(kUpdate, 1, 5, flags) + "exit\n", maps});
      agree({map_call(kUpdate, 1, 5, 0) + map_call(kUpdate, 1, 6, flags) + "exit\n", maps});
      if (type != MapType::kLruHash && type != MapType::kPercpuHash) {  // those may hold more for a while
        agree({map_call(kUpdate, 0, 5, 0) + map_call(kUpdate, 1, 5, 0) + map_call(kUpdate, 2, 6, flags) + "exit\n", maps});
      }
    }
    agree({map_call(kDelete, 1, 0, 0) + "exit\n", maps});
    agree({map_call(kUpdate, 1, 5, 0) + map_call(kDelete, 1, 0, 0) + "exit\n", maps});
    agree({map_call(kUpdate, 1, 77, 0) + map_call("bpf_map_lookup_elem#1", 1, 0, 0) +
               "if r0 == 0 goto none\nr0 = *(u32 *)(r0 +0)\nexit\nnone:\nr0 = 9\nexit\n", maps});
    agree({map_call("bpf_map_lookup_elem#1", 3, 0, 0) + "if r0 == 0 goto none\nr0 = 5\nexit\nnone:\nr0 = 9\nexit\n", maps});
  }
}

}  // namespace
}  // namespace kiln::conformance
