/* SPDX-License-Identifier: Apache-2.0
 *
 * What the balancer in katran.bpf.c does with ICMP: answer echo requests in place; let an error
 * follow the flow whose packet it quotes; pass the rest. Included there, behind struct packet.
 */
#pragma once

enum { ICMPV6_UNREACHABLE = 1, ICMPV6_TOO_BIG = 2, ICMPV6_ECHO = 128, ICMPV6_ECHO_REPLY = 129 };

/* Where TCP or UDP begins: behind the quoted header if the packet is an ICMP error. */
INLINE __u32 transport_offset(__u8 flags, int is_ipv6) {
  __u32 ip = is_ipv6 ? sizeof(struct ipv6_header) : sizeof(struct ipv4_header);
  __u32 quoted = flags & FROM_ICMP ? sizeof(struct icmp_header) + ip : 0;
  return sizeof(struct eth_header) + ip + quoted;
}

/* A checksum after the word it covers went down by `less`, one's complement. */
INLINE __u16 checksum_less(__u16 checksum, __u16 less) {
  __u32 sum = (__u32)checksum + less;
  return (__u16)((sum & 0xffff) + (sum >> 16));
}

INLINE int reply_echo(void* data, struct ipv4_header* ip, struct icmp_header* icmp) {
  icmp->type = ICMP_ECHO_REPLY;
  icmp->checksum = checksum_less(icmp->checksum, HTONS(ICMP_ECHO << 8));
  __u32 source = ip->source;
  ip->source = ip->destination;
  ip->destination = source;
  ip->ttl = OUTER_TTL;
  ip->checksum = 0;
  ip->checksum = ipv4_checksum(ip);
  swap_macs(data);
  return XDP_TX;
}

INLINE int parse_icmp(void* data, void* data_end, struct packet* packet) {
  struct ipv4_header* ip = data + sizeof(struct eth_header);
  struct icmp_header* icmp = (void*)(ip + 1);
  if ((void*)(icmp + 1) > data_end) {
    return XDP_DROP;
  }
  if (icmp->type == ICMP_ECHO) {
    return reply_echo(data, ip, icmp);
  }
  if (icmp->type != ICMP_UNREACHABLE) {
    return XDP_PASS;
  }
  struct ipv4_header* quoted = (void*)(icmp + 1);
  if ((void*)(quoted + 1) > data_end || (quoted->version_ihl & 15) != 5) {
    return XDP_DROP;
  }
  packet->flags |= FROM_ICMP;
  packet->flow.protocol = quoted->protocol;
  packet->flow.source[0] = quoted->destination;
  packet->flow.destination[0] = quoted->source;
  return CONTINUE;
}

INLINE int reply_echo6(void* data, struct ipv6_header* ip, struct icmp_header* icmp) {
  __u32 source[4];
  icmp->type = ICMPV6_ECHO_REPLY;
  /* The type grows by one: add the complement of that. */
  icmp->checksum = checksum_less(icmp->checksum, (__u16)~HTONS(1 << 8));
  ip->hop_limit = OUTER_TTL;
  __builtin_memcpy(source, ip->source, 16);
  __builtin_memcpy(ip->source, ip->destination, 16);
  __builtin_memcpy(ip->destination, source, 16);
  swap_macs(data);
  return XDP_TX;
}

INLINE int parse_icmpv6(void* data, void* data_end, struct packet* packet) {
  struct ipv6_header* ip = data + sizeof(struct eth_header);
  struct icmp_header* icmp = (void*)(ip + 1);
  if ((void*)(icmp + 1) > data_end) {
    return XDP_DROP;
  }
  if (icmp->type == ICMPV6_ECHO) {
    return reply_echo6(data, ip, icmp);
  }
  if (icmp->type != ICMPV6_TOO_BIG && icmp->type != ICMPV6_UNREACHABLE) {
    return XDP_PASS;
  }
  struct ipv6_header* quoted = (void*)(icmp + 1);
  if ((void*)(quoted + 1) > data_end) {
    return XDP_DROP;
  }
  packet->flags |= FROM_ICMP;
  packet->flow.protocol = quoted->next_header;
  __builtin_memcpy(packet->flow.source, quoted->destination, 16);
  __builtin_memcpy(packet->flow.destination, quoted->source, 16);
  return CONTINUE;
}
