/* SPDX-License-Identifier: Apache-2.0
 *
 * simple_firewall: TCP and UDP connections may be opened from inside, never from outside.
 *
 * A packet from inside enters its flow in the table and leaves by the outer port. A packet from
 * outside passes to the port where its flow was seen, or is dropped. Both directions of a
 * connection have one entry: addresses and ports are sorted. All else is dropped.
 * What it does is that of the "simple firewall" that hXDP's authors describe, plus a packet count.
 */
#include "net.h"

#ifndef OUTSIDE_IFINDEX
#define OUTSIDE_IFINDEX 2
#endif
enum { INSIDE_PORT = 0, OUTSIDE_PORT = 1 }; /* indices in ports */

struct flow {
  __u32 low_address;
  __u32 high_address;
  __u16 low_port;
  __u16 high_port;
  __u8 protocol;
  __u8 zero[3];
};

struct connection {
  __u32 inside_port;
  __u32 packets;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct flow);
  __type(value, struct connection);
} connections SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u32);
} ports SEC(".maps");

INLINE void sort_ends(struct flow* flow, const struct ipv4_header* ip,
                      const struct udp_header* l4) {
  __u32 source = ip->source, destination = ip->destination;
  __u16 source_port = l4->source, destination_port = l4->destination;
  flow->low_address = source < destination ? source : destination;
  flow->high_address = source < destination ? destination : source;
  flow->low_port = source_port < destination_port ? source_port : destination_port;
  flow->high_port = source_port < destination_port ? destination_port : source_port;
}

SEC("xdp")
int simple_firewall(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);
  struct eth_header* eth = data;
  struct ipv4_header* ip = (void*)(eth + 1);
  struct udp_header* l4 = (void*)(ip + 1); /* the ports lie where TCP has them */

  if ((void*)(eth + 1) > data_end || eth->type != HTONS(ETHERTYPE_IPV4)) {
    return XDP_DROP;
  }
  if ((void*)(ip + 1) > data_end) {
    return XDP_DROP;
  }
  __u8 protocol = ip->protocol;
  if (protocol != PROTO_TCP && protocol != PROTO_UDP) {
    return XDP_DROP;
  }
  if ((void*)(l4 + 1) > data_end) {
    return XDP_DROP;
  }
  struct flow flow = {.protocol = protocol};
  sort_ends(&flow, ip, l4);

  struct connection* known = bpf_map_lookup_elem(&connections, &flow);
  if (known) {
    known->packets++;
  }
  if (ctx->ingress_ifindex == OUTSIDE_IFINDEX) {
    return known ? bpf_redirect_map(&ports, known->inside_port, 0) : XDP_DROP;
  }
  if (!known) {
    struct connection opened = {.inside_port = INSIDE_PORT, .packets = 1};
    bpf_map_update_elem(&connections, &flow, &opened, BPF_ANY);
  }
  return bpf_redirect_map(&ports, OUTSIDE_PORT, 0);
}

LICENSE("Apache-2.0");
