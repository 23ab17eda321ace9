// SPDX-License-Identifier: Apache-2.0
//
// Random native programs in random weather: all threads, service requests answered out of order,
// divides, calls, every opcode. Forward jumps only, so that every program ends.
#include "core_bench_types.h"

namespace kiln::core_test {
namespace {

// R0..R9 hold data, R10..R14 pointers into the regions, R15 a code address.
class Generator {
 public:
  Generator(std::uint32_t seed, std::uint32_t window) : random_(seed), window_(window) {}

  Code make(unsigned length) {
    Code c;
    for (unsigned r = 0; r < 10; ++r) {
      c.load64(r, value());
    }
    c.load64(10, 0x2000'0000 + 512);
    c.load64(11, 0x1000'0000 + 512);
    c.load64(12, 0x3000'0000 + 256);
    c.load64(13, 0x4000'0000 + pick(1 << 20));
    c.load64(14, pointer());
    c.load64(15, 0);
    const std::size_t end = c.words.size() + length;
    while (c.words.size() < end) {
      add_insn(c, static_cast<unsigned>(end - c.words.size()));
    }
    for (int i = 0; i < 12; ++i) {
      c.add(kMOV64_IMM, 1, 0, 0, i);  // room for jumps
    }
    c.exit(data());
    return c;
  }

 private:
  unsigned pick(unsigned n) { return static_cast<unsigned>(random_() % n); }
  unsigned data() { return pick(10); }
  std::uint64_t value() {
    const std::uint64_t wide = random_() | static_cast<std::uint64_t>(random_()) << 32;
    switch (pick(4)) {
      case 0:
        return kEdges[pick(std::size(kEdges))];
      case 1:
        return wide >> pick(64);
      case 2:
        return static_cast<std::uint64_t>(static_cast<std::int64_t>(wide) >> pick(64));
      default:
        return wide;
    }
  }
  std::int32_t imm() { return static_cast<std::int32_t>(value()); }
  std::uint64_t pointer() { return (0x1000'0000ull << pick(2)) + 64 + pick(300); }

  // An address register and an offset inside what a program may touch.
  std::pair<unsigned, int> place(bool store) {
    switch (pick(store ? 4 : 5)) {
      case 0:
        return {10, -static_cast<int>(8 + pick(505))};
      case 1:
        return {11, -static_cast<int>(8 + pick(440))};
      case 2:
        return {12, static_cast<int>(pick(store ? 64 : window_ - 256))};
      case 3:
        return {13, static_cast<int>(pick(4096)) - 2048};
      default:
        return {11, -512 + static_cast<int>(pick(44))};
    }
  }

  void add_alu(Code& c) {
    static constexpr unsigned kCodes[] = {0, 1, 2, 4, 5, 6, 7, 8, 0xa, 0xb, 0xc, 0xd, 3, 9};
    const unsigned code = kCodes[pick(pick(4) == 0 ? 14 : 12)];
    const unsigned cls = pick(2) != 0 ? 7 : 4;
    const unsigned x = pick(2) * 8;
    switch (code) {
      case 0x8:
        c.add(cls | 0x80, data());
        break;
      case 0xd: {
        static constexpr unsigned kEnds[] = {kLE16, kBE16, kBSWAP16};
        c.add(kEnds[pick(3)], data(), 0, 0, 16 << pick(3));
        break;
      }
      case 0xb:
        c.add(cls | x | 0xb0, data(), data(),
              x != 0 && pick(2) != 0 ? 8 << pick(cls == 7 ? 3 : 2) : 0, imm());
        break;
      case 0x3:
      case 0x9:
        c.add(cls | x | code << 4, data(), data(), static_cast<int>(pick(2)), imm());
        break;
      default:
        c.add(cls | x | code << 4, data(), data(), 0, imm());
    }
  }

  void add_memory(Code& c) {
    static constexpr unsigned kLoads[] = {kLDXB, kLDXH, kLDXW, kLDXDW, kLDXSB, kLDXSH, kLDXSW};
    static constexpr unsigned kStores[] = {kSTXB, kSTXH, kSTXW, kSTXDW, kSTB, kSTH, kSTW, kSTDW};
    if (pick(2) != 0) {
      const auto [base, off] = place(false);
      c.add(kLoads[pick(7)], data(), base, off);
    } else {
      const auto [base, off] = place(true);
      c.add(kStores[pick(8)], base, data(), off, imm());
    }
  }

  void add_service(Code& c) {
    if (pick(2) != 0) {
      const unsigned opcode = pick(2) != 0 ? kATOMIC_ADD32 : kATOMIC_ADD64;
      static constexpr int kOps[] = {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1};
      const int op = kOps[pick(10)];
      if (op == 0xf1) {
        c.add(kNativePUSHR, 0, 0);
      }
      c.add(opcode, 13, data(), static_cast<int>(pick(64)) * 8, op);
      return;
    }
    for (unsigned n = pick(9); n > 0; --n) {
      if (pick(3) == 0) {
        c.add(kNativePUSHR, 0, data());
      } else {
        const bool stack = pick(2) != 0;
        c.add(kNativePUSHM, 0, stack ? 10 : 12,
              stack ? -static_cast<int>(8 + pick(500)) : static_cast<int>(pick(50)),
              1 + static_cast<int>(pick(8)));
      }
    }
    c.add(kNativeSVC, data(), data(), 3 + static_cast<int>(pick(6)), imm());
  }

  void add_jump(Code& c) {
    static constexpr unsigned kCodes[] = {1, 2, 3, 4, 5, 6, 7, 0xa, 0xb, 0xc, 0xd};
    const int skip = static_cast<int>(pick(6));
    const auto here = static_cast<std::int64_t>(c.words.size());
    switch (pick(8)) {
      case 0:
        c.add(kJA, 0, 0, skip);
        break;
      case 1:
        c.add(kJA32, 0, 0, 0, skip);
        break;
      case 2:
        c.add(kNativeJAL, 15, 0, 0, here + 1 + skip);
        break;
      case 3:
        c.add(kMOV64_IMM, 15, 0, 0, here + 2 + skip);
        c.add(pick(2) != 0 ? kNativeJALR : kNativeJR, 15, 15);
        break;
      default:
        c.add((pick(2) != 0 ? 5u : 6u) | pick(2) * 8 | kCodes[pick(11)] << 4, data(), data(), skip,
              imm());
    }
  }

  void add_insn(Code& c, unsigned) {
    switch (pick(16)) {
      case 0:
      case 1:
        add_jump(c);
        break;
      case 2:
      case 3:
      case 4:
        add_memory(c);
        break;
      case 5:
        add_service(c);
        break;
      case 6:
        c.add(kNativeMOVHI, data(), 0, 0, imm());
        break;
      case 7:
        c.add(kNativeCSUM, data(), data());
        break;
      default:
        add_alu(c);
    }
  }

  std::mt19937 random_;
  std::uint32_t window_;
};

template <typename Core>
class CoreRandomTest : public ::testing::Test {};
TYPED_TEST_SUITE(CoreRandomTest, Cores);

TYPED_TEST(CoreRandomTest, Programs) {
  std::uint64_t retired = 0;
  std::set<std::uint8_t> opcodes;
  for (std::uint32_t seed = 1; seed <= 40 && !this->HasFailure(); ++seed) {
    std::mt19937 random(seed);
    typename TypeParam::Bench bench(seed);
    bench.load(Generator(seed, TypeParam::kWindow).make(300).words);
    bench.enable(seed % 4 == 0 ? 1 : seed % 4 == 1 ? 0x96 : (1u << TypeParam::kThreads) - 1);
    bench.weather = {.rx_idle = seed % 3 * 0.3,
                     .tx_stall = seed % 5 * 0.2,
                     .done_stall = seed % 2 * 0.5,
                     .svc_stall = seed % 7 * 0.1,
                     .rsp_latency_max = seed % 6 * 12,
                     .release_delay_max = seed % 3 * 40,
                     .send = 0.7};
    for (unsigned i = 0; i < 24; ++i) {
      bench.offer(
          {pattern(64 + random() % 200, seed * 100 + i), static_cast<std::uint32_t>(random())});
    }
    bench.run();
    retired += bench.retired;
    opcodes.merge(bench.opcodes_seen);
  }
  std::printf("%llu instructions matched, %zu opcodes\n", static_cast<unsigned long long>(retired),
              opcodes.size());
  EXPECT_GE(opcodes.size(), 120u);
}

}  // namespace
}  // namespace kiln::core_test
