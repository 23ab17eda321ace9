// SPDX-License-Identifier: Apache-2.0
//
// fib_lookup, check_mtu and syncookies against Linux, in a network namespace of the test's own whose links, routes and
// neighbours are set up with ip(8) and read back from what `ip -j` prints.
#include <gtest/gtest.h>

#include <sched.h>
#include <sys/mount.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include <fmt/format.h>

#include <kiln/environment_file.h>

#include "scenario.h"

namespace kiln::conformance {
namespace {

std::string output_of(const char* command) {
  std::string text;
  if (FILE* pipe = ::popen(command, "r")) {
    std::array<char, 4096> part;
    for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) != 0;) {
      text.append(part.data(), n);
    }
    ::pclose(pipe);
  }
  return text;
}

bool run_all(std::initializer_list<const char*> commands) {
  for (const char* command : commands) {
    if (std::system((std::string(command) + " 2>/dev/null").c_str()) != 0) {
      return false;
    }
  }
  return true;
}

/// The namespace, made once for the process; false where that is not allowed or ip(8) is missing.
bool enter_network(Environment& environment) {
  if (::unshare(CLONE_NEWNET) != 0 ||
      !run_all({"ip link set lo up", "ip link add v0 type veth peer name v1", "ip link set v0 mtu 1400 up", "ip link set v1 up",
                "ip addr add 10.0.0.1/24 dev v0", "ip addr add 10.0.1.1/24 dev v1", "ip -6 addr add 2001:db8::1/64 dev v0 nodad",
                "ip -6 addr add 2001:db8:1::1/64 dev v1 nodad", "ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev v0",
                "ip neigh add 10.0.1.2 lladdr 02:00:00:00:00:03 dev v1", "ip -6 neigh add 2001:db8::2 lladdr 02:00:00:00:00:04 dev v0",
                "ip route add default via 10.0.1.2", "ip route add 10.1.0.0/16 via 10.0.0.2 metric 7",
                "ip route add 10.1.2.0/24 via 10.0.1.2 src 10.0.0.1", "ip route add blackhole 10.2.0.0/16",
                "ip route add unreachable 10.3.0.0/16", "ip route add prohibit 10.4.0.0/16", "ip route add throw 10.5.0.0/16",
                "ip route add 10.6.0.0/16 via 10.0.0.77", "ip route add 10.7.0.0/16 via inet6 2001:db8::2 dev v0",
                "ip route add 10.9.0.0/16 via 10.0.0.2 table 100", "ip -6 route add 2001:db8:5::/48 via 2001:db8::2 metric 9",
                "ip -6 route add 2001:db8:5:1::/64 via 2001:db8:1::2", "ip -6 route add blackhole 2001:db8:6::/48",
                "ip -6 route add unreachable 2001:db8:7::/48", "ip -6 route add prohibit 2001:db8:8::/48",
                "ip -6 route add 2001:db8:9::/48 via 2001:db8::2 table 100",
                "sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'", "sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'"})) {
    return false;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // link-local addresses come by themselves
  const auto taken = [&](Result<void> read) {
    EXPECT_TRUE(read) << read.error().message;
    return static_cast<bool>(read);
  };
  return taken(read_links(environment, output_of("ip -j addr"))) &&
         taken(read_routes(environment, output_of("ip -j -N route show table all"))) &&
         taken(read_routes(environment, output_of("ip -6 -j -N route show table all"))) &&
         taken(read_neighbours(environment, output_of("ip -j neigh")));
}

struct Lookup {
  bool v6 = false;
  std::string source, destination;
  std::uint32_t ifindex = 1, flags = 0, table = 0;
  std::uint16_t length = 0;
  int size = 64;
  unsigned family = 0;  ///< 0: by v6
};

/// Fills struct bpf_fib_lookup on the stack, asks, and stores the whole of it and the answer in the frame.
std::string lookup_code(const Lookup& lookup) {
  std::array<std::byte, 64> params{};
  const auto put = [&](std::size_t at, const auto& value) { std::memcpy(params.data() + at, &value, sizeof(value)); };
  put(0, static_cast<std::uint8_t>(lookup.family != 0 ? lookup.family : lookup.v6 ? 10 : 2));
  put(1, std::uint8_t{6});
  put(6, lookup.length);
  put(8, lookup.ifindex);
  const auto source = parse_ip(lookup.source), destination = parse_ip(lookup.destination);
  std::memcpy(params.data() + 16, source->bytes.data(), lookup.v6 ? 16 : 4);
  std::memcpy(params.data() + 32, destination->bytes.data(), lookup.v6 ? 16 : 4);
  put(48, lookup.table);
  std::string code = "r9 = r1\n";
  for (int at = 0; at < 64; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, params.data() + at, 8);
    code += fmt::format("r1 = {:#x} ll\n*(u64 *)(r10 -{}) = r1\n", word, 64 - at);
  }
  code += fmt::format("r1 = r9\nr2 = r10\nr2 += -64\nr3 = {}\nr4 = {}\ncall bpf_fib_lookup#69\nr8 = r0\n", lookup.size, lookup.flags);
  code += "r6 = *(u32 *)(r9 +0)\nr7 = *(u32 *)(r9 +4)\nr2 = r6\nr2 += 64\nif r2 > r7 goto out\n";
  for (int at = 0; at < 64; at += 8) {
    code += fmt::format("r1 = *(u64 *)(r10 -{})\n*(u64 *)(r6 +{}) = r1\n", 64 - at, at);
  }
  return code + "out:\nr0 = r8\nexit\n";
}

class NetworkAgainstLinux : public HelpersAgainstLinux {
 protected:
  static void SetUpTestSuite() { ready_ = enter_network(environment_); }
  void SetUp() override {
    if (!ready_) {
      GTEST_SKIP() << "no network namespace of our own, or no ip(8)";
    }
  }
  static inline Environment environment_;
  static inline bool ready_ = false;
};

TEST_F(NetworkAgainstLinux, FibLookup) {
  const char* const v4[] = {"10.0.0.2", "10.0.0.3", "10.0.1.2", "10.0.0.1", "10.0.0.255", "10.1.1.1", "10.1.2.3", "10.2.0.1", "10.3.0.1",
                            "10.4.0.1", "10.5.0.1", "10.6.0.1", "10.7.0.1", "10.9.0.1", "192.0.2.1", "127.0.0.1", "224.0.0.1"};
  const char* const v6[] = {"2001:db8::2", "2001:db8::3", "2001:db8::1", "2001:db8:5::1", "2001:db8:5:1::1", "2001:db8:6::1", "2001:db8:7::1",
                            "2001:db8:8::1", "2001:db8:9::1", "2001:db9::1", "fe80::1", "ff02::1", "::1"};
  const std::uint32_t v0 = environment_.network.interfaces[2].ifindex, v1 = environment_.network.interfaces[1].ifindex;
  std::size_t count = 0;
  const auto ask = [&](Lookup lookup) {
    for (const std::uint32_t ifindex : {v0, v1, 1u}) {
      lookup.ifindex = ifindex;
      agree({.code = lookup_code(lookup), .environment = environment_});
      ++count;
    }
  };
  for (const std::uint32_t flags : {0u, 1u, 2u, 4u, 16u, 20u, 32u, 9u, 64u}) {
    for (const char* destination : v4) {
      ask({.source = "10.0.1.9", .destination = destination, .flags = flags, .table = flags == 9 ? 100u : 0u});
    }
    for (const char* destination : v6) {
      ask({.v6 = true, .source = "2001:db8:1::9", .destination = destination, .flags = flags, .table = flags == 9 ? 100u : 0u});
    }
  }
  for (const std::uint16_t length : {1400, 1401, 1500, 1501, 65535}) {
    ask({.source = "10.0.1.9", .destination = "10.1.1.1", .length = length});
    ask({.v6 = true, .source = "2001:db8:1::9", .destination = "2001:db8:5::1", .length = length});
  }
  ask({.source = "10.0.1.9", .destination = "10.1.1.1", .size = 63});
  ask({.source = "10.0.1.9", .destination = "10.1.1.1", .family = 5});
  ask({.v6 = true, .source = "fe80::1", .destination = "2001:db8:5::1"});
  agree({.code = lookup_code({.source = "10.0.1.9", .destination = "10.1.1.1", .ifindex = 777}), .environment = environment_});
  std::printf("%zu lookups\n", count);
}

TEST_F(NetworkAgainstLinux, CheckMtu) {
  const std::uint32_t v0 = environment_.network.interfaces[2].ifindex;
  for (const ProgramType type : {ProgramType::kXdp, ProgramType::kSchedCls}) {
    for (const std::uint32_t ifindex : {0u, v0, 777u}) {
      for (const int length : {0, 100, 1400, 1401, 1414, 65536, -1}) {
        for (const int difference : {0, 1, -1, 1300, -2000, 2147483647}) {
          for (const int flags : {0, 1, 2}) {
            agree({.code = fmt::format("*(u32 *)(r10 -4) = {}\nr2 = {}\nr3 = r10\nr3 += -4\nr4 = {}\nr5 = {}\ncall bpf_check_mtu#163\n"
                                       "r1 = *(u32 *)(r10 -4)\nr0 *= 100000\nr0 += r1\nexit\n", length, ifindex, difference, flags),
                   .type = type, .environment = environment_});
          }
        }
      }
    }
  }
}

/// A TCP header with options at r6, an IP header at r7 in the frame, whose first 104 bytes they take.
std::string cookie_code(bool v6, int header_words, const std::string& options, int size, const std::string& then) {
  std::string code = "r9 = r1\nr6 = *(u32 *)(r1 +0)\nr7 = *(u32 *)(r1 +4)\nr2 = r6\nr2 += 104\nif r2 > r7 goto out\n";
  code += fmt::format("*(u8 *)(r6 +52) = {}\n", header_words * 16);
  for (std::size_t i = 0; i < options.size(); ++i) {
    code += fmt::format("*(u8 *)(r6 +{}) = {}\n", 60 + i, static_cast<unsigned char>(options[i]));
  }
  return code + fmt::format("r1 = r6\nr2 = r6\nr2 += 40\nr3 = {}\ncall {}\nr8 = r0\n", size,
                            v6 ? "bpf_tcp_raw_gen_syncookie_ipv6#205" : "bpf_tcp_raw_gen_syncookie_ipv4#204") +
         then + "r0 = r8\nexit\nout:\nr0 = 7\nexit\n";
}

TEST_F(HelpersAgainstLinux, SynCookies) {
  using namespace std::string_literals;
  const std::string options[] = {""s, "\x02\x04\x05\xb4"s, "\x01\x01\x02\x04\x02\x18"s, "\x02\x04\x00\x00"s, "\x00\x02\x04\x05\xb4"s,
                                 "\x02\x02\x02\x04\x05\x14"s, "\x08\xff"s, "\x02\x01"s, "\x02\x04\x23\x28"s};
  for (const bool v6 : {false, true}) {
    for (const std::string& option : options) {
      for (const int size : {20, 32, 24, 0, 60}) {
        // Errors and the segment size, which is above the cookie, are the same; the cookie itself hangs on a secret.
        agree({.code = cookie_code(v6, 8, option, size, "if r8 s< 0 goto done\nr8 >>= 32\ndone:\n"), .frame_bytes = 128, .compares_frame = false});
      }
      // The acknowledgement of the cookie holds; four further on no segment size is encoded that way.
      for (const int off : {1, 5}) {
        const std::string check = fmt::format(
            "r1 = r8\nr1 += {}\nr1 = be32 r1\n*(u32 *)(r6 +48) = r1\nr1 = *(u32 *)(r6 +44)\nr1 = be32 r1\nr1 += 1\nr1 = be32 r1\n"
            "*(u32 *)(r6 +44) = r1\nr1 = r6\nr2 = r6\nr2 += 40\ncall {}\nr8 = r0\n", off,
            v6 ? "bpf_tcp_raw_check_syncookie_ipv6#207" : "bpf_tcp_raw_check_syncookie_ipv4#206");
        const Observed seen = agree({.code = cookie_code(v6, 8, option, 32, check), .frame_bytes = 128, .compares_frame = false});
        EXPECT_EQ(code_of(seen), off == 1 ? 0 : -13);
      }
    }
  }
}

}  // namespace
}  // namespace kiln::conformance
