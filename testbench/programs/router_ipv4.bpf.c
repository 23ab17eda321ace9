/* SPDX-License-Identifier: Apache-2.0
 *
 * router_ipv4: forwards IPv4 by host entry or longest prefix, and the ARP table.
 *
 * A destination is first sought among the hosts whose addresses are complete; else the longest
 * prefix gives the way out, and the ARP table the neighbour: the destination itself if it is there,
 * or the prefix's gateway. What has no route or no neighbour is dropped; ARP goes to the host, and
 * so does a packet whose TTL runs out here. One VLAN tag is skipped and kept.
 * What it does is that of xdp_router_ipv4 in the Linux kernel's samples/bpf, which leaves out the
 * TTL.
 */
#include "net.h"

struct prefix {
  __u32 length;
  __u32 address;
};

struct route {
  struct mac source; /* of the interface it leaves by */
  __u16 reserved;
  __u32 port; /* index in ports */
  __u32 gateway;
};

struct neighbour {
  struct mac mac;
  __u16 reserved;
};

struct host {
  struct mac destination;
  struct mac source;
  __u32 port;
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 64);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct prefix);
  __type(value, struct route);
} routes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct host);
} hosts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct neighbour);
} arp_table SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u64);
} forwarded SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u32);
} ports SEC(".maps");

struct next_hop {
  const struct mac* destination;
  const struct mac* source;
  __u32 port;
};

INLINE int find_next_hop(__u32 address, struct next_hop* hop) {
  struct host* host = bpf_map_lookup_elem(&hosts, &address);
  if (host) {
    hop->destination = &host->destination;
    hop->source = &host->source;
    hop->port = host->port;
    return 1;
  }
  struct prefix key = {.length = 32, .address = address};
  struct route* route = bpf_map_lookup_elem(&routes, &key);
  if (!route) {
    return 0;
  }
  struct neighbour* neighbour = bpf_map_lookup_elem(&arp_table, &address);
  if (!neighbour) {
    __u32 gateway = route->gateway;
    if (!gateway) {
      return 0;
    }
    neighbour = bpf_map_lookup_elem(&arp_table, &gateway);
    if (!neighbour) {
      return 0;
    }
  }
  hop->destination = &neighbour->mac;
  hop->source = &route->source;
  hop->port = route->port;
  return 1;
}

/* RFC 1141: the TTL is the high byte of its word, so the checksum grows by 0x0100. */
INLINE void decrement_ttl(struct ipv4_header* ip) {
  __u32 sum = (__u32)ip->checksum + HTONS(0x0100);
  ip->checksum = (__u16)(sum + (sum >= 0xffff));
  ip->ttl--;
}

SEC("xdp")
int router_ipv4(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);
  struct eth_header* eth = data;
  __u64 offset = sizeof(*eth);

  if (data + offset > data_end) {
    return XDP_DROP;
  }
  __u16 type = eth->type;
  if (type == HTONS(ETHERTYPE_VLAN) || type == HTONS(ETHERTYPE_QINQ)) {
    struct vlan_tag* tag = data + offset;
    offset += sizeof(*tag);
    if (data + offset > data_end) {
      return XDP_DROP;
    }
    type = tag->type;
  }
  if (type == HTONS(ETHERTYPE_ARP)) {
    return XDP_PASS;
  }
  if (type != HTONS(ETHERTYPE_IPV4)) {
    return XDP_DROP;
  }
  struct ipv4_header* ip = data + offset;
  if ((void*)(ip + 1) > data_end) {
    return XDP_DROP;
  }
  if (ip->ttl <= 1) {
    return XDP_PASS;
  }
  struct next_hop hop;
  if (!find_next_hop(ip->destination, &hop)) {
    return XDP_DROP;
  }
  decrement_ttl(ip);
  eth->destination = *hop.destination;
  eth->source = *hop.source;
  count(&forwarded, ip->protocol);
  return bpf_redirect_map(&ports, hop.port, 0);
}

LICENSE("Apache-2.0");
