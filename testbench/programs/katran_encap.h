/* SPDX-License-Identifier: Apache-2.0
 *
 * The outer headers of the balancer in katran.bpf.c: IPv4 in IPv4, IPv4 or IPv6 in IPv6.
 * Included there, behind struct packet.
 *
 * The outer source address carries bits of the client's address and port, so that the reals'
 * receive queues are chosen per flow.
 */
#pragma once

/* Makes room for `size` bytes of outer header; false if there is none. */
INLINE int make_room(struct xdp_md* ctx, int size, const struct mac* router, __u16 type) {
  if (bpf_xdp_adjust_head(ctx, -size)) {
    return 0;
  }
  void* data_end = PACKET(ctx->data_end);
  struct eth_header* eth = PACKET(ctx->data);
  struct eth_header* old = (void*)eth + size;
  if ((void*)(old + 1) > data_end) {
    return 0;
  }
  eth->destination = *router;
  eth->source = old->destination;
  eth->type = type;
  return 1;
}

INLINE int encapsulate_ipv4(struct xdp_md* ctx, const struct packet* packet,
                            const struct mac* router, const struct real* real) {
  struct ipv4_header* ip;
  if (!make_room(ctx, sizeof(*ip), router, HTONS(ETHERTYPE_IPV4))) {
    return XDP_DROP;
  }
  ip = PACKET(ctx->data) + sizeof(struct eth_header);
  if ((void*)(ip + 1) > PACKET(ctx->data_end)) {
    return XDP_DROP;
  }
  __u32 suffix = (__u32)NTOHS(packet->flow.source_port) << 16 ^ packet->flow.source[0];
  ip->version_ihl = 0x45;
  ip->tos = packet->tos;
  ip->total_length = HTONS(packet->length + sizeof(*ip));
  ip->id = 0;
  ip->fragment = 0;
  ip->ttl = OUTER_TTL;
  ip->protocol = PROTO_IPIP;
  ip->checksum = 0;
  ip->source = (suffix & 0xffff0000) | OUTER_IPV4_PREFIX;
  ip->destination = real->address[0];
  ip->checksum = ipv4_checksum(ip);
  return XDP_TX;
}

INLINE int encapsulate_ipv6(struct xdp_md* ctx, const struct packet* packet,
                            const struct mac* router, const struct real* real, int is_ipv6) {
  struct ipv6_header* ip;
  if (!make_room(ctx, sizeof(*ip), router, HTONS(ETHERTYPE_IPV6))) {
    return XDP_DROP;
  }
  ip = PACKET(ctx->data) + sizeof(struct eth_header);
  if ((void*)(ip + 1) > PACKET(ctx->data_end)) {
    return XDP_DROP;
  }
  __u32 inner_header = is_ipv6 ? sizeof(*ip) : 0; /* an IPv6 length leaves out its header */
  ip->version_class_flow = HTONL(6u << 28 | (__u32)packet->tos << 20);
  ip->payload_length = HTONS(packet->length + inner_header);
  ip->next_header = is_ipv6 ? PROTO_IPV6 : PROTO_IPIP;
  ip->hop_limit = OUTER_TTL;
  /* 0100::/64, the discard prefix of RFC 6666. */
  ip->source[0] = HTONL(0x01000000);
  ip->source[1] = 0;
  ip->source[2] = 0;
  ip->source[3] = packet->flow.source[is_ipv6 ? 3 : 0] ^ packet->flow.source_port;
  __builtin_memcpy(ip->destination, real->address, 16);
  return XDP_TX;
}
