/* SPDX-License-Identifier: Apache-2.0
 *
 * katran: a layer-4 load balancer. TCP and UDP packets to a virtual address (VIP) travel on, inside
 * another IP header, to one of the servers ("reals") behind it.
 *
 * A flow keeps its real by the connection table; a new one takes the slot of the VIP's consistent
 * hashing ring that its hash points at. Echo requests to anyone are answered; ICMP errors follow
 * the flow they quote; what is for no VIP passes; fragments and IPv4 options are dropped. What it
 * does is that of Facebook's Katran with its default options. Left out: QUIC, GUE, source routing,
 * decapsulation, the limit on new connections per second, and the map of one connection table per
 * CPU: here is one table.
 */
#include "jhash.h"
#include "katran_maps.h"

enum {
  CONTINUE = -1, /* no verdict yet */
  MAX_FRAME = 1514,
  OUTER_TTL = 64,
  OUTER_IPV4_PREFIX = HTONS(0xac10), /* 172.16/16: sources of outer IPv4 headers */
};
#define UDP_TIMEOUT_NS 30000000000ull
#define FRAGMENTED HTONS(0x3fff) /* offset and more-fragments */

struct packet {
  struct flow flow;
  __u32 real;
  __u16 length; /* of the IP packet; IPv6: of its payload */
  __u8 tos;
  __u8 flags;
};
enum { FROM_ICMP = 1, NEW_CONNECTION = 2 };

#include "katran_encap.h"
#include "katran_icmp.h"

INLINE int parse_ipv4(void* data, void* data_end, struct packet* packet) {
  struct ipv4_header* ip = data + sizeof(struct eth_header);
  if ((void*)(ip + 1) > data_end || (ip->version_ihl & 15) != 5) {
    return XDP_DROP;
  }
  packet->tos = ip->tos;
  packet->length = NTOHS(ip->total_length);
  packet->flow.protocol = ip->protocol;
  if (ip->fragment & FRAGMENTED) {
    return XDP_DROP;
  }
  if (ip->protocol == PROTO_ICMP) {
    return parse_icmp(data, data_end, packet);
  }
  packet->flow.source[0] = ip->source;
  packet->flow.destination[0] = ip->destination;
  return CONTINUE;
}

INLINE int parse_ipv6(void* data, void* data_end, struct packet* packet) {
  struct ipv6_header* ip = data + sizeof(struct eth_header);
  if ((void*)(ip + 1) > data_end || ip->next_header == PROTO_FRAGMENT) {
    return XDP_DROP;
  }
  packet->tos = (__u8)(HTONL(ip->version_class_flow) >> 20);
  packet->length = NTOHS(ip->payload_length);
  packet->flow.protocol = ip->next_header;
  if (ip->next_header == PROTO_ICMPV6) {
    return parse_icmpv6(data, data_end, packet);
  }
  __builtin_memcpy(packet->flow.source, ip->source, 16);
  __builtin_memcpy(packet->flow.destination, ip->destination, 16);
  return CONTINUE;
}

/* The ports, as the client sent them: an ICMP error quotes the packet of the other direction. */
INLINE int parse_ports(void* transport, void* data_end, struct packet* packet) {
  struct udp_header* udp = transport;
  if (packet->flow.protocol == PROTO_TCP) {
    struct tcp_header* tcp = transport;
    if ((void*)(tcp + 1) > data_end) {
      return XDP_DROP;
    }
    if (tcp->flags & TCP_SYN) {
      packet->flags |= NEW_CONNECTION;
    }
  } else if (packet->flow.protocol == PROTO_UDP) {
    if ((void*)(udp + 1) > data_end) {
      return XDP_DROP;
    }
  } else {
    return XDP_PASS;
  }
  if (packet->flags & FROM_ICMP) {
    packet->flow.source_port = udp->destination;
    packet->flow.destination_port = udp->source;
  } else {
    packet->flow.source_port = udp->source;
    packet->flow.destination_port = udp->destination;
  }
  return CONTINUE;
}

INLINE struct vip_info* find_vip(struct packet* packet) {
  struct vip vip = {.port = packet->flow.destination_port, .protocol = packet->flow.protocol};
  __builtin_memcpy(vip.address, packet->flow.destination, 16);
  struct vip_info* info = bpf_map_lookup_elem(&vips, &vip);
  if (info) {
    return info;
  }
  vip.port = 0;
  info = bpf_map_lookup_elem(&vips, &vip);
  if (info && !(info->flags & VIP_HASH_PORT_ONLY)) {
    packet->flow.destination_port = 0; /* all ports of a client go to the same real */
  }
  return info;
}

INLINE struct real* known_real(struct packet* packet) {
  struct destination* known = bpf_map_lookup_elem(&connections, &packet->flow);
  if (!known) {
    return 0;
  }
  if (packet->flow.protocol == PROTO_UDP) {
    __u64 now = bpf_ktime_get_ns();
    if (now - known->last_used > UDP_TIMEOUT_NS) {
      return 0;
    }
    known->last_used = now;
  }
  packet->real = known->real;
  __u32 index = known->real;
  return bpf_map_lookup_elem(&reals, &index);
}

INLINE __u32 flow_hash(const struct flow* flow, int is_ipv6) {
  __u32 ports = (__u32)flow->destination_port << 16 | flow->source_port;
  __u32 source = is_ipv6 ? hash_4_words(flow->source, MAX_VIPS) : flow->source[0];
  return hash_2_words(source, ports, MAX_VIPS * RING_SIZE);
}

INLINE struct real* new_real(struct packet* packet, const struct vip_info* vip, int is_ipv6) {
  struct flow hashed = packet->flow;
  if (vip->flags & VIP_HASH_PORT_ONLY) {
    __builtin_memset(hashed.source, 0, sizeof(hashed.source));
    hashed.source_port = hashed.destination_port;
  }
  __u32 slot = RING_SIZE * vip->number + flow_hash(&hashed, is_ipv6) % RING_SIZE;
  __u32* entry = bpf_map_lookup_elem(&rings, &slot);
  if (!entry) {
    return 0;
  }
  __u32 index = *entry;
  packet->real = index;
  struct real* real = bpf_map_lookup_elem(&reals, &index);
  if (real && !(vip->flags & VIP_NO_LRU)) {
    struct destination destination = {.real = index};
    if (packet->flow.protocol == PROTO_UDP) {
      destination.last_used = bpf_ktime_get_ns();
    }
    bpf_map_update_elem(&connections, &packet->flow, &destination, BPF_ANY);
  }
  return real;
}

/* Adds to a pair of counters; false if there is no such entry. */
INLINE int add_statistics(void* map, __u32 index, __u64 first, __u64 second) {
  struct statistics* entry = bpf_map_lookup_elem(map, &index);
  if (!entry) {
    return 0;
  }
  entry->first += first;
  entry->second += second;
  return 1;
}

INLINE struct real* choose_real(struct packet* packet, const struct vip_info* vip, int is_ipv6) {
  struct statistics* lru = 0;
  __u32 index = STATS_LRU;
  lru = bpf_map_lookup_elem(&statistics, &index);
  if (!lru) {
    return 0;
  }
  lru->first += 1;
  if (vip->flags & VIP_NO_SOURCE_PORT) {
    packet->flow.source_port = 0;
  }
  if (!(packet->flags & NEW_CONNECTION) && !(vip->flags & VIP_NO_LRU)) {
    struct real* real = known_real(packet);
    if (real) {
      return real;
    }
  }
  if (packet->flow.protocol == PROTO_TCP) {
    int is_new = !!(packet->flags & NEW_CONNECTION);
    if (!add_statistics(&statistics, STATS_LRU_MISS, is_new, !is_new)) {
      return 0;
    }
  }
  lru->second += 1;
  return new_real(packet, vip, is_ipv6);
}

INLINE int balance(struct xdp_md* ctx, int is_ipv6) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);
  struct packet packet = {};

  int verdict = is_ipv6 ? parse_ipv6(data, data_end, &packet) : parse_ipv4(data, data_end, &packet);
  if (verdict >= 0) {
    return verdict;
  }
  void* transport = data + transport_offset(packet.flags, is_ipv6);
  verdict = parse_ports(transport, data_end, &packet);
  if (verdict >= 0) {
    return verdict;
  }
  struct vip_info* vip = find_vip(&packet);
  if (!vip) {
    return XDP_PASS;
  }
  if (data_end - data > MAX_FRAME) {
    return XDP_DROP;
  }
  __u16 source_port = packet.flow.source_port;
  struct real* real = choose_real(&packet, vip, is_ipv6);
  if (!real) {
    return XDP_DROP;
  }
  __u32 zero = 0;
  struct mac* router = bpf_map_lookup_elem(&control, &zero);
  if (!router) {
    return XDP_DROP;
  }
  if (!add_statistics(&statistics, vip->number, 1, packet.length) ||
      !add_statistics(&real_statistics, packet.real, 1, packet.length)) {
    return XDP_DROP;
  }
  packet.flow.source_port = source_port;
  if (real->flags & REAL_IPV6) {
    return encapsulate_ipv6(ctx, &packet, router, real, is_ipv6);
  }
  return is_ipv6 ? XDP_DROP : encapsulate_ipv4(ctx, &packet, router, real);
}

SEC("xdp")
int katran(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  struct eth_header* eth = PACKET(ctx->data);

  if ((void*)(eth + 1) > data_end) {
    return XDP_DROP;
  }
  if (eth->type == HTONS(ETHERTYPE_IPV4)) {
    return balance(ctx, 0);
  }
  if (eth->type == HTONS(ETHERTYPE_IPV6)) {
    return balance(ctx, 1);
  }
  return XDP_PASS;
}

LICENSE("Apache-2.0");
