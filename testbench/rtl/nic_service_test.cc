// SPDX-License-Identifier: Apache-2.0
//
// Map memory, clock and random numbers through the service ports: every size and alignment, every
// atomic, many threads on few addresses. Accesses are served in the order of their responses, so a
// reference that follows the responses must agree on each.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include <kiln/environment.h>

#include "nic_memory_bench.h"

namespace kiln::nic_test {
namespace {

constexpr std::uint32_t kMapAddress = 0x4000'0000;
constexpr std::uint32_t kAtomics[] = {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1};

/// What memory does with one request, on plain bytes.
std::uint64_t reference(std::vector<std::uint8_t>& memory, const Request& r) {
  const unsigned bytes = r.size == 0 ? 4 : r.size == 1 ? 2 : r.size == 2 ? 1 : 8;
  std::uint8_t* at = memory.data() + (r.addr - kMapAddress);
  std::uint64_t old = 0;
  std::memcpy(&old, at, bytes);
  if (r.op == kSvcLOAD) {
    return old;
  }
  if (r.op == kSvcSTORE) {
    std::memcpy(at, &r.data, bytes);
    return 0;
  }
  const std::uint64_t mask = bytes == 8 ? ~0ull : 0xffff'ffffull;
  std::uint64_t result = old;
  switch (r.imm & 0xf0) {
    case 0x00: result = old + r.data; break;
    case 0x40: result = old | r.data; break;
    case 0x50: result = old & r.data; break;
    case 0xa0: result = old ^ r.data; break;
    case 0xe0: result = r.data; break;
    case 0xf0: result = (old & mask) == (r.keys[0] & mask) ? r.data : old; break;
    default: ADD_FAILURE();
  }
  std::memcpy(at, &result, bytes);
  return old;
}

class Memory : public testing::Test {
 protected:
  Request random_request(std::uint32_t span, bool aligned_atomics) {
    Request r;
    r.op = static_cast<std::uint8_t>(random_() % 3);
    r.size = static_cast<std::uint8_t>(r.op == kSvcATOMIC ? random_() % 2 * 3 : random_() % 4);
    const std::uint32_t align = r.op != kSvcATOMIC || !aligned_atomics ? 1 : r.size == 3 ? 8 : 4;
    r.addr = kMapAddress + base_ + random_() % span / align * align;
    r.data = std::uint64_t{random_()} << 32 | random_();
    if (r.op == kSvcATOMIC) {
      r.imm = kAtomics[random_() % std::size(kAtomics)];
      if (r.imm == 0xf1) {
        // Often the very value that is there, so that the exchange happens.
        std::uint64_t now = 0;
        std::memcpy(&now, memory_.data() + (r.addr - kMapAddress), 8);
        r.keys = {random_() % 2 == 0 ? now : r.data};
      }
    }
    return r;
  }

  std::mt19937 random_{42};
  std::uint32_t base_ = 1000;
  std::vector<std::uint8_t> memory_ = std::vector<std::uint8_t>(262144);
};

TEST_F(Memory, EverySizeAndAlignmentAlone) {
  MemoryBench rtl;
  rtl.fill(0, 512);
  for (int i = 0; i < 4000; ++i) {
    Request r = random_request(64, false);
    r.core = static_cast<std::uint8_t>(i % 2);
    ASSERT_EQ(rtl.call(r), reference(memory_, r)) << "access " << i << " op " << int{r.op} << " size " << int{r.size}
                                                  << " addr " << std::hex << r.addr << " imm " << r.imm;
  }
  for (std::uint32_t row = 120; row < 140; ++row) {
    std::uint64_t expected = 0;
    std::memcpy(&expected, memory_.data() + row * 8, 8);
    ASSERT_EQ(rtl.read_row(row), expected) << row;
  }
}

/// Sixteen threads on a few words, the host writing and reading beside them.
TEST_F(Memory, ManyThreadsOnFewWords) {
  for (unsigned idle : {0u, 50u}) {
    MemoryBench rtl(idle);
    std::fill(memory_.begin(), memory_.end(), 0);
    rtl.fill(0, 512);
    rtl.set_idle(idle);
    Request pending[16];
    bool busy[16] = {};
    unsigned served = 0;
    for (int cycle = 0; cycle < 20'000; ++cycle) {
      for (unsigned n = 0; n < 16 && cycle < 19'000; ++n) {
        if (!busy[n]) {
          pending[n] = random_request(40, true);
          pending[n].core = static_cast<std::uint8_t>(n / 8);
          pending[n].thread = static_cast<std::uint8_t>(n % 8);
          rtl.send(pending[n]);
          busy[n] = true;
        }
      }
      if (cycle % 1000 == 500 && cycle < 19'000) {
        rtl.write_row(4, 1);  // elsewhere; must not disturb
      } else {
        rtl.tick();
      }
      for (const Response& response : rtl.responses()) {
        const unsigned n = response.core * 8u + response.thread;
        ASSERT_TRUE(busy[n]);
        ASSERT_EQ(response.data, reference(memory_, pending[n])) << "cycle " << cycle << " thread " << n;
        busy[n] = false;
        ++served;
      }
    }
    for (bool b : busy) {
      EXPECT_FALSE(b);
    }
    EXPECT_GT(served, idle == 0 ? 5000u : 2000u);
    std::printf("%u accesses in 20000 cycles, %u %% idle\n", served, idle);
  }
}

/// Counters at full rate, while the host reads the very words: never a torn or stale value.
TEST_F(Memory, HostReadsCountersThatRun) {
  MemoryBench rtl;
  rtl.fill(0, 512);
  std::uint64_t last = 0;
  unsigned outstanding = 0;
  for (int i = 0; i < 400; ++i) {
    for (std::uint8_t n = 0; n < 16 && outstanding < 16; ++n) {
      rtl.send({.core = static_cast<std::uint8_t>(n / 8), .thread = static_cast<std::uint8_t>(n % 8),
                .op = kSvcATOMIC, .addr = kMapAddress + 800, .data = 0x0000'0001'0000'0001});
      ++outstanding;
    }
    const std::uint64_t now = rtl.read_row(100);
    ASSERT_EQ(now >> 32, now & 0xffff'ffff);
    ASSERT_GE(now, last);
    last = now;
    for (int wait = 0; wait < 400 && outstanding > 0; ++wait) {
      rtl.tick();
      outstanding -= static_cast<unsigned>(rtl.responses().size());
    }
    // Responses that came while read_row() waited were not counted there; the next round starts afresh.
    outstanding = 0;
  }
  EXPECT_EQ(rtl.read_row(100), 400 * 16 * 0x0000'0001'0000'0001ull);
}

TEST(Environment, RandomNumbersAreTheSequence) {
  MemoryBench rtl;
  rtl.set_random(0x1234'5678'9abc'def1);
  std::uint64_t state = 0x1234'5678'9abc'def1;
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(rtl.call({.core = static_cast<std::uint8_t>(i % 2), .op = kSvcRANDOM}), next_random(state)) << i;
  }
}

TEST(Environment, ClockStandsOrRuns) {
  MemoryBench rtl;
  rtl.set_clock(1'000'000'000'000, 0);
  EXPECT_EQ(rtl.call({.op = kSvcTIME}), 1'000'000'000'000u);
  EXPECT_EQ(rtl.call({.op = kSvcTIME}), 1'000'000'000'000u);
  rtl.set_clock(0xffff'ffff, 4 << 16);  // 4 ns a cycle: 250 MHz
  const std::uint64_t first = rtl.call({.op = kSvcTIME});
  const std::uint64_t cycle = rtl.cycles();
  const std::uint64_t second = rtl.call({.op = kSvcTIME});
  EXPECT_EQ(second - first, 4 * (rtl.cycles() - cycle));
  EXPECT_GT(first, 0xffff'ffffu);
}

TEST(Host, FillAndRows) {
  MemoryBench rtl;
  for (std::uint32_t row = 0; row < 40; ++row) {
    rtl.write_row(row, row + 1);
  }
  rtl.fill(8, 16);
  for (std::uint32_t row = 0; row < 40; ++row) {
    EXPECT_EQ(rtl.read_row(row), row >= 8 && row < 24 ? 0 : row + 1) << row;
  }
}

}  // namespace
}  // namespace kiln::nic_test
