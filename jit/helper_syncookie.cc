// SPDX-License-Identifier: Apache-2.0
//
// SYN cookies: made and checked as Linux does, under the Environment's key and clock.
//
// Source: net/ipv4/syncookies.c, net/ipv6/syncookies.c, net/core/filter.c (bpf_tcp_raw_*_syncookie_*,
// bpf_tcp_*_syncookie), tcp_parse_mss_option() in net/ipv4/tcp_input.c, Linux 6.18.
#include <cerrno>
#include <cstring>

#include "helper_runtime.h"
#include "siphash.h"

namespace kiln {
namespace {

constexpr std::size_t kTcpHeader = 20, kIpv4Header = 20, kIpv6Header = 40;
constexpr std::array<std::uint16_t, 4> kMssIpv4 = {536, 1300, 1440, 1460};
constexpr std::array<std::uint16_t, 4> kMssIpv6 = {1220, 1420, 1440, 8940};
constexpr std::uint32_t kMask = (1u << 24) - 1;

std::uint16_t be16(const std::byte* at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(at[0]) << 8 | std::to_integer<unsigned>(at[1]));
}
std::uint32_t be32(const std::byte* at) { return std::uint32_t{be16(at)} << 16 | be16(at + 2); }

/// What identifies a connection.
struct Flow {
  bool v6;
  const std::byte* ip;
  const std::byte* tcp;
};

std::uint32_t flow_hash(const HelperRuntime& m, const Flow& flow, std::uint32_t count, int which) {
  std::array<std::byte, 40> bytes{};
  std::size_t size = 0;
  const auto put = [&](const void* from, std::size_t length) {
    std::memcpy(bytes.data() + size, from, length);
    size += length;
  };
  put(flow.ip + (flow.v6 ? 8 : 12), flow.v6 ? 32 : 8);  // source and destination address
  if (flow.v6) {
    put(&count, 4);
    put(flow.tcp, 4);  // ports
  } else {
    put(flow.tcp + 2, 2);  // the kernel's word of both ports has the destination in its low half
    put(flow.tcp, 2);
    put(&count, 4);
  }
  const auto& key = m.environment.syncookie_key;
  return static_cast<std::uint32_t>(siphash({bytes.data(), size}, key[static_cast<std::size_t>(2 * which)],
                                            key[static_cast<std::size_t>(2 * which + 1)]));
}

std::uint32_t minute(const HelperRuntime& m) {
  return static_cast<std::uint32_t>(m.jiffies() / (60ull * m.environment.hz));
}

/// The maximum segment size in the options; 0: there is none.
std::uint16_t mss_option(const std::byte* tcp) {
  constexpr unsigned kEnd = 0, kNop = 1, kMss = 2;
  std::size_t left = (std::to_integer<std::size_t>(tcp[12]) >> 4) * 4 - kTcpHeader;
  std::uint16_t mss = 0;
  for (const std::byte* at = tcp + kTcpHeader; left > 0;) {
    const auto kind = std::to_integer<unsigned>(at[0]);
    if (kind == kEnd) {
      return mss;
    }
    if (kind == kNop) {
      ++at;
      --left;
      continue;
    }
    const std::size_t size = left < 2 ? 0 : std::to_integer<std::size_t>(at[1]);
    if (size < 2 || size > left) {
      return mss;
    }
    if (kind == kMss && size == 4 && be16(at + 2) != 0) {
      mss = be16(at + 2);
    }
    at += size;
    left -= size;
  }
  return mss;
}

/// The cookie, and above it the size it stands for.
std::uint64_t make_cookie(const HelperRuntime& m, const Flow& flow, std::uint16_t mss) {
  const auto& sizes = flow.v6 ? kMssIpv6 : kMssIpv4;
  auto index = static_cast<std::uint32_t>(sizes.size() - 1);
  while (index != 0 && mss < sizes[index]) {
    --index;
  }
  const std::uint32_t count = minute(m);
  const std::uint32_t cookie = flow_hash(m, flow, 0, 0) + be32(flow.tcp + 4) + (count << 24) +
                               ((flow_hash(m, flow, count, 1) + index) & kMask);
  return cookie | std::uint64_t{sizes[index]} << 32;
}

bool cookie_holds(const HelperRuntime& m, const Flow& flow) {
  constexpr std::uint32_t kMaxAge = 2;  // minutes
  const std::uint32_t count = minute(m), sequence = be32(flow.tcp + 4) - 1;
  const std::uint32_t cookie = be32(flow.tcp + 8) - 1 - (flow_hash(m, flow, 0, 0) + sequence);
  const std::uint32_t age = (count - (cookie >> 24)) & 0xff;
  return age < kMaxAge && ((cookie - flow_hash(m, flow, count - age, 1)) & kMask) < kMssIpv4.size();
}

std::uint64_t generate(MachineState* machine, bool v6, std::uint64_t ip, std::uint64_t tcp, std::uint64_t size) {
  constexpr std::uint16_t kDefaultIpv4 = 536, kDefaultIpv6 = 1220;
  HelperRuntime& m = runtime(machine);
  const auto bytes = static_cast<std::uint32_t>(size);
  const Flow flow{v6, m.read(ip, v6 ? kIpv6Header : kIpv4Header), m.read(tcp, bytes)};
  if (m.faulted != 0) {
    return 0;
  }
  if (bytes < kTcpHeader || bytes != (std::to_integer<std::uint32_t>(flow.tcp[12]) >> 4) * 4) {
    return negative(EINVAL);
  }
  const std::uint16_t mss = mss_option(flow.tcp);
  return make_cookie(m, flow, mss != 0 ? mss : v6 ? kDefaultIpv6 : kDefaultIpv4);
}

std::uint64_t check(MachineState* machine, bool v6, std::uint64_t ip, std::uint64_t tcp) {
  HelperRuntime& m = runtime(machine);
  const Flow flow{v6, m.read(ip, v6 ? kIpv6Header : kIpv4Header), m.read(tcp, kTcpHeader)};
  if (m.faulted != 0) {
    return 0;
  }
  return cookie_holds(m, flow) ? 0 : negative(EACCES);
}

/// The listening TCP socket that r1 points to, or the error.
std::int64_t find_listener(HelperRuntime& m, std::uint64_t address, const Socket*& socket) {
  constexpr std::uint8_t kTcp = 6;
  constexpr std::uint32_t kListen = 10;
  const std::uint64_t offset = address - m.memory.object(0);
  socket = m.sockets.is_socket(offset) ? m.sockets.at(offset) : nullptr;
  return socket == nullptr || socket->protocol != kTcp || socket->state != kListen ? -EINVAL : 0;
}

/// IP version of the header, if it is long enough and the socket takes it; or the error.
std::int64_t check_version(const Socket& socket, const std::byte* ip, std::uint32_t size) {
  if (size < kIpv4Header) {
    return -EINVAL;
  }
  const unsigned version = std::to_integer<unsigned>(ip[0]) >> 4;
  if (version != 4 && version != 6) {
    return -EPROTONOSUPPORT;
  }
  return version == 6 && (size < kIpv6Header || !socket.local.is_v6) ? -EINVAL : version;
}

constexpr unsigned kFin = 1, kSyn = 2, kRst = 4, kAck = 16;

}  // namespace

KILN_DEFINE_HELPER(tcp_check_syncookie) {
  HelperRuntime& m = runtime(machine);
  const auto ip_bytes = static_cast<std::uint32_t>(r3), tcp_bytes = static_cast<std::uint32_t>(r5);
  const std::byte* ip = m.read(r2, ip_bytes);
  const std::byte* tcp = m.read(r4, tcp_bytes);
  if (m.faulted != 0) {
    return 0;
  }
  const Socket* socket = nullptr;
  if (tcp_bytes < kTcpHeader || find_listener(m, r1, socket) != 0) {
    return negative(EINVAL);
  }
  const auto flags = std::to_integer<unsigned>(tcp[13]);
  if ((flags & kAck) == 0 || (flags & (kRst | kSyn)) != 0) {
    return negative(ENOENT);
  }
  if (ip_bytes < kIpv4Header) {
    return negative(EINVAL);
  }
  if (!socket->syn_flood) {
    return negative(ENOENT);
  }
  const std::int64_t version = check_version(*socket, ip, ip_bytes);
  if (version < 0) {
    return static_cast<std::uint64_t>(version);
  }
  return cookie_holds(m, {version == 6, ip, tcp}) ? 0 : negative(ENOENT);
}

KILN_DEFINE_HELPER(tcp_gen_syncookie) {
  HelperRuntime& m = runtime(machine);
  const auto ip_bytes = static_cast<std::uint32_t>(r3), tcp_bytes = static_cast<std::uint32_t>(r5);
  const std::byte* ip = m.read(r2, ip_bytes);
  const std::byte* tcp = m.read(r4, tcp_bytes);
  if (m.faulted != 0) {
    return 0;
  }
  const Socket* socket = nullptr;
  if (tcp_bytes < kTcpHeader || tcp_bytes != (std::to_integer<std::uint32_t>(tcp[12]) >> 4) * 4 ||
      find_listener(m, r1, socket) != 0) {
    return negative(EINVAL);
  }
  const auto flags = std::to_integer<unsigned>(tcp[13]);
  if ((flags & kSyn) == 0 || (flags & (kAck | kFin | kRst)) != 0) {
    return negative(EINVAL);
  }
  const std::int64_t version = check_version(*socket, ip, ip_bytes);
  if (version < 0) {
    return static_cast<std::uint64_t>(version);
  }
  if (!socket->syn_flood) {
    return negative(ENOENT);
  }
  const std::uint16_t mss = mss_option(tcp);
  return make_cookie(m, {version == 6, ip, tcp}, mss != 0 ? mss : version == 6 ? 1220 : 536);
}

KILN_DEFINE_HELPER(tcp_raw_gen_syncookie_ipv4) { return generate(machine, false, r1, r2, r3); }
KILN_DEFINE_HELPER(tcp_raw_gen_syncookie_ipv6) { return generate(machine, true, r1, r2, r3); }
KILN_DEFINE_HELPER(tcp_raw_check_syncookie_ipv4) { return check(machine, false, r1, r2); }
KILN_DEFINE_HELPER(tcp_raw_check_syncookie_ipv6) { return check(machine, true, r1, r2); }

}  // namespace kiln
