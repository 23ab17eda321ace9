// SPDX-License-Identifier: Apache-2.0
//
// kiln_nic through its pins, with small native programs: every frame comes out once, changed as the
// program says, in the order of arrival, with its verdict; nothing is lost that is not counted.
#include <Vnic_narrow.h>
#include <Vnic_wide.h>
#include <gtest/gtest.h>

#include <map>

#include "nic_bench.h"

namespace kiln::nic_test {
namespace {

enum Opcode : std::uint8_t {
#define KILN_INSN(name, opcode, ...) k##name = opcode,
#include <kiln/isa.def>
#define KILN_CORE_INSN(name, opcode, meaning) kNative##name = opcode,
#include <kiln/core_isa.def>
};
enum Service : std::uint8_t {
#define KILN_SERVICE(name, number, fields, result) kSvc##name = number,
#include <kiln/core_services.def>
};

constexpr std::uint64_t insn(unsigned opcode, unsigned dst = 0, unsigned src = 0, int off = 0, std::int32_t imm = 0) {
  return opcode | std::uint64_t{dst} << 8 | std::uint64_t{src} << 12 |
         std::uint64_t{static_cast<std::uint16_t>(off)} << 16 | std::uint64_t{static_cast<std::uint32_t>(imm)} << 32;
}

constexpr std::int32_t kContext = 0x1000'0000;
constexpr std::size_t kMaxFrame = 4096 - 256 - 320;

/// Verdict from byte 0; byte 1 turns of a loop, so that frames finish out of order; byte 2 grows by
/// one; bytes 4..7 become the redirect target, byte 3 its map + 1.
const std::vector<std::uint64_t> kByFrame = {
    insn(kMOV32_IMM, 1, 0, 0, kContext), insn(kLDXW, 2, 1, 0),
    insn(kLDXB, 0, 2, 0),                insn(kLDXB, 3, 2, 1),
    insn(kLDXB, 4, 2, 2),                insn(kADD64_IMM, 4, 0, 0, 1),
    insn(kSTXB, 2, 4, 2),                insn(kLDXW, 5, 2, 4),
    insn(kSTXW, 1, 5, 0x18),             insn(kLDXB, 5, 2, 3),
    insn(kSTXW, 1, 5, 0x1c),             insn(kJEQ64_IMM, 3, 0, 2, 0),
    insn(kSUB64_IMM, 3, 0, 0, 1),        insn(kJA, 0, 0, -3),
    insn(kNativeEXIT, 0, 0)};

struct Expected {
  std::uint32_t code;
  FrameOut out;
};

std::uint64_t load(const Octets& data, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  std::memcpy(&value, data.data() + at, size);
  return value;
}

Expected expect(const FrameIn& in) {
  Expected e{in.data[0], {in.data, 0}};
  ++e.out.data[2];
  const std::uint64_t verdict = e.code;
  e.out.user = verdict | std::uint64_t{in.data[3]} << 4 | std::uint64_t{in.ifindex} << 16 | load(in.data, 4, 4) << 32;
  return e;
}

FrameIn random_frame(std::mt19937& random, std::size_t longest) {
  FrameIn frame;
  const std::size_t sizes[] = {14, 15, 60, 63, 64, 65, 127, 128, 129, longest};
  const std::size_t size = random() % 3 == 0 ? sizes[random() % std::size(sizes)] : 14 + random() % (longest - 13);
  frame.data.resize(size);
  for (auto& byte : frame.data) {
    byte = static_cast<std::uint8_t>(random());
  }
  frame.data[0] = random() % 10 == 0 ? 5 + random() % 250 : random() % 5;
  frame.data[1] = random() % 4 == 0 ? random() % 60 : random() % 4;
  frame.ifindex = static_cast<std::uint16_t>(random());
  frame.queue = static_cast<std::uint16_t>(random());
  return frame;
}

template <typename Top>
class Nic : public testing::Test {};
using Models = testing::Types<Vnic_narrow, Vnic_wide>;
TYPED_TEST_SUITE(Nic, Models);

template <typename Top>
void check(NicBench<Top>& nic, const std::vector<FrameIn>& frames, std::uint32_t first_seq = 0) {
  std::size_t out = 0;
  std::uint64_t counts[5] = {};
  ASSERT_EQ(nic.verdicts.size(), frames.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const Expected e = expect(frames[i]);
    const VerdictRecord& v = nic.verdicts[i];
    ASSERT_EQ(v.seq, first_seq + i);
    ASSERT_EQ(v.code, e.code) << "frame " << i;
    ASSERT_EQ(v.trap, 0u);
    ASSERT_EQ(v.redirect, load(frames[i].data, 4, 4));
    ASSERT_EQ(v.redirect_map, frames[i].data[3]);
    ASSERT_EQ(v.insns, 13u + 3 * frames[i].data[1]);
    ASSERT_GT(v.end, v.start);
    ++counts[e.code > 4 ? 0 : e.code];
    if (e.code >= 2 && e.code <= 4) {
      ASSERT_LT(out, nic.sent.size());
      ASSERT_EQ(nic.sent[out].user, e.out.user) << "frame " << i;
      ASSERT_EQ(nic.sent[out].data, e.out.data) << "frame " << i << " of " << frames[i].data.size() << " bytes";
      ++out;
    }
  }
  ASSERT_EQ(out, nic.sent.size());
  EXPECT_EQ(nic.read64(kRegABORTED_LO), counts[0]);
  EXPECT_EQ(nic.read64(kRegDROP_LO), counts[1]);
  EXPECT_EQ(nic.read64(kRegPASS_LO), counts[2]);
  EXPECT_EQ(nic.read64(kRegTX_LO), counts[3]);
  EXPECT_EQ(nic.read64(kRegREDIRECT_LO), counts[4]);
}

TYPED_TEST(Nic, EveryFrameOnceInOrder) {
  for (unsigned idle : {0u, 70u}) {
    for (unsigned pressure : {0u, 60u}) {
      for (unsigned limit : {0u, 5u}) {
        NicBench<TypeParam> nic(idle + pressure + limit);
        nic.load(kByFrame);
        nic.write(kRegMAX_IN_FLIGHT, limit);
        nic.write(kRegCONTROL, limit == 5 ? 3 : 1);
        nic.idle_percent = idle;
        nic.pressure_percent = pressure;
        std::mt19937 random(7 * idle + pressure);
        std::vector<FrameIn> frames;
        // Bursts that the receive FIFO holds, so that nothing may be dropped.
        for (int burst = 0; burst < 6; ++burst) {
          for (std::size_t bytes = 0; bytes < 12'000;) {
            frames.push_back(random_frame(random, burst == 5 ? kMaxFrame : 300));
            nic.to_send.push_back(frames.back());
            bytes += frames.back().data.size() + 64;
          }
          ASSERT_TRUE(nic.drain()) << "idle " << idle << " pressure " << pressure;
        }
        check(nic, frames);
        ASSERT_FALSE(this->HasFatalFailure()) << "idle " << idle << " pressure " << pressure << " limit " << limit;
        EXPECT_EQ(nic.read64(kRegRX_FRAMES_LO), frames.size());
        EXPECT_EQ(nic.read64(kRegRX_FULL_LO), 0u);
      }
    }
  }
}

TYPED_TEST(Nic, OneInFlightIsCoreZeroThreadZero) {
  NicBench<TypeParam> nic;
  nic.load(kByFrame);
  nic.write(kRegMAX_IN_FLIGHT, 1);
  nic.write(kRegCONTROL, 1);
  std::mt19937 random(3);
  std::vector<FrameIn> frames;
  for (int i = 0; i < 40; ++i) {
    frames.push_back(random_frame(random, 200));
    nic.to_send.push_back(frames.back());
  }
  ASSERT_TRUE(nic.drain());
  check(nic, frames);
  for (std::size_t i = 0; i < nic.verdicts.size(); ++i) {
    EXPECT_EQ(nic.verdicts[i].core, 0u);
    EXPECT_EQ(nic.verdicts[i].thread, 0u);
    if (i > 0) {
      EXPECT_GT(nic.verdicts[i].start, nic.verdicts[i - 1].end);
    }
  }
}

TYPED_TEST(Nic, DropsWholeFramesWhenFullOrTooLongAndCountsThem) {
  NicBench<TypeParam> nic;
  nic.load(kByFrame);
  nic.write(kRegCONTROL, 1);
  nic.pressure_percent = 100;  // nothing leaves: threads and FIFO fill up
  std::mt19937 random(5);
  std::vector<FrameIn> frames;
  std::size_t too_long = 0;
  for (int i = 0; i < 400; ++i) {
    FrameIn frame = random_frame(random, 1500);
    frame.data[0] = 3;
    if (i % 40 == 20) {
      frame.data.resize(kMaxFrame + 1 + random() % 1000);
      ++too_long;
    } else if (i % 40 == 21) {
      frame.data.resize(kMaxFrame);
    }
    std::memcpy(frame.data.data() + 8, &i, 4);  // its number
    frames.push_back(frame);
    nic.to_send.push_back(frame);
  }
  while (!nic.to_send.empty()) {
    nic.tick();
  }
  nic.pressure_percent = 0;
  ASSERT_TRUE(nic.drain());
  const std::uint64_t full = nic.read64(kRegRX_FULL_LO);
  EXPECT_GT(full, 50u);
  EXPECT_EQ(nic.read64(kRegRX_LONG_LO), too_long);
  EXPECT_EQ(nic.read64(kRegRX_FRAMES_LO), frames.size());
  EXPECT_EQ(nic.sent.size() + full + too_long, frames.size());
  std::size_t last = 0;
  for (const FrameOut& out : nic.sent) {
    const std::size_t number = load(out.data, 8, 4);
    ASSERT_TRUE(&out == &nic.sent.front() || number > last);
    ASSERT_EQ(out, expect(frames[number]).out) << "frame " << number;
    last = number;
  }
}

TYPED_TEST(Nic, StoppedItIgnoresFrames) {
  NicBench<TypeParam> nic;
  nic.load(kByFrame);
  std::mt19937 random(9);
  for (int i = 0; i < 5; ++i) {
    nic.to_send.push_back(random_frame(random, 500));
  }
  ASSERT_TRUE(nic.drain());
  EXPECT_TRUE(nic.verdicts.empty());
  EXPECT_EQ(nic.read64(kRegRX_FRAMES_LO), 0u);
  nic.write(kRegCONTROL, 1);
  nic.to_send.push_back(random_frame(random, 500));
  ASSERT_TRUE(nic.drain());
  EXPECT_EQ(nic.verdicts.size(), 1u);
}

TYPED_TEST(Nic, FlowsStayOnTheirCore) {
  NicBench<TypeParam> nic;
  nic.load(kByFrame);
  nic.write(kRegCONTROL, 3);
  const std::uint32_t cores = nic.read(kRegCONFIG0) & 0xff;
  std::mt19937 random(21);
  std::vector<FrameIn> frames;
  for (int i = 0; i < 150; ++i) {
    FrameIn frame = random_frame(random, 80);
    frame.data.resize(64 + random() % 20);
    const std::uint8_t flow = static_cast<std::uint8_t>(random() % 24);
    frame.data[12] = 0x08, frame.data[13] = 0x00, frame.data[14] = 0x45;
    frame.data[20] = frame.data[21] = 0, frame.data[23] = 17;
    for (unsigned at = 26; at < 38; ++at) {
      frame.data[at] = at == 29 ? flow : 10;
    }
    frames.push_back(frame);
    nic.to_send.push_back(frame);
    if (i % 50 == 49) {
      ASSERT_TRUE(nic.drain());
    }
  }
  check(nic, frames);
  std::map<std::uint8_t, std::uint8_t> core_of;
  std::vector<unsigned> used(cores);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto [at, fresh] = core_of.emplace(frames[i].data[29], nic.verdicts[i].core);
    EXPECT_EQ(at->second, nic.verdicts[i].core);
    used[nic.verdicts[i].core] += fresh;
  }
  for (unsigned flows : used) {
    EXPECT_GT(flows, 0u) << "a core that no flow hashes to";
  }
}

TYPED_TEST(Nic, DisabledCoresAndThreadsStayIdle) {
  NicBench<TypeParam> nic;
  nic.load(kByFrame);
  const std::uint32_t cores = nic.read(kRegCONFIG0) & 0xff;
  nic.write(kRegCORE_ENABLE, 1u << (cores - 1));
  nic.write(kRegTHREAD_ENABLE, 0x24);
  nic.write(kRegCONTROL, 1);
  std::mt19937 random(2);
  std::vector<FrameIn> frames;
  for (int i = 0; i < 30; ++i) {
    frames.push_back(random_frame(random, 200));
    nic.to_send.push_back(frames.back());
  }
  ASSERT_TRUE(nic.drain());
  check(nic, frames);
  for (const VerdictRecord& v : nic.verdicts) {
    EXPECT_EQ(v.core, cores - 1);
    EXPECT_TRUE(v.thread == 2 || v.thread == 5);
  }
}

/// Every frame adds 1 to a counter in map memory and takes its new value along.
TYPED_TEST(Nic, AtomicCounterInMapMemory) {
  NicBench<TypeParam> nic;
  nic.load({insn(kMOV32_IMM, 1, 0, 0, kContext), insn(kLDXW, 2, 1, 0), insn(kMOV32_IMM, 3, 0, 0, 0x4000'0040),
            insn(kMOV64_IMM, 4, 0, 0, 1), insn(kATOMIC_FETCH_ADD64, 3, 4, 0, 1), insn(kSTXDW, 2, 4, 14),
            insn(kLDXDW, 5, 3, 8), insn(kSTXDW, 2, 5, 22), insn(kMOV64_IMM, 0, 0, 0, 3), insn(kNativeEXIT, 0, 0)});
  nic.write(kRegMAPMEM_ADDR, 0);
  nic.write(kRegMAPMEM_FILL, 256);
  nic.write(kRegMAPMEM_ADDR, 0x48);
  nic.write(kRegMAPMEM_LO, 0x89abcdef);
  nic.write(kRegMAPMEM_HI, 0x01234567);
  nic.write(kRegCONTROL, 1);
  for (int i = 0; i < 100; ++i) {
    nic.to_send.push_back({Octets(60), 1, 0});
  }
  ASSERT_TRUE(nic.drain());
  std::vector<bool> seen(100);
  ASSERT_EQ(nic.sent.size(), 100u);
  for (const FrameOut& out : nic.sent) {
    const std::uint64_t old = load(out.data, 14, 8);
    ASSERT_LT(old, 100u);
    EXPECT_FALSE(seen[old]) << old;
    seen[old] = true;
    EXPECT_EQ(load(out.data, 22, 8), 0x0123'4567'89ab'cdefu);
  }
  nic.write(kRegMAPMEM_ADDR, 0x40);
  EXPECT_EQ(nic.read(kRegMAPMEM_LO), 100u);
  EXPECT_EQ(nic.read(kRegMAPMEM_HI), 0u);
  EXPECT_EQ(nic.read(kRegMAPMEM_LO), 0x89abcdefu);
  EXPECT_EQ(nic.read(kRegMAPMEM_ADDR), 0x48u);
}

TYPED_TEST(Nic, ATrapAbortsAndIsCounted) {
  NicBench<TypeParam> nic;
  nic.load({insn(kNativeTRAP, 0, 0, 0, 9)});
  nic.write(kRegCONTROL, 1);
  nic.to_send.push_back({Octets(60), 1, 0});
  ASSERT_TRUE(nic.drain());
  ASSERT_EQ(nic.verdicts.size(), 1u);
  EXPECT_EQ(nic.verdicts[0].trap, 9u);
  EXPECT_EQ(nic.verdicts[0].code, 0u);
  EXPECT_TRUE(nic.sent.empty());
  EXPECT_EQ(nic.read64(kRegTRAP_LO), 1u);
  EXPECT_EQ(nic.read64(kRegABORTED_LO), 1u);
  EXPECT_EQ(nic.read64(kRegRETIRED_LO), 1u);
}

/// The data path must not be what limits: cycles per frame and core with next to no program.
TYPED_TEST(Nic, Throughput) {
  struct {
    const char* name;
    std::uint32_t verdict;
    double limit;  // cycles per frame and core
  } const cases[] = {{"drop", 1, 12}, {"tx", 3, 24}};
  for (const auto& c : cases) {
    for (std::size_t size : {64u, 1500u}) {
      NicBench<TypeParam> nic;
      nic.load({insn(kMOV64_IMM, 0, 0, 0, static_cast<std::int32_t>(c.verdict)), insn(kNativeEXIT, 0, 0)});
      nic.write(kRegCONTROL, 1);
      const std::uint32_t cores = nic.read(kRegCONFIG0) & 0xff;
      const std::size_t warm = 30 * cores, frames = 150 * cores;
      std::uint64_t start = 0;
      for (std::uint64_t guard = 0; nic.verdicts.size() < warm + frames && guard < 1'000'000; ++guard) {
        if (nic.to_send.size() < 2) {
          nic.to_send.push_back({Octets(size), 1, 0});
        }
        nic.tick();
        if (start == 0 && nic.verdicts.size() >= warm) {
          start = nic.cycles;
        }
      }
      ASSERT_GE(nic.verdicts.size(), warm + frames);
      const double per_frame = static_cast<double>((nic.cycles - start) * cores) / static_cast<double>(frames);
      std::printf("%-5s %4zu bytes, %u cores: %6.2f cycles per frame and core, %5.2f bytes per cycle\n", c.name, size,
                  cores, per_frame, static_cast<double>(size * cores) / per_frame);
      EXPECT_LE(per_frame, size == 64 ? c.limit : c.verdict == 1 ? 200 : 400);
    }
  }
}

TYPED_TEST(Nic, Registers) {
  NicBench<TypeParam> nic;
  unsigned response = 9;
  EXPECT_EQ(nic.read(kRegID, &response), 0x4b494c4eu);
  EXPECT_EQ(response, 0u);
  EXPECT_EQ(nic.read(kRegVERSION), 0x10002u);
  EXPECT_EQ(nic.read(kRegCONFIG1), 4096u | NicBench<TypeParam>::kBeat * 8 << 16);
  nic.read(kRegRX_FRAMES_LO - 4, &response);
  EXPECT_NE(response, 0u) << "a read of nothing";
  EXPECT_NE(nic.write(kRegID, 1), 0u) << "a write to a read-only register";
  EXPECT_EQ(nic.write(kRegENTRY, 0x123), 0u);
  EXPECT_EQ(nic.read(kRegENTRY), 0x123u);
  nic.top().s_axil_wstrb_i = 0x3;
  EXPECT_NE(nic.write(kRegENTRY, 0x456), 0u) << "a partial write";
  nic.top().s_axil_wstrb_i = 0xf;
  EXPECT_EQ(nic.read(kRegENTRY), 0x123u);
  EXPECT_EQ(nic.read(kRegTHREAD_ENABLE), 0xffu);
  nic.write(kRegCLOCK_HI, 5);
  nic.write(kRegCLOCK_LO, 6);
  EXPECT_EQ(nic.read64(kRegCLOCK_LO), 0x5'0000'0006u);
  nic.write(kRegCLOCK_STEP, 1 << 16);
  const std::uint64_t before = nic.read64(kRegCLOCK_LO);
  EXPECT_GT(nic.read64(kRegCLOCK_LO), before);
  const std::uint64_t cycles = nic.read64(kRegCYCLES_LO);
  EXPECT_NEAR(static_cast<double>(cycles), static_cast<double>(nic.cycles), 30);
  nic.write(kRegIMEM_ADDR, 7);
  nic.write(kRegIMEM_LO, 1);
  EXPECT_EQ(nic.write(kRegIMEM_HI, 2), 0u);
  EXPECT_EQ(nic.read(kRegIMEM_ADDR), 8u);
  nic.write(kRegCONTROL, 1);
  EXPECT_NE(nic.write(kRegIMEM_HI, 2), 0u) << "an instruction write while running";
  EXPECT_EQ(nic.read(kRegIMEM_ADDR), 8u);
}

}  // namespace
}  // namespace kiln::nic_test
