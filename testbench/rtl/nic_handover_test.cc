// SPDX-License-Identifier: Apache-2.0
//
// Threads that go to the host: what the host is sent, what it may answer and when, that frames still leave
// in the order of arrival, and the host's own requests to the services beside those of the cores.
#include <Vnic_narrow.h>
#include <Vnic_wide.h>
#include <gtest/gtest.h>

#include <algorithm>

#include <kiln/core_isa.h>

#include "core_asm.h"
#include "nic_bench.h"

namespace kiln::nic_test {
namespace {

using core_test::Code;

constexpr std::int32_t kContext = 0x1000'0000;
constexpr std::int32_t kStackAddress = 0x2000'0000;
constexpr std::int32_t kMapAddress = 0x4000'0000;
constexpr std::uint32_t kPacket = 0x3000'0000;
constexpr std::size_t kContextWord = 2, kStackWord = 66, kWindowWord = 130;

/// Byte 1 turns of a loop; then, if byte 0 is odd, to the host with 7 at the context's byte 44, byte 0 in
/// its save area and 9 on the stack; else the verdict is byte 0.
std::vector<std::uint64_t> program() {
  using namespace core_test;
  Code code;
  code.add(kMOV32_IMM, 1, 0, 0, kContext);
  code.add(kLDXW, 2, 1, 0);
  code.add(kLDXB, 0, 2, 0);
  code.add(kLDXB, 3, 2, 1);
  code.add(kJEQ64_IMM, 3, 0, 2, 0);
  code.add(kSUB64_IMM, 3, 0, 0, 1);
  code.add(kJA, 0, 0, -3);
  code.add(kJSET64_IMM, 0, 0, 1, 1);
  code.exit(0);
  code.add(kMOV32_IMM, 4, 0, 0, kStackAddress);
  code.add(kSTDW, 4, 0, 504, 9);
  code.add(kSTXDW, 1, 0, 64);
  code.add(kSTW, 1, 0, 44, 7);
  code.add(kNativeTRAP, 0, 0, 0, kTrapHandover);
  return code.words;
}

template <typename Top>
class Handover : public testing::Test {};
using Models = testing::Types<Vnic_narrow, Vnic_wide>;
TYPED_TEST_SUITE(Handover, Models);

/// What the host makes of a frame: shorter or longer, and changed.
Octets changed(const Octets& in) {
  Octets out(in.begin(), in.end());
  out.resize(in[0] % 4 == 1 ? std::min<std::size_t>(in.size() + 40, 3520) : std::max<std::size_t>(in.size() - 3, 14));
  std::reverse(out.begin(), out.end());
  return out;
}

std::uint32_t host_verdict(const Octets& in) { return in[0] / 2 % 6; }

/// Checks a message and gives the answer to it.
std::vector<std::uint64_t> answer(const std::vector<std::uint64_t>& words, const std::vector<FrameIn>& frames) {
  const auto half = [&](std::size_t word, bool high) {
    return static_cast<std::uint32_t>(high ? words[word] >> 32 : words[word]);
  };
  EXPECT_GE(words.size(), kWindowWord);
  const std::uint32_t seq = half(0, false);
  EXPECT_EQ(words[0] >> 56, 1u);
  EXPECT_LT(seq, frames.size());
  const FrameIn& frame = frames[seq];
  const std::uint32_t data = half(kContextWord, false), end = half(kContextWord, true);
  EXPECT_EQ(end - data, frame.data.size());
  EXPECT_EQ(half(kContextWord + 1, true), frame.ifindex);
  EXPECT_EQ(half(kContextWord + 2, false), frame.queue);
  EXPECT_EQ(half(kContextWord + 5, true), 7u);
  EXPECT_EQ(words[kContextWord + 8], frame.data[0]);
  EXPECT_EQ(words[kStackWord + 63], 9u);
  EXPECT_TRUE(std::all_of(words.begin() + kStackWord, words.begin() + kStackWord + 63, [](std::uint64_t w) { return w == 0; }));
  EXPECT_EQ(words.size(), kWindowWord + (frame.data.size() + 7) / 8);
  EXPECT_EQ(std::memcmp(words.data() + kWindowWord, frame.data.data(), frame.data.size()), 0);
  EXPECT_EQ(half(1, false), 11u + 3 * frame.data[1]) << "instructions";

  const std::uint32_t verdict = host_verdict(frame.data);
  const Octets out = changed(frame.data);
  const std::uint32_t at = kPacket + 256 + seq % 8 * 8 - 24;
  std::vector<std::uint64_t> back = {words[0] & 0xffff'0000'0000, verdict | std::uint64_t{100 + seq} << 32,
                                     std::uint64_t{seq} << 8 | std::uint64_t{3} << 32,
                                     at | std::uint64_t{at + out.size()} << 32};
  if (verdict >= 2 && verdict <= 4) {
    back.resize(4 + (out.size() + 7) / 8);
    std::memcpy(back.data() + 4, out.data(), out.size());
  }
  return back;
}

TYPED_TEST(Handover, InOrderWhateverTheHostDoes) {
  for (const unsigned patience : {1u, 40u, 700u}) {
    NicBench<TypeParam> nic(patience);
    nic.idle_percent = patience % 3 * 20;
    nic.pressure_percent = patience % 7 * 8;
    nic.load(program());
    std::mt19937 random(7 + patience);
    std::vector<FrameIn> frames;
    std::size_t odd = 0;
    for (int i = 0; i < 120; ++i) {
      FrameIn frame;
      frame.data.resize(14 + random() % (i % 10 == 0 ? 3000 : 200));
      for (auto& byte : frame.data) {
        byte = static_cast<std::uint8_t>(random());
      }
      frame.data[0] = random() % 2 == 0 ? random() % 3 * 2 : random() | 1;
      frame.data[1] = random() % 20;
      frame.ifindex = static_cast<std::uint16_t>(random());
      frame.queue = static_cast<std::uint16_t>(random());
      odd += frame.data[0] & 1;
      frames.push_back(frame);
    }
    nic.write(kRegCONTROL, 1);
    nic.to_send.assign(frames.begin(), frames.end());
    // The receive FIFO must not overflow while the host takes its time.
    std::deque<FrameIn> later;
    std::swap(later, nic.to_send);
    std::size_t out = 0;
    std::mt19937 host(patience);
    for (std::uint64_t i = 0; nic.verdicts.size() < frames.size(); ++i) {
      ASSERT_LT(i, 3'000'000u) << nic.verdicts.size() << " of " << frames.size();
      if (!later.empty() && nic.to_send.empty() && frames.size() - later.size() < nic.verdicts.size() + 6) {
        nic.to_send.push_back(later.front());
        later.pop_front();
      }
      nic.tick();
      if (!nic.handed_over.empty() && host() % patience == 0) {
        const auto pick = nic.handed_over.begin() + static_cast<std::ptrdiff_t>(host() % nic.handed_over.size());
        nic.host_answers.push_back(answer(*pick, frames));
        nic.handed_over.erase(pick);
      }
    }
    ASSERT_TRUE(nic.drain());
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const VerdictRecord& v = nic.verdicts[i];
      const bool at_host = (frames[i].data[0] & 1) != 0;
      const std::uint32_t code = at_host ? host_verdict(frames[i].data) : frames[i].data[0];
      ASSERT_EQ(v.seq, i);
      ASSERT_EQ(v.code, code);
      ASSERT_EQ(v.trap, 0u);
      ASSERT_EQ(v.redirect, at_host ? i << 8 : 0);
      ASSERT_EQ(v.redirect_map, at_host ? 3 : 0);
      if (at_host) {
        ASSERT_EQ(v.insns, 100 + i);
      }
      if (code >= 2 && code <= 4) {
        ASSERT_LT(out, nic.sent.size());
        ASSERT_EQ(nic.sent[out].data, at_host ? changed(frames[i].data) : frames[i].data) << "frame " << i;
        ++out;
      }
    }
    EXPECT_EQ(out, nic.sent.size());
    EXPECT_EQ(nic.read64(kRegHANDOVERS_LO), odd);
    EXPECT_EQ(nic.read64(kRegTRAP_LO), 0u);
  }
}

template <typename Top>
std::uint64_t request(NicBench<Top>& nic, unsigned service, unsigned size, std::uint32_t addr, std::uint32_t imm,
                      std::uint64_t data, const std::vector<std::uint64_t>& key = {}) {
  for (const std::uint64_t word : key) {
    EXPECT_EQ(nic.write(kRegSVC_KEY_LO, static_cast<std::uint32_t>(word)), 0u);
    EXPECT_EQ(nic.write(kRegSVC_KEY_HI, static_cast<std::uint32_t>(word >> 32)), 0u);
  }
  nic.write(kRegSVC_ADDR, addr);
  nic.write(kRegSVC_IMM, imm);
  nic.write(kRegSVC_DATA_LO, static_cast<std::uint32_t>(data));
  nic.write(kRegSVC_DATA_HI, static_cast<std::uint32_t>(data >> 32));
  EXPECT_EQ(nic.write(kRegSVC_GO, service | size << 4), 0u);
  for (int i = 0; (nic.read(kRegSVC_GO) & 1) != 0; ++i) {
    if (i == 1000) {
      ADD_FAILURE() << "no answer";
      return 0;
    }
  }
  return nic.read64(kRegSVC_RESULT_LO);
}

constexpr unsigned kDouble = 3, kWord = 0, kHalf = 1, kByte = 2;  // BPF's size encoding

TYPED_TEST(Handover, HostRequestsAreAtomicToTheCores) {
  using namespace core_test;
  Code code;  // every frame adds 1 to the word at 0x40 and drops
  code.add(kMOV32_IMM, 1, 0, 0, kMapAddress);
  code.add(kMOV64_IMM, 2, 0, 0, 1);
  code.add(kATOMIC_ADD64, 1, 2, 0x40, 0);
  code.add(kMOV64_IMM, 0, 0, 0, 1);
  code.exit(0);
  NicBench<TypeParam> nic(5);
  nic.load(code.words);
  nic.write(kRegCONTROL, 1);
  constexpr unsigned kFrames = 200, kHost = 60;
  for (unsigned i = 0; i < kFrames; ++i) {
    nic.to_send.push_back({Octets(64, 1)});
  }
  for (unsigned i = 0; i < kHost; ++i) {
    request(nic, kSvcATOMIC, kDouble, kMapAddress + 0x40, 0, 1000);
  }
  ASSERT_TRUE(nic.drain());
  EXPECT_EQ(request(nic, kSvcLOAD, kDouble, kMapAddress + 0x40, 0, 0), kFrames + 1000ull * kHost);
  // Sizes, alignments, compare and exchange.
  request(nic, kSvcSTORE, kDouble, kMapAddress + 0x81, 0, 0x8877665544332211);
  EXPECT_EQ(request(nic, kSvcLOAD, kByte, kMapAddress + 0x83, 0, 0), 0x33u);
  EXPECT_EQ(request(nic, kSvcLOAD, kHalf, kMapAddress + 0x87, 0, 0), 0x8877u);
  EXPECT_EQ(request(nic, kSvcLOAD, kWord, kMapAddress + 0x82, 0, 0), 0x55443322u);
  EXPECT_EQ(request(nic, kSvcATOMIC, kDouble, kMapAddress + 0x40, 0xf1, 5, {0}), kFrames + 1000ull * kHost);
  EXPECT_EQ(request(nic, kSvcATOMIC, kDouble, kMapAddress + 0x40, 0xf1, 6, {kFrames + 1000ull * kHost}),
            kFrames + 1000ull * kHost);
  EXPECT_EQ(request(nic, kSvcLOAD, kDouble, kMapAddress + 0x40, 0, 0), 6u);
}

TYPED_TEST(Handover, CoresWaitWhileTheHostHolds) {
  using namespace core_test;
  Code code;
  code.add(kMOV32_IMM, 1, 0, 0, kMapAddress);
  code.add(kMOV64_IMM, 2, 0, 0, 1);
  code.add(kATOMIC_ADD64, 1, 2, 0x40, 0);
  code.add(kATOMIC_ADD64, 1, 2, 0x48, 0);
  code.add(kMOV64_IMM, 0, 0, 0, 1);
  code.exit(0);
  NicBench<TypeParam> nic(6);
  nic.load(code.words);
  nic.write(kRegCONTROL, 1);
  for (int i = 0; i < 100; ++i) {
    nic.to_send.push_back({Octets(64, 1)});
  }
  for (int turn = 0; turn < 10; ++turn) {
    nic.write(kRegSVC_HOLD, 1);
    for (int i = 0; (nic.read(kRegSVC_GO) & 4) == 0; ++i) {
      ASSERT_LT(i, 100);
    }
    const std::uint64_t first = request(nic, kSvcLOAD, kDouble, kMapAddress + 0x40, 0, 0);
    for (int i = 0; i < 100; ++i) {
      nic.tick();
    }
    EXPECT_EQ(request(nic, kSvcLOAD, kDouble, kMapAddress + 0x40, 0, 0), first);
    nic.write(kRegSVC_HOLD, 0);
    for (int i = 0; i < 60; ++i) {
      nic.tick();
    }
  }
  ASSERT_TRUE(nic.drain());
  EXPECT_EQ(request(nic, kSvcLOAD, kDouble, kMapAddress + 0x40, 0, 0), 100u);
  EXPECT_EQ(request(nic, kSvcLOAD, kDouble, kMapAddress + 0x48, 0, 0), 100u);
}

}  // namespace
}  // namespace kiln::nic_test
