// SPDX-License-Identifier: Apache-2.0
//
// Helpers of packets that are struct sk_buff, as traffic-class, socket-filter and cgroup programs, against Linux: random
// sequences of calls; results, packet, and what the context shows afterwards must be the same.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include <fmt/format.h>

#include "scenario.h"

namespace kiln::conformance {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<unsigned> values) {
  std::vector<std::byte> bytes;
  for (const unsigned value : values) {
    bytes.push_back(static_cast<std::byte>(value));
  }
  return bytes;
}

/// An Ethernet frame of `size` bytes, IP header included where the type is IP's.
std::vector<std::byte> packet(unsigned ether_type, std::size_t size, bool tagged = false) {
  std::vector<std::byte> frame = bytes_of({2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2});
  const auto put = [&](std::initializer_list<unsigned> values) {
    const auto bytes = bytes_of(values);
    frame.insert(frame.end(), bytes.begin(), bytes.end());
  };
  if (tagged) {
    put({0x81, 0x00, 0x20, 0x05});
  }
  put({ether_type >> 8, ether_type & 0xff});
  if (ether_type == 0x0800) {
    put({0x45, 1, 0, 60, 0, 1, 0, 0, 64, 6, 0x12, 0x34, 10, 0, 0, 1, 10, 0, 0, 2});
  } else if (ether_type == 0x86dd) {
    put({0x60, 0x10, 0, 0, 0, 20, 6, 64});
    for (unsigned i = 0; i < 32; ++i) {
      put({i + 1});
    }
  }
  const std::vector<std::byte> rest = test_frame(size);
  frame.insert(frame.end(), rest.begin() + static_cast<std::ptrdiff_t>(std::min(frame.size(), size)), rest.end());
  return frame;
}

std::vector<std::vector<std::byte>> packets() {
  return {packet(0x0800, 64), packet(0x86dd, 90), packet(0x0800, 80, true), packet(0x86dd, 120, true),
          packet(0x0806, 60), packet(0x0800, 34), packet(0x0800, 1500), packet(0x0100, 60)};
}

/// Results of calls and fields of the context, mixed into r7 and stored in cb[0] and cb[1].
class Sequence {
 public:
  explicit Sequence(std::uint32_t seed) : random_(seed) {}

  std::string code(bool is_tc) {
    std::string text = "r6 = r1\nr7 = 0\nr1 = 0x1122334455667788 ll\n*(u64 *)(r10 -8) = r1\n";
    for (std::uint32_t i = 0, n = 1 + random_() % 5; i < n; ++i) {
      text += is_tc ? tc_call() : load_call();
      text += "r7 *= 33\nr7 += r0\n";
      if (is_tc) {
        for (const int field : {0, 4, 16, 20, 24, 28, 68}) {  // len, pkt_type, protocol, vlan, hash
          text += fmt::format("r0 = *(u32 *)(r6 +{})\nr7 *= 33\nr7 += r0\n", field);
        }
      }
    }
    text += "*(u32 *)(r6 +48) = r7\nr7 >>= 32\n*(u32 *)(r6 +52) = r7\n";
    if (is_tc) {
      text += "*(u32 *)(r6 +8) = r7\n*(u32 *)(r6 +32) = r7\n";
    }
    return text + "r0 = 0\nexit\n";
  }

 private:
  std::uint32_t below(std::uint32_t n) { return random_() % n; }
  std::int64_t pick(std::initializer_list<std::int64_t> values) { return values.begin()[below(static_cast<std::uint32_t>(values.size()))]; }

  std::string call(const std::string& arguments, const char* helper) {
    return "r1 = r6\n" + arguments + fmt::format("call {}\n", helper);
  }
  static std::string set(int reg, std::int64_t value) { return fmt::format("r{} = {:#x} ll\n", reg, static_cast<std::uint64_t>(value)); }
  static std::string buffer(int reg) { return fmt::format("r{0} = r10\nr{0} += -8\n", reg); }

  std::string load_call() {
    const std::int64_t offset = pick({0, 1, 6, 12, 14, 20, 40, 60, 0xffff, 0x10000, -1, 0x7fffffff});
    const std::int64_t size = pick({1, 2, 4, 8});
    if (below(2) == 0) {
      return call(set(2, offset) + buffer(3) + fmt::format("r4 = {}\n", size), "bpf_skb_load_bytes#26") + "r1 = *(u64 *)(r10 -8)\nr0 += r1\n";
    }
    return call(set(2, offset) + buffer(3) + fmt::format("r4 = {}\n", size) + set(5, pick({0, 1, 2})), "bpf_skb_load_bytes_relative#68") +
           "r1 = *(u64 *)(r10 -8)\nr0 += r1\n";
  }

  std::string tc_call() {
    const std::int64_t offset = pick({0, 2, 6, 12, 14, 24, 25, 40, 60, 0xfffe, 0x10000, -2});
    const std::int64_t from = pick({0, 1, 0x1234, 0xffff, 0x12345678, 0xffffffff}), to = pick({0, 2, 0xabcd, 0xffff, -1});
    switch (below(16)) {
      case 0:
        return load_call();
      case 1:
        return call(set(2, offset) + buffer(3) + fmt::format("r4 = {}\n", pick({1, 2, 4, 8})) + set(5, pick({0, 1, 2, 3, 4})), "bpf_skb_store_bytes#9");
      case 2:
        return call(set(2, offset) + set(3, from) + set(4, to) + set(5, pick({0, 2, 4, 3, 16})), "bpf_l3_csum_replace#10");
      case 3:
        return call(set(2, offset) + set(3, from) + set(4, to) + set(5, pick({0, 2, 4, 3, 16, 18, 20, 34, 36, 98, 256})), "bpf_l4_csum_replace#11");
      case 4:
        return call(set(2, pick({0x0081, 0xa888, 0x0008, 0})) + set(3, pick({1, 0x2fff, 0x12345})), "bpf_skb_vlan_push#18");
      case 5:
        return call("", "bpf_skb_vlan_pop#19");
      case 6:
        return call(set(2, pick({0, 13, 14, 33, 34, 64, 100, 2000, 16064, 65550, 70000, -1})) + set(3, pick({0, 0, 0, 1})), "bpf_skb_change_tail#38");
      case 7:
        return call(set(2, pick({0, 1, 14, 100, 300, 5000, -1})) + set(3, pick({0, 0, 0, 1})), "bpf_skb_change_head#43");
      case 8:
        return call(set(2, pick({0x0008, 0xdd86, 0x0608})) + set(3, pick({0, 0, 1})), "bpf_skb_change_proto#31");
      case 9:
        return call(set(2, pick({0, 1, 2, 3, 4, 7})), "bpf_skb_change_type#32");
      case 10:
        return call(set(2, pick({0, 1, 64, 100, 2000})), "bpf_skb_pull_data#39");
      case 11:
      case 12:
        return call(set(2, pick({0, 4, 8, 20, 28, 50, 100, 0xfff, 0x1000, -4, -20, -40, -60})) + set(3, pick({0, 1, 2})) +
                        set(4, pick({0, 0, 1, 2, 4, 6, 10, 18, 20, 26, 32, 66, 66 | 14ll << 56, 128, 256, 384, 1 << 12})), "bpf_skb_adjust_room#50");
      case 13:
        return below(2) == 0 ? call(set(2, pick({0, 5, -1})), "bpf_set_hash#48") : call("", "bpf_set_hash_invalid#41");
      case 14:
        return call(set(2, pick({0, 1, 2, 3, 4})), "bpf_csum_level#135");
      default:
        return below(2) == 0 ? call(set(2, pick({0, 77})), "bpf_csum_update#40")
                             : call(set(2, pick({0, 9})) + set(3, pick({0, 1, 2, 3})), "bpf_skb_set_tstamp#192");
    }
  }

  std::mt19937 random_;
};

TEST_F(HelpersAgainstLinux, PacketSequencesOfTrafficClasses) {
  const auto frames = packets();
  for (std::uint32_t seed = 1; seed <= 1200 && !HasFailure(); ++seed) {
    Scenario scenario{.code = Sequence(seed).code(true), .type = ProgramType::kSchedCls, .frame = frames[seed % frames.size()]};
    SCOPED_TRACE(fmt::format("seed {}", seed));
    agree(scenario);
  }
}

TEST_F(HelpersAgainstLinux, PacketLoadsOfSocketFiltersAndCgroups) {
  const auto frames = packets();
  for (std::uint32_t seed = 1; seed <= 120 && !HasFailure(); ++seed) {
    for (const ProgramType type : {ProgramType::kSocketFilter, ProgramType::kCgroupSkb}) {
      agree({.code = Sequence(seed).code(false), .type = type, .frame = frames[seed % frames.size()]});
    }
  }
}

/// Every word of the context that a program may read, as the packet arrives.
TEST_F(HelpersAgainstLinux, PacketContext) {
  for (const std::vector<std::byte>& frame : packets()) {
    for (int field = 0; field < 192; field += 4) {
      const bool hidden = (field >= 76 && field < 84) || (field >= 84 && field < 152) || (field >= 168 && field < 176) ||
                          (field >= 152 && field < 160) || field >= 180;
      if (!hidden) {
        agree({.code = fmt::format("r0 = *(u32 *)(r1 +{})\nexit\n", field), .type = ProgramType::kSchedCls, .frame = frame});
      }
    }
    for (int field = 88; field < 140; field += 4) {
      agree({.code = fmt::format("r0 = *(u32 *)(r1 +{})\n*(u32 *)(r1 +48) = r0\nr0 = 1\nexit\n", field),
             .type = ProgramType::kCgroupSkb, .frame = frame});
    }
    agree({.code = "r0 = *(u32 *)(r1 +80)\nr1 = *(u32 *)(r1 +76)\nr0 -= r1\nexit\n", .type = ProgramType::kSchedCls, .frame = frame});
    agree({.code = "r6 = r1\ncall bpf_skb_ecn_set_ce#97\n*(u32 *)(r6 +48) = r0\nr0 = 1\nexit\n", .type = ProgramType::kCgroupSkb, .frame = frame});
  }
}

TEST_F(HelpersAgainstLinux, PacketRedirects) {
  for (const int flags : {0, 1, 2, 3}) {
    agree({.code = fmt::format("r1 = 1\nr2 = {}\ncall bpf_redirect#23\nexit\n", flags), .type = ProgramType::kSchedCls, .frame = packets()[0]});
    agree({.code = fmt::format("r1 = 1\nr2 = {}\ncall bpf_redirect_peer#155\nexit\n", flags), .type = ProgramType::kSchedCls, .frame = packets()[0]});
    agree({.code = fmt::format("r1 = 1\nr2 = 0\nr3 = 0\nr4 = {}\ncall bpf_redirect_neigh#152\nexit\n", flags),
           .type = ProgramType::kSchedCls, .frame = packets()[0]});
    agree({.code = fmt::format("r2 = 77\nr3 = {}\ncall bpf_clone_redirect#13\nexit\n", flags), .type = ProgramType::kSchedCls, .frame = packets()[0]});
  }
}

}  // namespace
}  // namespace kiln::conformance
