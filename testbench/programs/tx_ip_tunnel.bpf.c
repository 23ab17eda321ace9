/* SPDX-License-Identifier: Apache-2.0
 *
 * tx_ip_tunnel: packets to a virtual address get an outer IP header and go back out.
 *
 * The address, protocol and destination port choose the tunnel; IPv4 travels in IPv4, IPv6 in IPv6.
 * What has no tunnel passes. What it does is that of xdp_tx_iptunnel in the Linux kernel's
 * samples/bpf.
 */
#include "net.h"

enum { OUTER_TTL = 8 };

struct service {
  __u32 address[4]; /* IPv4: the first word, others 0 */
  __u16 port;       /* network order; 0 unless TCP or UDP */
  __u16 family;
  __u8 protocol;
  __u8 zero[3];
};

struct tunnel {
  __u32 source[4];
  __u32 destination[4];
  __u16 family;
  struct mac next_hop;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 256);
  __type(key, struct service);
  __type(value, struct tunnel);
} tunnels SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u64);
} protocol_packets SEC(".maps");

/* The destination port, network order; 0 for protocols without ports, -1 for a cut header. */
INLINE int destination_port(void* transport, void* data_end, __u8 protocol) {
  if (protocol == PROTO_TCP) {
    struct tcp_header* tcp = transport;
    return (void*)(tcp + 1) > data_end ? -1 : tcp->destination;
  }
  if (protocol == PROTO_UDP) {
    struct udp_header* udp = transport;
    return (void*)(udp + 1) > data_end ? -1 : udp->destination;
  }
  return 0;
}

INLINE void write_eth(struct eth_header* eth, const struct eth_header* old, const struct tunnel* to,
                      __u16 type) {
  eth->source = old->destination;
  eth->destination = to->next_hop;
  eth->type = type;
}

INLINE int handle_ipv4(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);
  struct ipv4_header* ip = data + sizeof(struct eth_header);

  if ((void*)(ip + 1) > data_end) {
    return XDP_DROP;
  }
  int port = destination_port(ip + 1, data_end, ip->protocol);
  if (port < 0) {
    return XDP_DROP;
  }
  struct service service = {
      .address = {ip->destination},
      .port = (__u16)port,
      .family = FAMILY_IPV4,
      .protocol = ip->protocol,
  };
  __u16 length = NTOHS(ip->total_length);

  struct tunnel* tunnel = bpf_map_lookup_elem(&tunnels, &service);
  if (!tunnel || tunnel->family != FAMILY_IPV4) {
    return XDP_PASS;
  }
  if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip))) {
    return XDP_DROP;
  }
  data = PACKET(ctx->data);
  data_end = PACKET(ctx->data_end);
  struct eth_header* eth = data;
  struct eth_header* old_eth = data + sizeof(*ip);
  ip = data + sizeof(*eth);
  if ((void*)(old_eth + 1) > data_end || (void*)(ip + 1) > data_end) {
    return XDP_DROP;
  }
  write_eth(eth, old_eth, tunnel, HTONS(ETHERTYPE_IPV4));

  ip->version_ihl = 0x45;
  ip->tos = 0;
  ip->total_length = HTONS(length + sizeof(*ip));
  ip->id = 0;
  ip->fragment = 0;
  ip->ttl = OUTER_TTL;
  ip->protocol = PROTO_IPIP;
  ip->checksum = 0;
  ip->source = tunnel->source[0];
  ip->destination = tunnel->destination[0];
  ip->checksum = ipv4_checksum(ip);

  count(&protocol_packets, service.protocol);
  return XDP_TX;
}

INLINE int handle_ipv6(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);
  struct ipv6_header* ip = data + sizeof(struct eth_header);

  if ((void*)(ip + 1) > data_end) {
    return XDP_DROP;
  }
  int port = destination_port(ip + 1, data_end, ip->next_header);
  if (port < 0) {
    return XDP_DROP;
  }
  struct service service = {
      .port = (__u16)port,
      .family = FAMILY_IPV6,
      .protocol = ip->next_header,
  };
  __builtin_memcpy(service.address, ip->destination, sizeof(service.address));
  __u16 length = NTOHS(ip->payload_length);

  struct tunnel* tunnel = bpf_map_lookup_elem(&tunnels, &service);
  if (!tunnel || tunnel->family != FAMILY_IPV6) {
    return XDP_PASS;
  }
  if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip))) {
    return XDP_DROP;
  }
  data = PACKET(ctx->data);
  data_end = PACKET(ctx->data_end);
  struct eth_header* eth = data;
  struct eth_header* old_eth = data + sizeof(*ip);
  ip = data + sizeof(*eth);
  if ((void*)(old_eth + 1) > data_end || (void*)(ip + 1) > data_end) {
    return XDP_DROP;
  }
  write_eth(eth, old_eth, tunnel, HTONS(ETHERTYPE_IPV6));

  ip->version_class_flow = HTONL(6u << 28);
  ip->payload_length = HTONS(length + sizeof(*ip));
  ip->next_header = PROTO_IPV6;
  ip->hop_limit = OUTER_TTL;
  __builtin_memcpy(ip->source, tunnel->source, sizeof(ip->source));
  __builtin_memcpy(ip->destination, tunnel->destination, sizeof(ip->destination));

  count(&protocol_packets, service.protocol);
  return XDP_TX;
}

SEC("xdp")
int tx_ip_tunnel(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  struct eth_header* eth = PACKET(ctx->data);

  if ((void*)(eth + 1) > data_end) {
    return XDP_DROP;
  }
  if (eth->type == HTONS(ETHERTYPE_IPV4)) {
    return handle_ipv4(ctx);
  }
  if (eth->type == HTONS(ETHERTYPE_IPV6)) {
    return handle_ipv6(ctx);
  }
  return XDP_PASS;
}

LICENSE("Apache-2.0");
