// SPDX-License-Identifier: Apache-2.0
//
// Helpers but map operations, on the core model in lockstep with the interpreter, and both against Linux:
// csum_diff, the three adjust helpers, redirects, tail calls; atomics and calls of functions.
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness.h"

namespace kiln::cosim {
namespace {

constexpr const char* kHead = "r6 = r1\nr7 = *(u32 *)(r6 +0)\nr8 = *(u32 *)(r6 +4)\n";

/// Leaves the program with `bytes` readable at r7, or with r0 = 0 by label "out".
std::string need(std::uint32_t bytes) { return fmt::format("r1 = r7\nr1 += {}\nif r1 > r8 goto out\n", bytes); }
constexpr const char* kOut = "out:\nr0 = 0\nexit\n";

std::vector<Frame> random_frames(std::uint32_t seed, std::size_t count, std::initializer_list<std::size_t> sizes) {
  std::mt19937 random(seed);
  std::vector<Frame> frames;
  for (std::size_t i = 0; i < count; ++i) {
    Frame frame{.data = std::vector<std::byte>(*(sizes.begin() + i % sizes.size()))};
    const unsigned kind = random() % 4;  // all zero, all ones, and what is between
    for (std::byte& byte : frame.data) {
      byte = static_cast<std::byte>(kind == 0 ? 0 : kind == 1 ? 0xff : random());
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

void run(const std::string& text, std::span<const Frame> frames, std::span<const MapSpec> maps = {},
         const CheckOptions& options = {}) {
  TestProgram test;
  make_program(test, text, maps);
  if (!::testing::Test::HasFatalFailure()) {
    check(test, frames, options);
  }
}

struct Sum {
  std::uint32_t from, to;
  std::string seed;
};

std::string csum_text(const Sum& sum, bool on_stack) {
  std::string text = std::string(kHead) + need(400);
  for (int at = 0; on_stack && at < 64; at += 8) {
    text += fmt::format("r1 = *(u64 *)(r7 +{})\n*(u64 *)(r10 {:+d}) = r1\n", 100 + at, at - 64);
  }
  text += sum.from == 0 ? "r1 = 0\n" : on_stack ? "r1 = r10\nr1 += -64\n" : "r1 = r7\nr1 += 16\n";
  text += fmt::format("r2 = {}\n", sum.from);
  text += sum.to == 0 ? "r3 = 0\n" : "r3 = r7\nr3 += 200\n";
  text += fmt::format("r4 = {}\n{}call bpf_csum_diff\n*(u64 *)(r7 +0) = r0\nr0 = 2\nexit\n", sum.to, sum.seed);
  return text + kOut;
}

TEST(LoweredHelpers, CsumDiffConstantSizes) {
  const auto frames = random_frames(1, 40, {400, 512});
  std::size_t count = 0;
  for (const std::uint32_t from : {0u, 4u, 8u, 20u, 7u, 64u}) {
    for (const std::uint32_t to : {0u, 4u, 12u, 20u, 5u, 40u, 128u, 132u, 200u}) {
      for (const char* seed : {"r5 = 0\n", "r5 = -1\n", "r5 = 0x12345678\n", "r5 = *(u32 *)(r7 +8)\n"}) {
        SCOPED_TRACE(fmt::format("from {} to {} {}", from, to, seed));
        if (!takes(count++)) {
          continue;
        }
        run(csum_text({from, to, seed}, false), frames, {}, {.on_kernel = seed[5] != '0'});
        run(csum_text({from, to, seed}, from == 64), frames, {}, {.on_kernel = from == 64});
      }
    }
  }
}

/// Values for which sums of all words are 0 modulo 2^32 - 1: where the two ways to write zero show.
TEST(LoweredHelpers, CsumDiffZeros) {
  std::vector<Frame> frames;
  for (const std::uint32_t from : {0u, 1u, 0xffffu, 0xffff0000u, 0xffffffffu, 0xfffffffeu}) {
    for (const std::uint32_t to : {0u, 1u, 0xffffffffu, 0xffff0000u}) {
      for (const std::uint32_t seed : {0u, 0xffffffffu, 1u, 0xfffffffeu}) {
        Frame frame{.data = std::vector<std::byte>(400)};
        std::memcpy(frame.data.data() + 16, &from, 4);
        std::memcpy(frame.data.data() + 200, &to, 4);
        std::memcpy(frame.data.data() + 8, &seed, 4);
        frames.push_back(frame);
        std::memset(frame.data.data() + 20, 0xff, 4);
        frames.push_back(frame);
      }
    }
  }
  for (const std::uint32_t from : {0u, 4u, 8u}) {
    for (const std::uint32_t to : {0u, 4u, 8u}) {
      run(csum_text({from, to, "r5 = *(u32 *)(r7 +8)\n"}, false), frames, {}, {.kernel_frames = 200});
    }
  }
}

/// Sizes taken from the frame, both 0..63.
TEST(LoweredHelpers, CsumDiffAnySize) {
  std::string text = std::string(kHead) + need(400);
  text += "r2 = *(u8 *)(r7 +0)\nr2 &= 63\nr4 = *(u8 *)(r7 +1)\nr4 &= 63\nr1 = r7\nr1 += 16\nr3 = r7\nr3 += 100\n";
  text += std::string("r5 = *(u32 *)(r7 +8)\ncall bpf_csum_diff\n*(u64 *)(r7 +0) = r0\nr0 = 2\nexit\n") + kOut;
  auto frames = random_frames(2, 400, {400});
  std::mt19937 random(3);
  for (Frame& frame : frames) {
    frame.data[0] = static_cast<std::byte>(random() % 4 == 0 ? 0 : random());
    frame.data[1] = static_cast<std::byte>(random() % 4 == 0 ? 0 : random());
  }
  run(text, frames, {}, {.kernel_frames = 400});
}

/// After an adjust helper: its result and the new length into the frame's first bytes.
constexpr const char* kReload =
    "r7 = *(u32 *)(r6 +0)\nr8 = *(u32 *)(r6 +4)\nr1 = r7\nr1 += 14\nif r1 > r8 goto out\n"
    "*(u64 *)(r7 +0) = r0\nr2 = r8\nr2 -= r7\n*(u16 *)(r7 +8) = r2\n";

std::string adjust_text(const char* helper, const std::vector<std::int64_t>& offsets) {
  std::string text = kHead;
  for (const std::int64_t offset : offsets) {
    text += fmt::format("r1 = r6\nr2 = {} ll\ncall bpf_xdp_adjust_{}\n", offset, helper) + kReload;
  }
  return text + "r0 = 2\nexit\n" + kOut;
}

TEST(LoweredHelpers, AdjustHead) {
  const auto frames = random_frames(4, 12, {14, 15, 60, 64, 1500});
  for (const std::vector<std::int64_t>& offsets :
       {std::vector<std::int64_t>{0}, {-1}, {-7}, {-8}, {-20}, {-40}, {-41}, {-100}, {-216}, {-217}, {1}, {46}, {47}, {1485}, {1486},
        {-20, 6, -20, -3}, {-33, 33, -64}, {14, -14, -14, 14}, {0x7fffffff}, {-0x80000000ll}, {0x1'0000'0000 - 20}, {-216, 216, -216}}) {
    run(adjust_text("head", offsets), frames);
  }
}

TEST(LoweredHelpers, AdjustTail) {
  const auto frames = random_frames(5, 12, {14, 15, 60, 64, 1500, 3520, 3500});
  for (const std::vector<std::int64_t>& offsets :
       {std::vector<std::int64_t>{0}, {1}, {8}, {13}, {64}, {65}, {200}, {20}, {21}, {2020}, {3506}, {-1}, {-46}, {-47}, {-1486}, {-1487},
        {-30, 30, 5}, {17, -17, 33}, {0x7fffffff}, {-0x80000000ll}, {0x1'0000'0000 + 20}}) {
    run(adjust_text("tail", offsets), frames);
  }
}

/// Offsets from the frame, heads and tails in turn.
TEST(LoweredHelpers, AdjustByAnyOffset) {
  std::string text = std::string(kHead) + need(32);
  for (int i = 0; i < 4; ++i) {
    text += fmt::format("r2 = *(s16 *)(r7 +{})\nr1 = r6\ncall bpf_xdp_adjust_{}\n", 10 + 2 * i, i % 2 == 0 ? "head" : "tail");
    text += std::string(kReload) + need(32);
  }
  auto frames = random_frames(6, 300, {60, 300, 1500});
  std::mt19937 random(7);
  for (Frame& frame : frames) {
    for (std::size_t at = 10; at < 26; at += 2) {
      const auto offset = static_cast<std::int16_t>(static_cast<int>(random() % 500) - 250);
      std::memcpy(frame.data.data() + at, &offset, 2);
    }
  }
  run(text + "r0 = 2\nexit\n" + kOut, frames, {}, {.kernel_frames = 300});
}

/// Metadata is written, moved with the head both ways, and read back.
TEST(LoweredHelpers, AdjustMeta) {
  const auto frames = random_frames(8, 8, {14, 64, 200});
  std::size_t count = 0;
  for (const int meta : {-4, -8, -32, -252, -256, -3, 4, -216, -217, 0}) {
    for (const int head : {-20, -1, 8, 30, -100, 0}) {
      if (!takes(count++)) {
        continue;
      }
      std::string text = kHead;
      text += fmt::format("r1 = r6\nr2 = {}\ncall bpf_xdp_adjust_meta\nr9 = r0\n", meta);
      text += "r7 = *(u32 *)(r6 +0)\nr8 = *(u32 *)(r6 +8)\nr1 = r8\nr1 += 4\nif r1 > r7 goto none\n*(u32 *)(r8 +0) = 0x01020304\nnone:\n";
      text += fmt::format("r1 = r6\nr2 = {}\ncall bpf_xdp_adjust_head\n", head) + kReload;
      text += "*(u8 *)(r7 +10) = r9\nr8 = *(u32 *)(r6 +8)\nr1 = r8\nr1 += 4\nif r1 > r7 goto no_meta\n";
      text += "r1 = *(u8 *)(r8 +1)\n*(u8 *)(r7 +11) = r1\nno_meta:\n";
      text += fmt::format("r1 = r6\nr2 = {}\ncall bpf_xdp_adjust_meta\n", -meta) + kReload;
      // Linux's test run gives back metadata with the frame: none may be left.
      text += "r2 = *(u32 *)(r6 +0)\nr1 = *(u32 *)(r6 +8)\nr2 -= r1\nr1 = r6\ncall bpf_xdp_adjust_meta\nr0 = 2\nexit\n";
      text += kOut;
      SCOPED_TRACE(fmt::format("meta {} head {}", meta, head));
      run(text, frames);
    }
  }
}

TEST(LoweredHelpers, Redirect) {
  auto frames = random_frames(9, 64, {64});
  for (std::size_t i = 0; i < frames.size(); ++i) {
    frames[i].data[4] = static_cast<std::byte>(i % 3 == 0 ? i : 0);  // flags
    frames[i].data[5] = std::byte{0};
  }
  for (const char* flags : {"r2 = 0\n", "r2 = 1\n", "r2 = *(u16 *)(r7 +4)\n"}) {
    run(std::string(kHead) + need(20) + "r1 = *(u32 *)(r7 +0)\n" + flags + "call bpf_redirect\nexit\n" + kOut, frames);
    run(std::string(kHead) + need(20) + "r1 = 3\n" + flags + "call bpf_redirect\nexit\n" + kOut, frames);
  }
}

/// Linux knows no devices that we could name: the interpreter is the only judge.
TEST(LoweredHelpers, RedirectMap) {
  auto frames = random_frames(10, 200, {64});
  std::mt19937 random(11);
  for (Frame& frame : frames) {
    frame.data[0] = static_cast<std::byte>(random() % 6);
    frame.data[1] = frame.data[2] = frame.data[3] = std::byte{0};
    frame.data[4] = static_cast<std::byte>(random() % 6);
    frame.data[5] = std::byte{0};
    frame.data[8] = static_cast<std::byte>(random() % 2);
  }
  std::size_t count = 0;
  for (const MapType type : {MapType::kDevmap, MapType::kCpumap, MapType::kXskmap, MapType::kDevmapHash}) {
    const std::vector<MapSpec> maps = {map_spec(type, 4, 4, 5)};
    const bool devices = type == MapType::kDevmap || type == MapType::kDevmapHash;
    for (const std::string flags : {"r3 = 0\n", "r3 = 2\n", "r3 = 7\n", "r3 = *(u16 *)(r7 +4)\n"}) {
      if (devices && flags.find('*') != std::string::npos) {
        continue;  // might ask for a broadcast, which is refused; below
      }
      for (const std::string key : {"r2 = *(u32 *)(r7 +0)\n", "r2 = 3\n", "r2 = 0x100000002 ll\n", "r2 = 9\n"}) {
        TestProgram test;
        ASSERT_NO_FATAL_FAILURE(make_program(test,
                                             std::string(kHead) + need(20) +
                                                 "r9 = *(u8 *)(r7 +8)\nif r9 == 0 goto once\nr1 = 8\nr2 = 0\ncall bpf_redirect\nonce:\n"
                                                 "r1 = map[idx:0]\n" + key + flags + "call bpf_redirect_map\nexit\n" + kOut,
                                             maps));
        if (!takes(count++)) {
          continue;
        }
        for (const std::uint32_t used : {1u, 3u, 2u}) {
          const std::uint32_t value = 7 + used;
          test.maps.user_update(0, std::as_bytes(std::span(&used, 1)), std::as_bytes(std::span(&value, 1)), 0);
        }
        SCOPED_TRACE(std::string(map_type_name(type)) + " " + flags + key);
        check(test, frames, {.on_kernel = false});
      }
    }
  }
}

TEST(LoweredHelpers, BroadcastIsRefused) {
  for (const char* flags : {"r3 = 8\n", "r3 = *(u32 *)(r1 +16)\n"}) {
    TestProgram test;
    const std::vector<MapSpec> maps = {map_spec(MapType::kDevmap, 4, 4, 5)};
    ASSERT_NO_FATAL_FAILURE(make_program(test, std::string(flags) + "r1 = map[idx:0]\nr2 = 0\ncall bpf_redirect_map\nexit", maps));
    const auto image = lower(test.object, test.verified.facts, 0, core_maps(test.maps), {});
    ASSERT_FALSE(image);
    EXPECT_NE(image.error().message.find("BPF_F_BROADCAST"), std::string::npos) << image.error().message;
  }
}

TEST(LoweredHelpers, ClockRandomProcessor) {
  const auto frames = random_frames(12, 20, {64});
  run(std::string(kHead) + need(24) +
          "call bpf_ktime_get_ns\n*(u64 *)(r7 +0) = r0\ncall bpf_get_prandom_u32\n*(u64 *)(r7 +8) = r0\n"
          "call bpf_get_prandom_u32\n*(u64 *)(r7 +16) = r0\ncall bpf_get_smp_processor_id\nr0 += 2\nexit\n" + kOut,
      frames, {}, {.on_kernel = false});
}

/// What the NIC has no means for is refused with helper, instruction and source line.
TEST(LoweredHelpers, MissingHelperIsRefused) {
  TestProgram test;
  ASSERT_NO_FATAL_FAILURE(make_program(test, "r1 = r10\nr1 += -8\n*(u64 *)(r10 -8) = 0\nr2 = 8\ncall bpf_trace_printk\nr0 = 2\nexit"));
  test.object.programs[0].lines.push_back({.insn = 3, .file = "hello.bpf.c", .line = 12, .column = 3, .text = "bpf_printk(\"\");"});
  const auto image = lower(test.object, test.verified.facts, 0, {}, {});
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().code, Errc::kUnsupported);
  for (const char* part : {"bpf_trace_printk", "instruction 4", "hello.bpf.c:12"}) {
    EXPECT_NE(image.error().message.find(part), std::string::npos) << part << " in: " << image.error().message;
  }
}

/// Every atomic on the stack and on a map, by a pointer known and one that may be either.
TEST(LoweredAtomics, EveryOperation) {
  const std::vector<MapSpec> maps = {map_spec(MapType::kArray, 4, 16, 1)};
  const auto frames = random_frames(13, 16, {64});
  std::size_t count = 0;
  for (const InsnInfo& row : isa_table()) {
    if (row.form != Form::kAtomic && row.form != Form::kAtomicFetch) {
      continue;
    }
    for (const char* place : {"map", "stack", "either"}) {
      if (!takes(count++) && std::string_view(place) != "map") {
        continue;
      }
      std::string text = std::string(kHead) + need(40);
      text += "*(u32 *)(r10 -4) = 0\nr1 = map[idx:0]\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr9 = r0\n";
      text += "r1 = *(u64 *)(r7 +0)\n*(u64 *)(r9 +0) = r1\n*(u64 *)(r10 -16) = r1\n";
      if (std::string_view(place) == "stack") {
        text += "r9 = r10\nr9 += -16\n";
      } else if (std::string_view(place) == "either") {
        text += "r1 = *(u8 *)(r7 +33)\nr1 &= 1\nif r1 == 0 goto go\nr9 = r10\nr9 += -16\ngo:\n";
      }
      // R0 decides a compare and exchange: equal to what is there, or not.
      text += "r0 = *(u64 *)(r7 +16)\nr1 = *(u8 *)(r7 +32)\nr1 &= 1\nif r1 == 0 goto differs\nr0 = *(u64 *)(r9 +0)\ndiffers:\n";
      text += "r2 = *(u64 *)(r7 +8)\n";
      TestProgram test;
      ASSERT_NO_FATAL_FAILURE(make_program(
          test, text + "r3 = 0x7777 ll\n*(u64 *)(r7 +16) = r0\n*(u64 *)(r7 +8) = r2\nr1 = *(u64 *)(r9 +0)\n*(u64 *)(r7 +24) = r1\nr0 = 2\nexit\n" + kOut, maps));
      // The atomic takes the place of a marker, so that no assembler syntax stands between row and test.
      for (Insn& insn : test.object.programs[0].insns) {
        if (insn.is_wide() && insn.imm == 0x7777) {
          insn = Insn{.opcode = row.opcode, .dst = 9, .src = 2, .off = 0, .imm = row.value};
          (&insn)[1] = Insn{.opcode = 0x05};  // goto +0
        }
      }
      SCOPED_TRACE(fmt::format("{} on {}", row.name, place));
      check(test, frames, {.on_kernel = std::string_view(place) != "either"});
    }
  }
}

/// Functions five deep, each with registers of its own to keep, a stack frame, and a pointer to its caller's.
TEST(LoweredCalls, SavedRegistersAndFrames) {
  std::string text = std::string(kHead) + need(32) +
                     "r9 = 0x1234\n*(u64 *)(r10 -8) = 7\nr1 = *(u32 *)(r7 +0)\nr2 = r10\nr2 += -8\ncall f1\n"
                     "r1 = *(u64 *)(r10 -8)\nr0 += r1\nr0 += r9\n*(u64 *)(r7 +8) = r0\nr0 = 2\nexit\n" + kOut;
  for (int level = 1; level <= 5; ++level) {
    text += fmt::format("f{}:\nr6 = r1\nr7 = r2\nr8 = {}\n*(u64 *)(r10 -{}) = r6\nr3 = *(u64 *)(r7 +0)\nr3 += r8\n*(u64 *)(r7 +0) = r3\n",
                        level, level * 100, 8 * level);
    if (level < 5) {
      text += fmt::format("r1 += {}\nr2 = r10\nr2 += -{}\ncall f{}\n", level, 8 * level, level + 1);
    } else {
      text += "r0 = r6\n";
    }
    text += fmt::format("r1 = *(u64 *)(r10 -{})\nr0 += r1\nr0 += r8\nr0 += r6\nexit\n", 8 * level);
  }
  run(text, random_frames(14, 20, {64}));
}

/// A prog array of three: one that goes on to the next, one that ends, one empty slot; and 33 in a row.
TEST(LoweredCalls, TailCalls) {
  std::vector<MapSpec> maps = {map_spec(MapType::kProgArray, 4, 4, 4), map_spec(MapType::kArray, 4, 8, 1)};
  maps[0].slots = {{.key = 0, .target = 0}, {.key = 1, .target = 1}, {.key = 3, .target = 2}};
  const std::string count = "r7 = *(u32 *)(r6 +0)\nr8 = *(u32 *)(r6 +4)\n" + need(20) +
                            "r1 = *(u8 *)(r7 +1)\nr1 += 1\n*(u8 *)(r7 +1) = r1\n";
  const std::string go = "r1 = r6\nr2 = map[idx:0]\nr3 = *(u8 *)(r7 +0)\ncall bpf_tail_call\n";
  TestProgram test;
  ASSERT_NO_FATAL_FAILURE(make_program(test, "r6 = r1\n" + count + go + "r0 = 1\nexit\n" + kOut, maps));
  ASSERT_NO_FATAL_FAILURE(make_program(test, "r6 = r1\n*(u64 *)(r10 -8) = 5\n" + count + "r3 = *(u8 *)(r7 +2)\n*(u8 *)(r7 +0) = r3\n" + go +
                                                 "r0 = *(u64 *)(r10 -8)\nr0 &= 3\nexit\n" + kOut));
  ASSERT_NO_FATAL_FAILURE(make_program(test, "r6 = r1\n" + count + "r1 = r6\nr2 = map[idx:0]\nr3 = 9\ncall bpf_tail_call\n"
                                                 "r1 = r6\nr2 = map[idx:0]\nr3 = 2\ncall bpf_tail_call\nr0 = 3\nexit\n" + kOut));
  // Targets are tail-called only if something was proven of them (engine.h).
  for (std::size_t i = 0; i < 3; ++i) {
    Facts& facts = test.verified.facts[i];
    const Program& program = test.object.programs[i];
    facts.insns.resize(program.insns.size());
    for (InsnFact& fact : facts.insns) {
      fact.reachable = true;
      fact.memory = 0xffff;
      fact.offset_min = -512;
    }
    facts.stack_depth = {32};
    for (std::size_t slot = 0; slot < program.insns.size(); ++slot) {
      if (program.insns[slot].is_wide()) {
        facts.insns[++slot].reachable = false;
      }
    }
  }
  std::vector<Frame> frames;
  for (unsigned first = 0; first < 6; ++first) {
    for (unsigned second = 0; second < 6; ++second) {
      Frame frame{.data = std::vector<std::byte>(64)};
      frame.data[0] = static_cast<std::byte>(first);
      frame.data[2] = static_cast<std::byte>(second);
      frames.push_back(frame);
    }
  }
  const auto report = run_lockstep(test.verified, 0, test.maps, Environment(), frames);
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->difference, "");
}

}  // namespace
}  // namespace kiln::cosim
