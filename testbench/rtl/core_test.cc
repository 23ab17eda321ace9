// SPDX-License-Identifier: Apache-2.0
//
// Every native instruction on the verilated core, with operands at the edges. The bench compares
// each retired instruction with the reference, so that a test here only has to make the core run
// it.
#include "core_bench_types.h"

namespace kiln::core_test {
namespace {

constexpr unsigned kAlu[] = {0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x9, 0xa, 0xb, 0xc};
constexpr unsigned kConditions[] = {0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0xa, 0xb, 0xc, 0xd};

template <typename Core>
class CoreTest : public ::testing::Test {
 protected:
  using Bench = typename Core::Bench;
  Bench bench{1234};

  /// Runs the code once on each of `frames` frames.
  void run(const Code& code, unsigned frames = 1) {
    ASSERT_LE(code.words.size(), 4096u);
    bench.load(code.words);
    for (unsigned i = 0; i < frames; ++i) {
      bench.offer({pattern(64, i), 0x0005'0002});
    }
    bench.run();
  }
};
TYPED_TEST_SUITE(CoreTest, Cores);

// dst op= src and dst op= imm for one pair of operands.
void add_alu_forms(Code& c, std::uint64_t a, std::uint64_t b) {
  c.load64(1, a);
  c.load64(2, b);
  const auto imm = static_cast<std::int32_t>(b);
  const auto both = [&](unsigned cls, unsigned code, int off) {
    c.add(kMOV64_REG, 3, 1);
    c.add(cls | 8 | code << 4, 3, 2, off);
    c.add(kMOV64_REG, 3, 1);
    c.add(cls | code << 4, 3, 0, off, imm);
  };
  for (unsigned cls : {4u, 7u}) {
    for (unsigned code : kAlu) {
      both(cls, code, 0);
    }
    both(cls, 0x3, 1);
    both(cls, 0x9, 1);
    for (int width : {8, 16, 32}) {
      if (cls == 7 || width != 32) {
        c.add(cls | 8 | 0xb0, 3, 2, width);
      }
    }
    c.add(kMOV64_REG, 3, 1);
    c.add(cls | 0x80, 3);
  }
  for (unsigned opcode : {kLE16, kBE16, kBSWAP16}) {
    for (int width : {16, 32, 64}) {
      c.add(kMOV64_REG, 3, 1);
      c.add(opcode, 3, 0, 0, width);
    }
  }
  c.add(kMOV64_REG, 3, 1);
  c.add(kNativeMOVHI, 3, 0, 0, imm);
  c.add(kMOV64_REG, 3, 1);
  c.add(kNativeCSUM, 3, 2);
}

TYPED_TEST(CoreTest, AluAtTheEdges) {
  std::size_t pairs = 0;
  for (std::uint64_t a : kEdges) {
    Code c;
    for (std::uint64_t b : kEdges) {
      add_alu_forms(c, a, b);
      ++pairs;
    }
    c.pass();
    this->run(c);
  }
  EXPECT_EQ(pairs, std::size(kEdges) * std::size(kEdges));
  EXPECT_GE(this->bench.opcodes_seen.size(), 12u * 4 + 2 + 3 + 2 + 1);
}

TYPED_TEST(CoreTest, ShiftByEveryAmount) {
  Code c;
  c.load64(1, 0xfedc'ba98'7654'3210);
  for (int n = 0; n < 66; ++n) {
    c.add(kMOV64_IMM, 2, 0, 0, n);
    for (unsigned cls : {4u, 7u}) {
      for (unsigned code : {0x6u, 0x7u, 0xcu}) {
        c.add(kMOV64_REG, 3, 1);
        c.add(cls | 8 | code << 4, 3, 2);
        c.add(kMOV64_REG, 3, 1);
        c.add(cls | code << 4, 3, 0, 0, n);
      }
    }
  }
  c.pass();
  this->run(c);
}

TYPED_TEST(CoreTest, ConditionsAtTheEdges) {
  for (std::uint64_t a : kEdges) {
    Code c;
    for (std::uint64_t b : kEdges) {
      c.load64(1, a);
      c.load64(2, b);
      for (unsigned cls : {5u, 6u}) {
        for (unsigned code : kConditions) {
          c.add(cls | 8 | code << 4, 1, 2, 1);
          c.add(kMOV64_IMM, 3);
          c.add(cls | code << 4, 1, 0, 1, static_cast<std::int32_t>(b));
          c.add(kMOV64_IMM, 3);
        }
      }
    }
    c.pass();
    this->run(c);
  }
  EXPECT_GE(this->bench.opcodes_seen.size(), 44u);
}

TYPED_TEST(CoreTest, JumpsCallsAndBackwards) {
  Code c;
  c.add(kMOV64_IMM, 1, 0, 0, 5);  // 0
  c.add(kJA, 0, 0, 2);            // 1 -> 4
  c.add(kNativeTRAP, 0, 0, 0, 1);
  c.add(kNativeTRAP, 0, 0, 0, 2);
  c.add(kADD64_IMM, 1, 0, 0, -1);    // 4
  c.add(kJNE64_IMM, 1, 0, -2, 0);    // 5 -> 4
  c.add(kJA32, 0, 0, 0, 1);          // 6 -> 8
  c.add(kNativeTRAP, 0, 0, 0, 3);    // 7
  c.add(kNativeJAL, 15, 0, 0, 13);   // 8 -> 13, back to 9
  c.add(kMOV64_IMM, 4, 0, 0, 15);    // 9
  c.add(kNativeJALR, 14, 4);         // 10 -> 15, back to 11
  c.exit(5);                         // 11
  c.add(kNativeTRAP, 0, 0, 0, 4);    // 12
  c.add(kMOV64_IMM, 5, 0, 0, 0x77);  // 13
  c.add(kNativeJR, 0, 15);           // 14
  c.add(kADD64_IMM, 5, 0, 0, 1);     // 15
  c.add(kNativeJR, 0, 14);           // 16
  this->run(c);
  ASSERT_EQ(this->bench.outcomes.size(), 1u);
  EXPECT_EQ(this->bench.outcomes[0].code, 0x78u);
  EXPECT_EQ(this->bench.outcomes[0].trap, 0);
  EXPECT_EQ(this->bench.outcomes[0].insns, 2u + 10 + 1 + 1 + 2 + 2 + 2 + 1);
}

constexpr unsigned kLoads[] = {kLDXB, kLDXH, kLDXW, kLDXDW, kLDXSB, kLDXSH, kLDXSW};
constexpr unsigned kStoresReg[] = {kSTXB, kSTXH, kSTXW, kSTXDW};
constexpr unsigned kStoresImm[] = {kSTB, kSTH, kSTW, kSTDW};

// Every access at every alignment, around `addr`, with negative and positive offsets.
void add_accesses(Code& c, std::uint64_t addr) {
  c.load64(2, 0x8182'8384'8586'8788);
  for (int k = 0; k < 8; ++k) {
    c.load64(1, addr + static_cast<unsigned>(k));
    for (unsigned op : kStoresReg) {
      c.add(op, 1, 2, k);
      c.add(kLDXDW, 3, 1, k);
      c.add(kLDXDW, 3, 1, k + 4);
    }
    for (unsigned op : kStoresImm) {
      c.add(op, 1, 0, -k, -2 - k);
      c.add(kLDXDW, 3, 1, -k);
    }
    for (unsigned op : kLoads) {
      c.add(op, 3, 1, 0);
      c.add(op, 4, 1, -3);
    }
    c.add(kADD64_REG, 2, 3);
  }
}

TYPED_TEST(CoreTest, LocalMemoryAtEveryAlignment) {
  const std::uint64_t window = TypeParam::kWindow;
  this->bench.weather.send = 0;  // the program writes over data and data_end
  const std::uint64_t places[] = {
      0x2000'0000 + 256,    0x2000'0000 + 504,  // stack, and over its end
      0x1000'0000 + 128,    0x1000'0000 + 504,  // context
      0x3000'0000 + 256,    0x3000'0000 + window - 8, 0x3000'0000 + 2 * window + 100,
      0xffff'ffff'3000'0120};  // only the low 32 bits count
  for (std::uint64_t place : places) {
    Code c;
    add_accesses(c, place);
    c.pass();
    this->run(c, 2);
  }
}

TYPED_TEST(CoreTest, ContextWords) {
  Code c;
  c.load64(1, 0x1000'0000);
  for (int off = 0; off < 48; off += 4) {
    c.add(kLDXW, 2, 1, off);
  }
  c.add(kLDXW, 0, 1, 36);
  c.exit(0);
  this->run(c, 3 * TypeParam::kThreads);
  for (const Outcome& o : this->bench.outcomes) {
    EXPECT_EQ(o.code, 3 * TypeParam::kThreads + o.thread);
  }
}

TYPED_TEST(CoreTest, MapAccessesGoToTheServicePort) {
  this->bench.weather = {.svc_stall = 0.4, .rsp_latency_max = 40};
  Code c;
  c.load64(0, 0x0f0e'0d0c'0b0a'0908);
  for (std::uint64_t addr : {0x4000'0000ull, 0x7fff'fff0ull, 0x5123'4567ull}) {
    c.load64(1, addr);
    c.load64(2, 0x0102'0304'8506'8788);
    for (unsigned op : kLoads) {
      c.add(op, 3, 1, 5);
    }
    for (unsigned op : kStoresReg) {
      c.add(op, 1, 2, -4);
    }
    for (unsigned op : kStoresImm) {
      c.add(op, 1, 0, 8, -7);
    }
    for (unsigned opcode : {kATOMIC_ADD32, kATOMIC_ADD64}) {
      for (int operation : {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1}) {
        c.add(opcode, 1, 2, 16, operation);
      }
      c.add(kNativePUSHR, 0, 0);
      c.add(opcode, 1, 2, 16, 0xf1);
    }
  }
  c.pass();
  this->run(c, 2 * TypeParam::kThreads);
}

TYPED_TEST(CoreTest, KeysOfEveryLength) {
  this->bench.weather = {.svc_stall = 0.3};
  Code c;
  for (unsigned r = 0; r < 9; ++r) {
    c.load64(r, 0x1111'2222'3333'4444ull * r);
  }
  c.load64(1, 0x2000'0000 + 64);
  c.load64(2, 0x3000'0000 + 256);
  c.load64(9, 0x4000'0000);
  for (int i = 0; i < 8; ++i) {
    c.load64(3, 0x0101'0101'0101'0101ull * static_cast<unsigned>(17 * i + 1));
    c.add(kSTXDW, 1, 3, 8 * i);
  }
  for (int words = 0; words <= 8; ++words) {
    for (int i = 0; i < words; ++i) {
      if (i % 3 == 2) {
        c.add(kNativePUSHR, 0, static_cast<unsigned>(i));
      } else {
        c.add(kNativePUSHM, 0, 1 + static_cast<unsigned>(i) % 2, words + 7 * i,
              1 + (words + i) % 8);
      }
      c.add(kLDXW, 5, 9, 4);  // a map load between leaves the key alone
    }
    c.add(kNativeSVC, 4, 3, kSvcMAP_LOOKUP, words);
    c.add(kNativeSVC, 6, 4, kSvcTIME, 0);
  }
  c.add(kNativePUSHR, 0, 3);  // left over: must not reach the next frame's request
  c.pass();
  this->run(c, 2 * TypeParam::kThreads);
}

TYPED_TEST(CoreTest, WaitingAtTheFirstInstruction) {
  Code c;
  c.add(kNativeSVC, 1, 0, kSvcRANDOM, 0);
  c.pass();
  // The request's data is R0, which holds anything at first: give it a value in a first run.
  Code set;
  set.load64(0, 5);
  set.load64(1, 6);
  set.exit(0);
  this->run(set, 4 * TypeParam::kThreads);
  this->run(c, 1);
  EXPECT_EQ(this->bench.outcomes.back().insns, 3u);
}

TYPED_TEST(CoreTest, TrapsAndUnknownOpcodes) {
  for (unsigned opcode :
       {0x18u, 0x20u, 0x40u, 0x00u, 0xe7u, 0xdfu, 0x8fu, 0x99u, 0xfdu, 0x0eu, 0xffu, 0xcbu}) {
    Code c;
    c.add(kMOV64_IMM, 0, 0, 0, 2);
    c.add(opcode, 1, 2, 3, 4);
    this->run(c);
    EXPECT_EQ(this->bench.outcomes.back().trap, 0xff) << std::hex << opcode;
    EXPECT_EQ(this->bench.outcomes.back().code, 0u);
  }
  Code c;
  c.add(kNativeTRAP, 0, 0, 0, 9);
  this->run(c);
  EXPECT_EQ(this->bench.outcomes.back().trap, 9);
}

TYPED_TEST(CoreTest, DividersQueue) {
  Code c;
  c.load64(1, 0xffff'ffff'ffff'fff1);
  c.load64(2, 7);
  for (int i = 0; i < 6; ++i) {
    c.add(kDIV64_REG, 1, 2);
    c.add(kADD64_IMM, 2, 0, 0, 3);
  }
  c.pass();
  this->run(c, 2 * TypeParam::kThreads);
}

// Threads that never wait fill every issue slot.
TYPED_TEST(CoreTest, Throughput) {
  Code c;
  c.load64(1, 3);
  c.load64(2, 1);
  c.add(kMOV64_IMM, 3, 0, 0, 400);
  for (int i = 0; i < 4; ++i) {
    c.add(kMUL64_REG, 2, 1);
    c.add(kARSH64_IMM, 2, 0, 0, 1);
  }
  c.add(kADD64_IMM, 3, 0, 0, -1);
  c.add(kJNE64_IMM, 3, 0, -10, 0);
  c.pass();
  for (unsigned enabled : {1u, 7u, 8u, 16u}) {
    if (enabled > TypeParam::kThreads) {
      continue;
    }
    typename TypeParam::Bench bench(99);
    bench.enable((1u << enabled) - 1);
    bench.load(c.words);
    bench.settle();
    for (unsigned i = 0; i < enabled; ++i) {
      bench.offer({pattern(14, i), 0});
    }
    bench.run_cycles(40 + 16 * enabled);
    const std::uint64_t before = bench.retired;
    bench.run_cycles(2000);
    const double ipc = static_cast<double>(bench.retired - before) / 2000;
    EXPECT_GE(ipc, enabled >= 8 ? 0.999 : 0.124 * enabled) << enabled;
    std::printf("%u of %u threads: %.3f instructions a cycle\n", enabled, TypeParam::kThreads, ipc);
    bench.run();
  }
}

// The table "Latencies" of rtl/core.md. Counted from the issue, the cycle in stage pc, which is
// one after the pick; `end` is the cycle of EXIT in wb, 10 after its issue.
TYPED_TEST(CoreTest, Latencies) {
  auto& bench = this->bench;
  bench.stop_at_failure = false;
  bench.weather = {.rsp_latency_max = 0, .send = 1};
  const auto once = [&](const Code& c, std::size_t length = 64) {
    bench.load(c.words);
    bench.settle();
    bench.offer({pattern(length, 1), 5});
    bench.run();
    bench.settle();
    bench.run_cycles(2);
    return bench.outcomes.back();
  };
  Code set;  // registers that the rest reads
  set.load64(0, 2);
  set.load64(1, 0x4000'0000);
  set.load64(2, 3);
  set.load64(3, ~0ull);
  set.load64(4, 0x2000'0000);
  set.exit(0);
  Outcome o = once(set);
  EXPECT_EQ(o.end - o.start, 8 * 10 + 10u);
  EXPECT_EQ(o.start - bench.times.last_beat_in, 3u);
  EXPECT_EQ(bench.times.done - o.end, 5u);
  EXPECT_EQ(bench.times.tx - bench.times.release, 11u);
  EXPECT_EQ(once(set, 14).start - bench.times.last_beat_in, 7u);

  Code load;
  load.add(kLDXW, 5, 1);
  load.exit(0);
  o = once(load);
  EXPECT_EQ(bench.times.request - o.start, 9u);
  EXPECT_EQ(bench.times.response - bench.times.request, 1u);
  EXPECT_EQ(o.end - bench.times.response, 2u + 1 + 8 + 10);

  Code keyed;
  keyed.add(kNativePUSHR, 0, 2);
  keyed.add(kNativeSVC, 5, 2, kSvcMAP_LOOKUP, 0);
  keyed.exit(0);
  o = once(keyed);
  EXPECT_EQ(bench.times.request - o.start, 8u + 10);

  for (const auto& [dividend, cycles] : {std::pair{2u, 46u}, std::pair{3u, 78u}}) {
    Code divide;
    divide.add(kDIV64_REG, dividend, 2);
    divide.exit(0);
    o = once(divide);
    EXPECT_EQ(o.end - o.start, cycles + 8 + 10);
  }

  bench.weather.send = 0;
  for (unsigned lines : {0u, 1u, 8u}) {
    Code touch;
    for (unsigned l = 0; l < lines; ++l) {
      touch.add(kSTB, 4, 0, static_cast<int>(64 * l), 1);
    }
    touch.exit(0);
    once(touch);
    EXPECT_EQ(bench.times.free - bench.times.release, 3 + (lines != 0) + 9 * lines);
  }
}

}  // namespace
}  // namespace kiln::core_test
