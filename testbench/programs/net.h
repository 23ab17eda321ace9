/* SPDX-License-Identifier: Apache-2.0
 *
 * Packet headers as they lie in a frame, and the few things that several programs do with them.
 *
 * Every field is aligned to at most four bytes and is accessed at that width. Multi-byte fields are
 * in network order. Source: IEEE 802.3, 802.1Q, RFC 791, 8200, 768, 9293, 792.
 */
#pragma once

#include "bpf.h"

enum {
  ETHERTYPE_IPV4 = 0x0800,
  ETHERTYPE_ARP = 0x0806,
  ETHERTYPE_VLAN = 0x8100,
  ETHERTYPE_QINQ = 0x88a8,
  ETHERTYPE_IPV6 = 0x86dd,
  ETHERTYPE_MIN = 0x0600, /* below this the field is an 802.3 length */
};
enum {
  PROTO_ICMP = 1,
  PROTO_IPIP = 4,
  PROTO_TCP = 6,
  PROTO_UDP = 17,
  PROTO_IPV6 = 41,
  PROTO_FRAGMENT = 44,
  PROTO_ICMPV6 = 58,
};
enum { FAMILY_IPV4 = 2, FAMILY_IPV6 = 10 }; /* the numbers of AF_INET, AF_INET6 */

struct mac {
  __u16 word[3];
};

struct eth_header {
  struct mac destination;
  struct mac source;
  __u16 type;
};

struct vlan_tag {
  __u16 control;
  __u16 type;
};

struct ipv4_header {
  __u8 version_ihl;
  __u8 tos;
  __u16 total_length;
  __u16 id;
  __u16 fragment;
  __u8 ttl;
  __u8 protocol;
  __u16 checksum;
  __u32 source;
  __u32 destination;
};

struct ipv6_header {
  __u32 version_class_flow;
  __u16 payload_length;
  __u8 next_header;
  __u8 hop_limit;
  __u32 source[4];
  __u32 destination[4];
};

struct udp_header {
  __u16 source;
  __u16 destination;
  __u16 length;
  __u16 checksum;
};

struct tcp_header {
  __u16 source;
  __u16 destination;
  __u32 sequence;
  __u32 acknowledgement;
  __u8 data_offset;
  __u8 flags;
  __u16 window;
  __u16 checksum;
  __u16 urgent;
};
enum { TCP_SYN = 0x02 };

struct icmp_header {
  __u8 type;
  __u8 code;
  __u16 checksum;
  __u16 rest[2];
};
enum { ICMP_ECHO_REPLY = 0, ICMP_UNREACHABLE = 3, ICMP_FRAG_NEEDED = 4, ICMP_ECHO = 8 };

/* Exchanges the two addresses of a frame. REQUIRES: 12 bytes at `frame` were checked. */
INLINE void swap_macs(void* frame) {
  __u16* word = frame;
  __u16 first = word[0], second = word[1], third = word[2];
  word[0] = word[3];
  word[1] = word[4];
  word[2] = word[5];
  word[3] = first;
  word[4] = second;
  word[5] = third;
}

/* Skips up to two VLAN tags. Returns the EtherType behind them (network order) and moves *offset to
 * the byte behind it, or returns -1 for a frame that ends before. */
INLINE int skip_vlan_tags(void* data, void* data_end, __u16 type, __u64* offset) {
#pragma clang loop unroll(full)
  for (int depth = 0; depth < 2; depth++) {
    if (type != HTONS(ETHERTYPE_VLAN) && type != HTONS(ETHERTYPE_QINQ)) {
      continue;
    }
    struct vlan_tag* tag = data + *offset;
    *offset += sizeof(*tag);
    if (data + *offset > data_end) {
      return -1;
    }
    type = tag->type;
  }
  return type;
}

/* One's-complement sum over the 20 bytes of a header without options, folded and inverted. */
INLINE __u16 ipv4_checksum(const struct ipv4_header* header) {
  const __u16* word = (const __u16*)header;
  __u32 sum = 0;
#pragma clang loop unroll(full)
  for (int i = 0; i < 10; i++) {
    sum += word[i];
  }
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16) ~(sum + (sum >> 16));
}

/* A per-CPU event counter. */
INLINE void count(void* map, __u32 index) {
  __u64* counter = bpf_map_lookup_elem(map, &index);
  if (counter) {
    *counter += 1;
  }
}
