// SPDX-License-Identifier: Apache-2.0
//
// Helpers of text and of memory by offset against Linux: strtol, strtoul, snprintf's kin, load and store bytes,
// dynptrs, queues, ring buffers, perf events.
#include <gtest/gtest.h>

#include <cstring>

#include <fmt/format.h>

#include "scenario.h"

namespace kiln::conformance {
namespace {

/// Stores `text`, padded to eight bytes, at the end of the stack; r6 is its address.
std::string text_on_stack(std::string text, std::size_t room = 64) {
  text.resize(room, '\0');
  std::string code;
  for (std::size_t at = 0; at < room; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, 8);
    code += fmt::format("r1 = {:#x} ll\n*(u64 *)(r10 -{}) = r1\n", word, room - at);
  }
  return code + fmt::format("r6 = r10\nr6 += -{}\n", room);
}

/// strto*: the result mixed with the number, folded to 32 bits, so that both are seen.
std::string number_code(const char* helper, const std::string& text, std::size_t size, std::uint64_t flags) {
  return text_on_stack(text) +
         fmt::format("r1 = r6\nr2 = {}\nr3 = {:#x} ll\nr4 = r10\nr4 += -72\ncall {}\n"
                     "r1 = *(u64 *)(r10 -72)\nr0 *= 31\nr0 += r1\nr1 >>= 32\nr0 += r1\nexit\n", size, flags, helper);
}

TEST_F(HelpersAgainstLinux, NumbersFromText) {
  const std::string texts[] = {"0", "7", "-7", " 12", "\t-12x", "0x1f", "0X1F", "-0x10", "0x", "017", "08", "18446744073709551615",
                               "18446744073709551616", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
                               "-9223372036854775809", "", "-", "--1", "+5", "abc", "12 34", "  ", "ffffffffffffffff", "0b11",
                               "00000000000000000000000000000000000000000000000000000000001"};
  for (const char* helper : {"bpf_strtol#105", "bpf_strtoul#106"}) {
    for (const std::string& text : texts) {
      for (const std::uint64_t flags : {0ull, 8ull, 10ull, 16ull, 2ull, 32ull, 1ull << 40}) {
        agree({.code = number_code(helper, text, std::max<std::size_t>(text.size(), 1), flags)});
      }
      agree({.code = number_code(helper, text, 64, 0)});
      agree({.code = number_code(helper, text, 2, 0)});
    }
  }
}

TEST_F(HelpersAgainstLinux, LoadAndStoreBytes) {
  for (const std::uint64_t offset : {0ull, 1ull, 56ull, 57ull, 63ull, 64ull, 65ull, 0xffffull, 0x10000ull, 0xffffffffull, 1ull << 32}) {
    for (const int size : {1, 7, 8}) {
      for (const char* helper : {"bpf_xdp_load_bytes#189", "bpf_xdp_store_bytes#190"}) {
        agree({.code = fmt::format("*(u64 *)(r10 -8) = 0x11223344\nr2 = {:#x} ll\nr3 = r10\nr3 += -8\nr4 = {}\ncall {}\n"
                                   "r1 = *(u64 *)(r10 -8)\nr0 *= 33\nr0 += r1\nexit\n", offset, size, helper)});
      }
    }
  }
  EXPECT_EQ(code_of(agree({.code = "call bpf_xdp_get_buff_len#188\nexit\n"})), 64);
}

/// Frames longer than a page: the rest is out of direct reach, and moves with the tail.
TEST_F(HelpersAgainstLinux, FramesInPieces) {
  for (const std::size_t bytes : {3521u, 4000u, 7616u, 7617u, 9000u}) {
    Scenario scenario{.frame_bytes = bytes};
    for (const std::uint32_t offset : {0u, 3516u, 3519u, 3520u, 7612u, 7615u}) {
      scenario.code = fmt::format("*(u64 *)(r10 -8) = 0\nr2 = {}\nr3 = r10\nr3 += -8\nr4 = 8\ncall bpf_xdp_load_bytes#189\n"
                                  "r1 = *(u64 *)(r10 -8)\nr0 *= 33\nr0 += r1\nexit\n", offset);
      scenario.frags = true;
      agree(scenario);
      scenario.code = fmt::format("*(u64 *)(r10 -8) = 0x55667788\nr2 = {}\nr3 = r10\nr3 += -8\nr4 = 8\ncall bpf_xdp_store_bytes#190\n"
                                  "exit\n", offset);
      agree(scenario);
    }
    for (const int by : {0, 1, 100, 575, 576, 577, 4000, -1, -100, -500, -4096, -5000, -3507, -8986, -8987, -20000}) {
      scenario.code = fmt::format("r6 = r1\nr2 = {}\ncall bpf_xdp_adjust_tail#65\nr7 = r0\nr1 = r6\ncall bpf_xdp_get_buff_len#188\n"
                                  "r7 *= 100000\nr7 += r0\nr0 = r7\nexit\n", by);
      agree(scenario);
    }
  }
}

TEST_F(HelpersAgainstLinux, DynptrOverMapValue) {
  const std::vector<MapSpec> maps = {map_spec(MapType::kArray, 4, 64, 1)};
  const std::string begin = "r7 = map[idx:0][0]+0\n*(u64 *)(r10 -8) = 0\nr1 = r7\nr2 = {}\nr3 = {}\nr4 = r10\nr4 += -16\ncall "
                            "bpf_dynptr_from_mem#197\nr8 = r0\n";
  const auto scenario = [&](int size, int flags, const std::string& rest) {
    agree({.code = fmt::format(fmt::runtime(begin), size, flags) + rest + "r8 *= 33\nr8 += r0\nr0 = r8\nexit\n", .maps = maps});
  };
  for (const int size : {1, 8, 64}) {
    for (const int flags : {0, 1}) {
      for (const int offset : {0, 1, 56, 57, 64, 100}) {
        for (const int length : {0, 1, 8}) {
          scenario(size, flags, fmt::format("*(u64 *)(r10 -24) = 0x1234\nr1 = r10\nr1 += -16\nr2 = {}\nr3 = r10\nr3 += -24\nr4 = {}\n"
                                            "r5 = 0\ncall bpf_dynptr_write#202\n", offset, length));
          scenario(size, flags, fmt::format("*(u64 *)(r10 -24) = 0x1234\nr1 = r10\nr1 += -24\nr2 = {}\nr3 = r10\nr3 += -16\nr4 = {}\n"
                                            "r5 = {}\ncall bpf_dynptr_read#201\nr1 = *(u64 *)(r10 -24)\nr0 += r1\n", length, offset, flags));
        }
        scenario(size, flags, fmt::format("r1 = r10\nr1 += -16\nr2 = {}\nr3 = 8\ncall bpf_dynptr_data#203\nif r0 == 0 goto none\n"
                                          "*(u64 *)(r0 +0) = 77\nr0 = 5\nnone:\n", offset));
      }
    }
  }
}

TEST_F(HelpersAgainstLinux, QueuesStacksAndFilters) {
  const auto call = [](const char* helper, int value, int flags) {
    return fmt::format("*(u64 *)(r10 -8) = {}\nr1 = map[idx:0]\nr2 = r10\nr2 += -8\nr3 = {}\ncall {}\nr1 = *(u64 *)(r10 -8)\n"
                       "r7 *= 31\nr7 += r0\nr7 *= 7\nr7 += r1\n", value, flags, helper);
  };
  constexpr const char* kPush = "bpf_map_push_elem#87";
  constexpr const char* kPop = "bpf_map_pop_elem#88";
  constexpr const char* kPeek = "bpf_map_peek_elem#89";
  for (const MapType type : {MapType::kQueue, MapType::kStack}) {
    const std::vector<MapSpec> maps = {map_spec(type, 0, 8, 2)};
    for (const int flags : {0, 1, 2, 3, 4}) {
      std::string code = "r7 = 0\n" + call(kPeek, 9, 0) + call(kPop, 9, 0);
      for (const int value : {11, 22, 33}) {
        code += call(kPush, value, flags) + call(kPeek, 9, 0);
      }
      agree({.code = code + call(kPop, 9, 0) + call(kPop, 9, 0) + call(kPop, 9, 0) + "r0 = r7\nexit\n", .maps = maps});
    }
  }
  const std::vector<MapSpec> filter = {map_spec(MapType::kBloomFilter, 0, 8, 100)};
  agree({.code = "r7 = 0\n" + call(kPeek, 5, 0) + call(kPush, 5, 0) + call(kPeek, 5, 0) + call(kPush, 6, 1) + "r0 = r7\nexit\n",
         .maps = filter});
}

TEST_F(HelpersAgainstLinux, RingBuffers) {
  const std::vector<MapSpec> maps = {map_spec(MapType::kRingbuf, 0, 0, 4096)};
  const std::string query = [] {
    std::string code;
    for (int what = 0; what < 5; ++what) {
      code += fmt::format("r1 = map[idx:0]\nr2 = {}\ncall bpf_ringbuf_query#134\nr7 *= 31\nr7 += r0\n", what);
    }
    return code;
  }();
  for (const int size : {0, 1, 8, 13, 512}) {
    for (const int flags : {0, 1, 2, 3, 4}) {
      agree({.code = fmt::format("r7 = 0\n*(u64 *)(r10 -8) = 1\n") + [&] {
               std::string fill;
               for (int at = 16; at <= 512; at += 8) {
                 fill += fmt::format("*(u64 *)(r10 -{}) = {}\n", at, at);
               }
               return fill;
             }() + fmt::format("r1 = map[idx:0]\nr2 = r10\nr2 += -512\nr3 = {}\nr4 = {}\ncall bpf_ringbuf_output#130\nr7 += r0\n", size, flags) +
                 query + "r0 = r7\nexit\n",
             .maps = maps});
    }
  }
  // Reserved, then submitted or discarded; as long as it may be, and longer.
  for (const int size : {8, 24, 4088, 4089, 5000}) {
    for (const char* end : {"bpf_ringbuf_submit#132", "bpf_ringbuf_discard#133"}) {
      agree({.code = fmt::format("r7 = 0\nr1 = map[idx:0]\nr2 = {}\nr3 = 0\ncall bpf_ringbuf_reserve#131\nif r0 == 0 goto none\n"
                                 "*(u64 *)(r0 +0) = 5\nr1 = r0\nr2 = 0\ncall {}\nr7 = 100\nnone:\n", size, end) + query + "r0 = r7\nexit\n",
             .maps = maps});
    }
  }
}

TEST_F(HelpersAgainstLinux, TraceVprintk) {
  for (const char* text : {"", "%d", "%d %s", "%llx %lld %u %c", "%pI4|", "%pi4", "%pI6", "%pi6", "%pks", "%ps", "%pB", "%pz", "%s%", "%5s|"}) {
    for (const int bytes : {0, 8, 32, 4, 104}) {
      std::string code = text_on_stack(text, 64);
      for (int at = 0; at < 104; at += 8) {
        code += fmt::format("*(u64 *)(r10 -{}) = {}\n", 176 - at, at * 3);
      }
      agree({.code = code + fmt::format("r1 = r6\nr2 = 64\nr3 = r10\nr3 += -176\nr4 = {}\ncall bpf_trace_vprintk#177\nexit\n", bytes)});
    }
  }
}

TEST_F(HelpersAgainstLinux, LookupPerProcessor) {
  for (const MapType type : {MapType::kPercpuArray, MapType::kPercpuHash}) {
    for (const std::uint64_t cpu : {0ull, 1ull << 20, 0xffffffffull, 1ull << 32}) {
      agree({.code = fmt::format("*(u32 *)(r10 -4) = 0\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\nr3 = {:#x} ll\n"
                                 "call bpf_map_lookup_percpu_elem#195\nif r0 == 0 goto none\nr0 = *(u32 *)(r0 +0)\nr0 += 1\nexit\n"
                                 "none:\nr0 = 9\nexit\n", cpu),
             .maps = {map_spec(type, 4, 8, 2)}});
    }
  }
}

}  // namespace
}  // namespace kiln::conformance
