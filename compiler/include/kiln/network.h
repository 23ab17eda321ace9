// SPDX-License-Identifier: Apache-2.0
//
// The network around a program, as its helpers see it: interfaces, routes, neighbours, sockets.
//
// Data only. How it is written down for the command line:
// host/README.md. An empty network has the loopback device and nothing else.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kiln {

/// IPv4 (the first four bytes) or IPv6, in network order.
struct IpAddress {
  bool is_v6 = false;
  std::array<std::byte, 16> bytes{};
  bool operator==(const IpAddress&) const = default;
};

/// An address and how many of its leading bits count.
struct IpPrefix {
  IpAddress address;
  std::uint32_t length = 0;
};

using MacAddress = std::array<std::byte, 6>;

struct Interface {
  std::uint32_t ifindex = 1;
  std::string name;
  std::uint32_t mtu = 1500;
  MacAddress mac{};
  bool is_up = true;
  bool forwards_v4 = true;  ///< net.ipv4.conf.NAME.forwarding
  bool forwards_v6 = true;  ///< net.ipv6.conf.NAME.forwarding
  std::vector<IpPrefix> addresses = {};
};

/// `lo` as it is before it has addresses.
inline Interface loopback() { return {.ifindex = 1, .name = "lo", .mtu = 65536}; }

enum class RouteType : std::uint8_t {
  kUnicast,
  kLocal,
  kBroadcast,
  kAnycast,
  kMulticast,
  kBlackhole,
  kUnreachable,
  kProhibit,
  kThrow,
};

inline constexpr std::uint32_t kTableDefault = 253, kTableMain = 254, kTableLocal = 255;

struct Route {
  IpPrefix destination;
  RouteType type = RouteType::kUnicast;
  std::uint32_t table = kTableMain;
  std::uint32_t ifindex = 0;         ///< 0: none (blackhole and the like)
  std::optional<IpAddress> gateway;  ///< may be IPv6 for an IPv4 route
  std::optional<IpAddress> source;   ///< preferred source address
  std::uint32_t metric = 0;
  std::uint32_t mtu = 0;  ///< 0: the interface's
  std::uint8_t tos = 0;   ///< IPv4: 0 or the only one it is for
};

struct Neighbour {
  std::uint32_t ifindex = 1;
  IpAddress address;
  MacAddress mac{};
};

/// A socket that bpf_sk_lookup_tcp() and its relatives find. Ports in host order.
struct Socket {
  std::uint8_t protocol = 6;  ///< IPPROTO_TCP or IPPROTO_UDP
  IpAddress local, remote;
  std::uint16_t local_port = 0;
  std::uint16_t remote_port = 0;  ///< 0: not connected
  std::uint32_t state = 10;       ///< TCP_LISTEN; 1 is established
  std::uint32_t bound_ifindex = 0;
  std::uint32_t mark = 0;
  std::uint32_t priority = 0;
  bool syn_flood = false;  ///< its queue overflows, so that it answers with SYN cookies
};

struct Network {
  std::vector<Interface> interfaces = {loopback()};
  std::vector<Route> routes;
  std::vector<Neighbour> neighbours;
  std::vector<Socket> sockets;

  /// nullptr: there is none.
  const Interface* find(std::uint32_t ifindex) const {
    for (const Interface& interface : interfaces) {
      if (interface.ifindex == ifindex) {
        return &interface;
      }
    }
    return nullptr;
  }
};

}  // namespace kiln
