// SPDX-License-Identifier: Apache-2.0
//
// Frames in and out of the core: lengths, alignments, idle cycles and back-pressure, which threads
// are used, and that a frame never finds another's stack.
#include "core_bench_types.h"

namespace kiln::core_test {
namespace {

template <typename Core>
class CoreIoTest : public ::testing::Test {
 protected:
  using Bench = typename Core::Bench;
};
TYPED_TEST_SUITE(CoreIoTest, Cores);

Code pass() {
  Code c;
  c.pass();
  return c;
}

// The stream matrix: {no idle, idle} x {no back-pressure, back-pressure}, every length to 100.
TYPED_TEST(CoreIoTest, StreamMatrix) {
  for (double idle : {0.0, 0.4}) {
    for (double stall : {0.0, 0.5}) {
      typename TypeParam::Bench bench(7);
      bench.weather = {.rx_idle = idle, .tx_stall = stall, .done_stall = stall / 2};
      bench.load(pass().words);
      std::size_t frames = 0;
      for (std::size_t length = 14; length <= 100; ++length, ++frames) {
        bench.offer({pattern(length, static_cast<std::uint32_t>(length)), 0x0102'0304});
      }
      for (std::size_t length : {256ul, 1500ul, 1514ul, TypeParam::kWindow - 256 - 320ul}) {
        bench.offer({pattern(length, static_cast<std::uint32_t>(length)), 1});
        ++frames;
      }
      bench.run();
      EXPECT_EQ(bench.outcomes.size(), frames);
    }
  }
}

// data and data_end moved by the program, to every alignment.
TYPED_TEST(CoreIoTest, SendsFromDataToDataEnd) {
  typename TypeParam::Bench bench(8);
  Code c;
  // Moves data up and data_end down by the first two bytes of the frame, masked.
  c.load64(1, 0x1000'0000);
  c.add(kLDXW, 2, 1, 0);
  c.add(kLDXB, 3, 2, 0);
  c.add(kLDXB, 4, 2, 1);
  c.add(kAND64_IMM, 3, 0, 0, 15);
  c.add(kAND64_IMM, 4, 0, 0, 15);
  c.add(kADD64_REG, 2, 3);
  c.add(kSTXW, 1, 2, 0);
  c.add(kLDXW, 2, 1, 4);
  c.add(kSUB64_REG, 2, 4);
  c.add(kSTXW, 1, 2, 4);
  c.add(kMOV64_IMM, 0, 0, 0, 3);
  c.exit(0);
  bench.load(c.words);
  bench.weather.tx_stall = 0.2;
  for (unsigned i = 0; i < 256; ++i) {
    auto frame = pattern(30 + i % 40, i);
    frame[0] = static_cast<std::uint8_t>(i & 15);
    frame[1] = static_cast<std::uint8_t>(i >> 4);
    bench.offer({std::move(frame), 5});
  }
  bench.run();
  for (unsigned i = 0; i < 256; ++i) {
    EXPECT_EQ(bench.outcomes[i].frame.size(), 30 + i % 40 - (i & 15) - (i >> 4));
  }
}

TYPED_TEST(CoreIoTest, ReportsRedirectWords) {
  typename TypeParam::Bench bench(9);
  Code c;
  c.load64(1, 0x1000'0000);
  c.load64(2, 0x1234'5678);
  c.add(kSTXW, 1, 2, 24);
  c.add(kSTW, 1, 0, 28, 0x0abc);
  c.add(kMOV64_IMM, 0, 0, 0, 4);
  c.exit(0);
  bench.load(c.words);
  for (unsigned i = 0; i < 20; ++i) {
    bench.offer({pattern(60, i), 0x0009'0007 + i});
  }
  bench.run();
  EXPECT_EQ(bench.outcomes.size(), 20u);
}

// A program that fills its stack, then one that reads it all: the reference says zero.
TYPED_TEST(CoreIoTest, StackIsZeroForEveryFrame) {
  for (double idle : {0.0, 0.9}) {
    typename TypeParam::Bench bench(10);
    bench.weather = {.rx_idle = idle, .send = 0.5};
    Code c;
    c.load64(1, 0x1000'0000);
    c.add(kLDXW, 2, 1, 0);
    c.add(kLDXB, 3, 2, 0);  // which lines to touch
    c.load64(1, 0x2000'0000);
    for (int i = 0; i < 64; ++i) {
      c.add(kLDXDW, 4, 1, 8 * i);
    }
    for (int line = 0; line < 8; ++line) {
      c.add(kJSET64_IMM, 3, 0, 1, 1 << line);
      c.add(kJA, 0, 0, 2);
      c.add(kSTDW, 1, 0, 64 * line + 60, -1);  // also touches the line after; wraps at the end
      c.add(kSTB, 1, 0, 64 * line, 0x55);
    }
    c.pass();
    bench.load(c.words);
    for (unsigned i = 0; i < 4 * TypeParam::kThreads; ++i) {
      bench.offer({pattern(20 + i, 77 + i), 5});
    }
    bench.run();
    EXPECT_EQ(bench.outcomes.size(), 4 * TypeParam::kThreads);
  }
}

TYPED_TEST(CoreIoTest, UsesOnlyEnabledThreadsLowestFirst) {
  for (std::uint32_t mask : {0x01u, 0x80u, 0x5au}) {
    typename TypeParam::Bench bench(11);
    bench.enable(mask);
    bench.load(pass().words);
    for (unsigned i = 0; i < 30; ++i) {
      bench.offer({pattern(64, i), 5});
    }
    bench.run();
    for (const Outcome& o : bench.outcomes) {
      EXPECT_TRUE(mask >> o.thread & 1);
    }
    // One frame at a time: always the lowest.
    for (unsigned i = 0; i < 4; ++i) {
      bench.settle();
      bench.offer({pattern(64, i), 5});
      bench.run();
      EXPECT_EQ(bench.outcomes.back().thread, static_cast<unsigned>(__builtin_ctz(mask)));
    }
  }
}

TYPED_TEST(CoreIoTest, TakesNoFrameWhenStopped) {
  typename TypeParam::Bench bench(12);
  bench.load(pass().words);
  bench.settle();
  bench.model().run_i = 0;
  bench.run_cycles(4);
  bench.offer({pattern(64, 1), 5});
  bench.run_cycles(500);
  EXPECT_TRUE(bench.outcomes.empty());
  bench.model().run_i = 1;
  bench.run();
  EXPECT_EQ(bench.outcomes.size(), 1u);
}

// Cycles a minimum-size frame costs when every frame is dropped after two instructions.
TYPED_TEST(CoreIoTest, SmallFramesBackToBack) {
  typename TypeParam::Bench bench(13);
  bench.weather.send = 0;
  bench.load(pass().words);
  bench.settle();
  constexpr unsigned kFrames = 400;
  for (unsigned i = 0; i < kFrames; ++i) {
    bench.offer({pattern(64, i), 5});
  }
  const std::uint64_t before = bench.cycle();
  bench.run();
  const double each = static_cast<double>(bench.cycle() - before) / kFrames;
  std::printf("%u threads: %.1f cycles a 64-byte frame, dropped\n", TypeParam::kThreads, each);
  EXPECT_LE(each, 13.0);
  EXPECT_GE(each, 8.0);
}

}  // namespace
}  // namespace kiln::core_test
