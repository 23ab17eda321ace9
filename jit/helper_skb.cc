// SPDX-License-Identifier: Apache-2.0
//
// Helpers of packets that are struct sk_buff: bytes in and out, size, headers, VLAN tags, hash, redirects.
//
// Source: net/core/filter.c (bpf_skb_*, bpf_clone_redirect, bpf_redirect*), net/core/skbuff.c (skb_vlan_push,
// skb_vlan_pop), include/net/inet_ecn.h, Linux 6.18. Checksums: helper_skb_csum.cc; bpf_skb_adjust_room: helper_skb_room.cc.
#include <cerrno>
#include <cstring>

#include "helper_runtime.h"
#include "checksum.h"

namespace kiln {
namespace {

constexpr int kNotSupported = 524;  // ENOTSUPP, the kernel's own
constexpr std::uint64_t kShot = 2, kRedirect = 7;  // TC_ACT_SHOT, TC_ACT_REDIRECT

std::uint64_t zero_and_fail(std::byte* to, std::uint64_t size, int error) {
  std::memset(to, 0, size);
  return negative(error);
}

}  // namespace

KILN_DEFINE_HELPER(skb_load_bytes) {
  HelperRuntime& m = runtime(machine);
  const auto offset = static_cast<std::uint32_t>(r2), size = static_cast<std::uint32_t>(r4);
  std::byte* to = m.write(r3, size);
  if (to == nullptr) {
    return 0;
  }
  if (offset > INT32_MAX || std::uint64_t{offset} + size > m.skb->length()) {
    return zero_and_fail(to, size, EFAULT);
  }
  std::memcpy(to, m.skb->data() + offset, size);
  return 0;
}

KILN_DEFINE_HELPER(skb_load_bytes_relative) {
  constexpr std::uint32_t kMac = 0, kNetwork = 1;
  HelperRuntime& m = runtime(machine);
  const auto offset = static_cast<std::uint32_t>(r2), size = static_cast<std::uint32_t>(r4);
  const auto header = static_cast<std::uint32_t>(r5);
  std::byte* to = m.write(r3, size);
  if (to == nullptr) {
    return 0;
  }
  const std::byte* start = header == kMac ? m.skb->mac_data() : m.skb->network_data();
  if (offset > 0xffff || header > kNetwork || m.skb->end() - start < std::int64_t{offset} + size) {
    return zero_and_fail(to, size, EFAULT);
  }
  std::memcpy(to, start + offset, size);
  return 0;
}

KILN_DEFINE_HELPER(skb_store_bytes) {
  constexpr std::uint64_t kRecompute = 1, kInvalidateHash = 2;
  HelperRuntime& m = runtime(machine);
  const auto offset = static_cast<std::uint32_t>(r2), size = static_cast<std::uint32_t>(r4);
  const std::byte* from = m.read(r3, size);
  if (from == nullptr) {
    return 0;
  }
  if ((r5 & ~(kRecompute | kInvalidateHash)) != 0) {
    return negative(EINVAL);
  }
  if (offset > INT32_MAX || std::uint64_t{offset} + size > m.skb->length()) {
    return negative(EFAULT);
  }
  std::memcpy(m.skb->data() + offset, from, size);
  if ((r5 & kInvalidateHash) != 0) {
    m.skb->clear_hash();
  }
  return 0;
}

KILN_DEFINE_HELPER(skb_pull_data) {
  return static_cast<std::uint32_t>(r2) > runtime(machine).skb->length() ? negative(ENOMEM) : 0;
}

KILN_DEFINE_HELPER(skb_change_tail) {
  HelperRuntime& m = runtime(machine);
  const auto length = static_cast<std::uint32_t>(r2);
  std::int64_t least = std::max<std::int64_t>(m.skb->network_offset(), 0);
  if (const auto transport = m.skb->transport_offset(); transport && *transport > 0) {
    least = *transport;
  }
  if (r3 != 0 || length > m.skb_limit() || length < least) {
    return negative(EINVAL);
  }
  if (m.skb->encapsulated) {
    return negative(kNotSupported);
  }
  m.skb->set_length(length);
  return 0;
}

KILN_DEFINE_HELPER(skb_change_head) {
  HelperRuntime& m = runtime(machine);
  const auto bytes = static_cast<std::uint32_t>(r2);
  if (r3 != 0 || static_cast<std::int32_t>(bytes) < 0 || std::uint64_t{m.skb->length()} + bytes > m.skb_limit()) {
    return negative(EINVAL);
  }
  m.skb->push_head(bytes);
  return 0;
}

KILN_DEFINE_HELPER(skb_change_proto) {
  constexpr std::uint32_t kDifference = 20;  // of the two IP headers
  HelperRuntime& m = runtime(machine);
  const auto to = static_cast<std::uint16_t>(r2);
  const std::uint16_t from = m.skb->protocol();
  if (r3 != 0) {
    return negative(EINVAL);
  }
  const std::uint32_t at = m.skb->mac_header_length();
  if (from == kProtocolIpv4 && to == kProtocolIpv6) {
    m.skb->push(at, kDifference);
  } else if (from == kProtocolIpv6 && to == kProtocolIpv4) {
    if (m.skb->length() < at + kDifference) {
      return negative(ENOMEM);
    }
    m.skb->pop(at, kDifference);
  } else {
    return negative(kNotSupported);
  }
  m.skb->set_protocol(to);
  m.skb->clear_hash();
  return 0;
}

KILN_DEFINE_HELPER(skb_change_type) {
  constexpr std::uint32_t kOtherHost = 3;
  HelperRuntime& m = runtime(machine);
  const auto type = static_cast<std::uint32_t>(r2);
  if (type > kOtherHost || m.skb->get(SkbField::kPktType) > kOtherHost) {
    return negative(EINVAL);
  }
  m.skb->set(SkbField::kPktType, type);
  return 0;
}

KILN_DEFINE_HELPER(skb_vlan_push) {
  HelperRuntime& m = runtime(machine);
  auto protocol = static_cast<std::uint16_t>(r2);
  if (protocol != kProtocolVlan && protocol != kProtocolServiceVlan) {
    protocol = kProtocolVlan;
  }
  Skb& skb = *m.skb;
  if (skb.get(SkbField::kVlanPresent) != 0) {  // the tag that was beside the packet goes into it
    const auto old = static_cast<std::uint16_t>(skb.get(SkbField::kVlanProto));
    skb.insert_tag(old, static_cast<std::uint16_t>(skb.get(SkbField::kVlanTci)));
    skb.set_protocol(old);
  }
  skb.set(SkbField::kVlanPresent, std::uint32_t{1});
  skb.set(SkbField::kVlanProto, std::uint32_t{protocol});
  skb.set(SkbField::kVlanTci, std::uint32_t{static_cast<std::uint16_t>(r3)});
  return 0;
}

KILN_DEFINE_HELPER(skb_vlan_pop) {
  constexpr std::uint32_t kTaggedHeader = 18;
  const auto is_vlan = [](std::uint16_t protocol) { return protocol == kProtocolVlan || protocol == kProtocolServiceVlan; };
  Skb& skb = *runtime(machine).skb;
  if (skb.get(SkbField::kVlanPresent) != 0) {
    skb.set(SkbField::kVlanPresent, std::uint32_t{0});
    skb.set(SkbField::kVlanProto, std::uint32_t{0});
    skb.set(SkbField::kVlanTci, std::uint32_t{0});
  } else {
    if (!is_vlan(skb.protocol())) {
      return 0;
    }
    if (skb.length() < kTaggedHeader) {
      return negative(ENOMEM);
    }
    skb.remove_tag();
  }
  if (!is_vlan(skb.protocol())) {
    return 0;
  }
  if (skb.length() < kTaggedHeader) {
    return negative(ENOMEM);
  }
  const std::uint16_t protocol = skb.protocol();  // the next tag comes out of the packet, to be beside it
  const std::uint16_t tci = skb.remove_tag();
  skb.set(SkbField::kVlanPresent, std::uint32_t{1});
  skb.set(SkbField::kVlanProto, std::uint32_t{protocol});
  skb.set(SkbField::kVlanTci, std::uint32_t{tci});
  return 0;
}

KILN_DEFINE_HELPER(get_hash_recalc) { return runtime(machine).skb->hash(); }

KILN_DEFINE_HELPER(set_hash_invalid) {
  runtime(machine).skb->clear_hash();
  return 0;
}

KILN_DEFINE_HELPER(set_hash) {
  runtime(machine).skb->set_hash(static_cast<std::uint32_t>(r2));
  return 0;
}

KILN_DEFINE_HELPER(skb_ecn_set_ce) {
  Skb& skb = *runtime(machine).skb;
  std::byte* ip = skb.network_data();
  const std::int64_t there = skb.end() - ip;
  if (skb.protocol() == kProtocolIpv4 && there >= 20) {
    const auto tos = std::to_integer<std::uint32_t>(ip[1]);
    const std::uint32_t ecn = (tos + 1) & 3;
    if ((ecn & 2) == 0) {
      return ecn == 0 ? 1 : 0;  // has it already, or can't have it
    }
    std::uint16_t check = 0;
    std::memcpy(&check, ip + 10, 2);
    const auto more = static_cast<std::uint16_t>(__builtin_bswap16(0xfffb) + __builtin_bswap16(static_cast<std::uint16_t>(ecn)));
    check = static_cast<std::uint16_t>(check + more);
    check = static_cast<std::uint16_t>(check + (check < more ? 1 : 0));
    std::memcpy(ip + 10, &check, 2);
    ip[1] |= std::byte{3};
    return 1;
  }
  if (skb.protocol() == kProtocolIpv6 && there >= 40) {
    if ((ip[1] & std::byte{0x30}) == std::byte{0}) {
      return 0;
    }
    ip[1] |= std::byte{0x30};
    return 1;
  }
  return 0;
}

KILN_DEFINE_HELPER(skb_set_tstamp) {
  constexpr std::uint32_t kTai = 2;
  Skb& skb = *runtime(machine).skb;
  const auto type = static_cast<std::uint32_t>(r3);
  if (skb.protocol() != kProtocolIpv4 && skb.protocol() != kProtocolIpv6) {
    return negative(EOPNOTSUPP);
  }
  if (type > kTai || (type != 0 && r2 == 0)) {
    return negative(EINVAL);
  }
  skb.set(SkbField::kTstamp, r2);
  skb.set(SkbField::kTstampType, static_cast<std::uint8_t>(type));
  return 0;
}

KILN_DEFINE_HELPER(clone_redirect) {
  constexpr std::uint64_t kIngress = 1;
  HelperRuntime& m = runtime(machine);
  const auto ifindex = static_cast<std::uint32_t>(r2);
  if ((r3 & ~kIngress) != 0 || m.environment.network.find(ifindex) == nullptr) {
    return negative(EINVAL);
  }
  m.record({.kind = EventKind::kCloned, .map = {}, .index = ifindex, .data = {m.skb->data(), m.skb->data() + m.skb->length()}});
  return 0;
}

KILN_DEFINE_HELPER(redirect_peer) {
  if (r2 != 0) {
    return kShot;
  }
  runtime(machine).redirect = RedirectTarget{.map = -1, .key = static_cast<std::uint32_t>(r1)};
  return kRedirect;
}

KILN_DEFINE_HELPER(redirect_neigh) {
  constexpr std::int32_t kParameters = 20;  // sizeof(struct bpf_redir_neigh)
  const auto size = static_cast<std::int32_t>(r3);
  HelperRuntime& m = runtime(machine);
  if (size != 0 && m.read(r2, static_cast<std::uint64_t>(size)) == nullptr) {
    return 0;
  }
  if ((size != 0 && size < kParameters) || r4 != 0) {
    return kShot;
  }
  m.redirect = RedirectTarget{.map = -1, .key = static_cast<std::uint32_t>(r1)};
  return kRedirect;
}

// No packet here came out of a tunnel, has a route, or was decrypted.

KILN_DEFINE_HELPER(skb_get_tunnel_key) {
  std::byte* to = runtime(machine).write(r2, static_cast<std::uint32_t>(r3));
  return to == nullptr ? 0 : zero_and_fail(to, static_cast<std::uint32_t>(r3), EINVAL);
}

KILN_DEFINE_HELPER(skb_get_tunnel_opt) {
  std::byte* to = runtime(machine).write(r2, static_cast<std::uint32_t>(r3));
  return to == nullptr ? 0 : zero_and_fail(to, static_cast<std::uint32_t>(r3), ENOENT);
}

KILN_DEFINE_HELPER(skb_get_xfrm_state) {
  std::byte* to = runtime(machine).write(r3, static_cast<std::uint32_t>(r4));
  return to == nullptr ? 0 : zero_and_fail(to, static_cast<std::uint32_t>(r4), EINVAL);
}

KILN_DEFINE_HELPER(get_route_realm) { return 0; }

}  // namespace kiln
