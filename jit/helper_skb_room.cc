// SPDX-License-Identifier: Apache-2.0
//
// bpf_skb_adjust_room: room for an outer header, or its removal.
//
// Source: net/core/filter.c (bpf_skb_adjust_room, bpf_skb_net_grow, bpf_skb_net_shrink), Linux 6.18. No packet
// here is a train of segments (GSO).
#include <cerrno>
#include <cstdlib>

#include "helper_runtime.h"

namespace kiln {
namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP

enum RoomFlag : std::uint64_t {
  kFixedGso = 1,
  kEncapIpv4 = 2,
  kEncapIpv6 = 4,
  kEncapGre = 8,
  kEncapUdp = 16,
  kNoChecksumReset = 32,
  kEncapEthernet = 64,
  kDecapIpv4 = 128,
  kDecapIpv6 = 256,
  kInnerMacLength = std::uint64_t{0xff} << 56,
};
constexpr std::uint64_t kEncap = kEncapIpv4 | kEncapIpv6, kDecap = kDecapIpv4 | kDecapIpv6;
constexpr std::uint64_t kKnown = kFixedGso | kEncap | kEncapGre | kEncapUdp | kNoChecksumReset | kEncapEthernet | kDecap |
                                 kInnerMacLength;
constexpr std::uint32_t kIpv4Header = 20, kIpv6Header = 40, kEthernet = 14;

std::uint32_t ip_header(std::uint16_t protocol) { return protocol == kProtocolIpv4 ? kIpv4Header : kIpv6Header; }

int grow(Skb& skb, std::uint32_t offset, std::uint32_t bytes, std::uint64_t flags) {
  const std::uint32_t inner_mac = static_cast<std::uint32_t>(flags >> 56);
  const bool encap = (flags & kEncap) != 0;
  const std::uint32_t mac_length = skb.mac_header_length();
  if (encap) {
    if ((flags & kEncap) == kEncap || (flags & (kEncapGre | kEncapUdp)) == (kEncapGre | kEncapUdp) ||
        ((flags & kEncapEthernet) != 0 && inner_mac < kEthernet)) {
      return -EINVAL;
    }
    if (skb.encapsulated) {
      return -EALREADY;
    }
    if (inner_mac > bytes) {
      return -EINVAL;
    }
  }
  skb.push(offset, bytes);
  if (encap) {
    skb.encapsulated = true;
    skb.set_network_offset(mac_length);
    const bool outer_v6 = (flags & kEncapIpv6) != 0;
    if ((flags & (kEncapGre | kEncapUdp)) != 0) {
      skb.set_transport_offset(mac_length + (outer_v6 ? kIpv6Header : kIpv4Header));
    }
    skb.set_protocol(outer_v6 ? kProtocolIpv6 : kProtocolIpv4);
  }
  return 0;
}

int shrink(Skb& skb, std::uint32_t offset, std::uint32_t bytes, std::uint64_t flags) {
  if ((flags & ~(kDecap | kFixedGso | kNoChecksumReset)) != 0) {
    return -EINVAL;
  }
  if (skb.length() < offset + bytes) {
    return -ENOMEM;
  }
  skb.pop(offset, bytes);
  if ((flags & kDecap) != 0) {
    skb.set_protocol((flags & kDecapIpv6) != 0 ? kProtocolIpv6 : kProtocolIpv4);
  }
  return 0;
}

}  // namespace

KILN_DEFINE_HELPER(skb_adjust_room) {
  constexpr std::uint32_t kAtNetwork = 0, kAtMac = 1, kMost = 0xfff;
  HelperRuntime& m = runtime(machine);
  Skb& skb = *m.skb;
  const std::int64_t by = static_cast<std::int32_t>(r2);
  const auto bytes = static_cast<std::uint32_t>(std::llabs(by));
  const auto mode = static_cast<std::uint32_t>(r3);
  const std::uint64_t flags = r4;
  const bool shrinks = by < 0;
  if ((flags & ~kKnown) != 0) {
    return negative(EINVAL);
  }
  if (bytes > kMost) {
    return negative(EFAULT);
  }
  const std::uint16_t protocol = skb.protocol();
  if ((protocol != kProtocolIpv4 && protocol != kProtocolIpv6) || mode > kAtMac) {
    return negative(kNotSupported);
  }
  const std::uint32_t offset = skb.mac_header_length() + (mode == kAtNetwork ? ip_header(protocol) : 0);
  std::uint32_t least = ip_header(protocol);
  if ((flags & kDecap) != 0) {
    if (!shrinks || (flags & kDecap) == kDecap) {
      return negative(EINVAL);
    }
    least = (flags & kDecapIpv4) != 0 ? kIpv4Header : kIpv6Header;
  }
  const auto behind_mac = static_cast<std::uint32_t>(skb.length() - skb.network_offset());
  if (shrinks ? bytes >= behind_mac || behind_mac - bytes < least : skb.length() + bytes > m.skb_limit()) {
    return negative(kNotSupported);
  }
  const int result = shrinks ? shrink(skb, offset, bytes, flags) : grow(skb, offset, bytes, flags);
  if (result == 0 && (flags & kNoChecksumReset) == 0) {
    skb.checksum_level.reset();
  }
  return static_cast<std::uint64_t>(std::int64_t{result});
}

}  // namespace kiln
