// SPDX-License-Identifier: Apache-2.0
//
// fib_lookup and check_mtu, on the Environment's network.
//
// Source: net/core/filter.c (bpf_ipv4_fib_lookup, bpf_ipv6_fib_lookup, bpf_xdp_check_mtu, bpf_skb_check_mtu)
// and struct bpf_fib_lookup in uapi/linux/bpf.h, Linux 6.18. No VLAN devices, no lightweight tunnels.
#include <cerrno>
#include <cstring>

#include "fib.h"
#include "helper_runtime.h"

namespace kiln {
namespace {

enum FibFlag : std::uint32_t { kDirect = 1, kOutput = 2, kSkipNeighbour = 4, kTableGiven = 8, kSource = 16, kMark = 32 };
enum FibReturn : std::uint64_t {
  kSuccess,
  kBlackhole,
  kUnreachable,
  kProhibit,
  kNotForwarded,
  kForwardingDisabled,
  kUnsupportedTunnel,
  kNoNeighbour,
  kFragmentNeeded,
  kNoSourceAddress,
};

/// struct bpf_fib_lookup by offset.
class FibParams {
 public:
  static constexpr std::size_t kBytes = 64;
  static constexpr std::size_t kFamily = 0, kLength = 6, kIfindex = 8, kTos = 12, kSrc = 16, kDst = 32, kTable = 48,
                               kSmac = 52, kDmac = 58;

  explicit FibParams(std::byte* at) : at_(at) {}
  template <typename T>
  T get(std::size_t offset) const {
    T value;
    std::memcpy(&value, at_ + offset, sizeof(value));
    return value;
  }
  template <typename T>
  void set(std::size_t offset, const T& value) {
    std::memcpy(at_ + offset, &value, sizeof(value));
  }
  IpAddress address(std::size_t offset, bool v6) const {
    IpAddress address{.is_v6 = v6};
    std::memcpy(address.bytes.data(), at_ + offset, v6 ? 16 : 4);
    return address;
  }
  void set_address(std::size_t offset, const IpAddress& address) {
    std::memcpy(at_ + offset, address.bytes.data(), address.is_v6 ? 16 : 4);
  }

 private:
  std::byte* at_;
};

/// Multicast and link-local addresses, which are never forwarded.
bool stays_on_link(const IpAddress& address) {
  const auto first = std::to_integer<unsigned>(address.bytes[0]), second = std::to_integer<unsigned>(address.bytes[1]);
  IpAddress loopback_address{.is_v6 = true};
  loopback_address.bytes[15] = std::byte{1};
  const bool loopback = address == loopback_address;
  return first == 0xff || (first == 0xfe && (second & 0xc0) == 0x80) || loopback;
}

std::uint64_t refusal(RouteType type) {
  switch (type) {
    case RouteType::kUnicast:
      return kSuccess;
    case RouteType::kBlackhole:
      return kBlackhole;
    case RouteType::kUnreachable:
      return kUnreachable;
    case RouteType::kProhibit:
      return kProhibit;
    case RouteType::kLocal:
    case RouteType::kBroadcast:
    case RouteType::kAnycast:
    case RouteType::kMulticast:
    case RouteType::kThrow:
      return kNotForwarded;
  }
  return kNotForwarded;
}

std::uint32_t mtu_of(const Route& route, const Interface& out, bool v6) {
  constexpr std::uint32_t kLargest = 65535, kSmallestV6 = 1280;  // IP_MAX_MTU, IPV6_MIN_MTU
  if (route.mtu != 0) {
    return route.mtu;
  }
  const std::uint32_t mtu = v6 ? std::max(out.mtu, kSmallestV6) : out.mtu;
  return std::min(mtu, v6 ? kLargest + 40 : kLargest);
}

std::uint64_t lookup(const Network& network, FibParams params, bool v6, std::uint32_t flags, bool check_mtu) {
  const IpAddress destination = params.address(FibParams::kDst, v6);
  if (v6 && (stays_on_link(destination) || stays_on_link(params.address(FibParams::kSrc, true)))) {
    return kNotForwarded;
  }
  const Interface* in = network.find(params.get<std::uint32_t>(FibParams::kIfindex));
  if (in == nullptr) {
    return negative(ENODEV);
  }
  if (!(v6 ? in->forwards_v6 : in->forwards_v4)) {
    return kForwardingDisabled;
  }
  FibQuery query{.destination = destination, .table = {}, .output = 0, .tos = params.get<std::uint8_t>(FibParams::kTos)};
  query.output = v6 || (flags & kOutput) != 0 ? in->ifindex : 0;  // IPv6 prefers the way it came by
  if ((flags & kDirect) != 0) {
    query.table = kTableMain;
    if ((flags & kTableGiven) != 0) {
      query.table = params.get<std::uint32_t>(FibParams::kTable);
      params.set(FibParams::kTable, std::uint32_t{0});
    }
  }
  const Route* route = find_route(network, query);
  if (route == nullptr) {
    return kNotForwarded;
  }
  if (const std::uint64_t why = refusal(route->type); why != kSuccess) {
    return why;
  }
  const Interface& out = *network.find(route->ifindex);
  const std::uint32_t mtu = mtu_of(*route, out, v6);
  if (check_mtu && params.get<std::uint16_t>(FibParams::kLength) > mtu) {
    params.set(FibParams::kLength, static_cast<std::uint16_t>(mtu));
    return kFragmentNeeded;
  }
  params.set(FibParams::kTos, route->metric);
  params.set(FibParams::kIfindex, out.ifindex);
  std::optional<IpAddress> source;
  if ((flags & kSource) != 0) {
    source = source_address(network, *route, destination);
  }
  if (source && !v6) {
    params.set_address(FibParams::kSrc, *source);
  }
  const IpAddress hop = route->gateway.value_or(destination);
  if (hop.is_v6 && !v6) {
    params.set(FibParams::kFamily, std::uint8_t{10});  // AF_INET6: an IPv4 route by way of an IPv6 gateway
  }
  params.set_address(FibParams::kDst, hop);
  if ((flags & kSource) != 0 && v6) {
    if (!source) {
      return kNoSourceAddress;
    }
    params.set_address(FibParams::kSrc, *source);
  }
  if ((flags & kSkipNeighbour) == 0) {
    const Neighbour* neighbour = find_neighbour(network, out.ifindex, hop);
    if (neighbour == nullptr) {
      return kNoNeighbour;
    }
    params.set(FibParams::kDmac, neighbour->mac);
    params.set(FibParams::kSmac, out.mac);
  }
  params.set(FibParams::kTable, std::uint32_t{0});  // no VLAN
  if (check_mtu) {
    params.set(FibParams::kLength, static_cast<std::uint16_t>(mtu));
  }
  return kSuccess;
}

}  // namespace

std::uint64_t helper_fib_lookup(std::uint64_t, std::uint64_t address, std::uint64_t size, std::uint64_t raw_flags,
                                std::uint64_t, MachineState* machine) {
  constexpr std::uint32_t kKnown = kDirect | kOutput | kSkipNeighbour | kTableGiven | kSource | kMark;
  constexpr std::uint8_t kInet = 2, kInet6 = 10;
  HelperRuntime& m = runtime(machine);
  const auto flags = static_cast<std::uint32_t>(raw_flags);
  if (static_cast<std::int32_t>(size) < static_cast<std::int32_t>(FibParams::kBytes) || (flags & ~kKnown) != 0) {
    return negative(EINVAL);
  }
  std::byte* at = m.write(address, FibParams::kBytes);
  if (at == nullptr) {
    return 0;
  }
  FibParams params(at);
  const auto family = params.get<std::uint8_t>(FibParams::kFamily);
  const bool is_xdp = m.is_xdp();
  const bool check_mtu = is_xdp || params.get<std::uint16_t>(FibParams::kLength) != 0;
  std::uint64_t result = negative(EAFNOSUPPORT);
  if (family == kInet || family == kInet6) {
    result = lookup(m.environment.network, params, family == kInet6, flags, check_mtu);
  }
  if (result == kSuccess && !check_mtu) {  // no length was given: it is the packet's
    const Interface* out = m.environment.network.find(params.get<std::uint32_t>(FibParams::kIfindex));
    constexpr std::uint32_t kEthernet = 14, kVlan = 4;
    if (m.frame.frame().size() > std::size_t{out->mtu} + kEthernet + kVlan) {
      result = kFragmentNeeded;
    }
    params.set(FibParams::kLength, static_cast<std::uint16_t>(out->mtu));
  }
  return result;
}

std::uint64_t helper_check_mtu(std::uint64_t, std::uint64_t ifindex, std::uint64_t length_at, std::uint64_t difference,
                               std::uint64_t flags, MachineState* machine) {
  constexpr std::uint64_t kSegments = 1;  // BPF_MTU_CHK_SEGS
  constexpr std::int64_t kEthernet = 14;
  HelperRuntime& m = runtime(machine);
  std::byte* at = m.write(length_at, 4);
  if (at == nullptr) {
    return 0;
  }
  std::uint32_t asked = 0;
  std::memcpy(&asked, at, sizeof(asked));
  const auto change = static_cast<std::int32_t>(difference);
  if (m.is_xdp() ? flags != 0 : (flags & ~kSegments) != 0 || (flags != 0 && (change != 0 || asked != 0))) {
    return negative(EINVAL);
  }
  const std::uint32_t named = static_cast<std::uint32_t>(ifindex);
  const Interface* interface = m.environment.network.find(named == 0 ? m.ingress_ifindex() : named);
  if (interface == nullptr) {
    return negative(ENODEV);
  }
  // C ints there: sums wrap.
  const auto length = static_cast<std::int32_t>(asked != 0 ? asked + kEthernet : m.packet_length());
  const auto total = static_cast<std::int32_t>(static_cast<std::uint32_t>(length) + static_cast<std::uint32_t>(change));
  std::memcpy(at, &interface->mtu, sizeof(interface->mtu));
  return total > static_cast<std::int32_t>(interface->mtu + kEthernet) ? 1 : 0;
}

}  // namespace kiln
