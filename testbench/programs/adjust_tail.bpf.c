/* SPDX-License-Identifier: Apache-2.0
 *
 * adjust_tail: answers IPv4 frames longer than max_frame with ICMP "fragmentation needed", which
 * quotes their first 84 bytes; passes everything else.
 *
 * The frame is cut behind the quoted bytes, then grown in front by an IPv4 and an ICMP header.
 * What it does is that of xdp_adjust_tail in the Linux kernel's samples/bpf.
 */
#include "net.h"

enum {
  KEPT = 98, /* bytes of the frame that stay: Ethernet header and 84 bytes of packet */
  ADDED = sizeof(struct ipv4_header) + sizeof(struct icmp_header),
  REPLY_TTL = 64,
};

/* Longest frame that goes through, in bytes. In .data, so that the loader can set it. */
__u32 max_frame = 600;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} replies SEC(".maps");

/* The Internet checksum of `size` bytes, a multiple of 4. The helper may give more than 16 bits. */
INLINE __u16 checksum(void* start, __u32 size) {
  __u64 sum = (__u32)bpf_csum_diff(0, 0, start, size, 0);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16) ~(sum + (sum >> 16));
}

INLINE int reply_too_big(struct xdp_md* ctx, __u32 mtu) {
  if (bpf_xdp_adjust_head(ctx, -(int)ADDED)) {
    return XDP_DROP;
  }
  void* data = PACKET(ctx->data);
  if (data + KEPT + ADDED > PACKET(ctx->data_end)) {
    return XDP_DROP;
  }
  struct eth_header* eth = data;
  struct ipv4_header* ip = (void*)(eth + 1);
  struct icmp_header* icmp = (void*)(ip + 1);
  struct eth_header* old_eth = data + ADDED;
  struct ipv4_header* old_ip = (void*)(icmp + 1);

  /* The ICMP header covers the old Ethernet header: take what is needed of that first. */
  eth->destination = old_eth->source;
  eth->source = old_eth->destination;
  eth->type = old_eth->type;

  icmp->type = ICMP_UNREACHABLE;
  icmp->code = ICMP_FRAG_NEEDED;
  icmp->checksum = 0;
  icmp->rest[0] = 0;
  icmp->rest[1] = HTONS(mtu);
  icmp->checksum = checksum(icmp, KEPT - sizeof(*eth) + sizeof(*icmp));

  ip->version_ihl = 0x45;
  ip->tos = 0;
  ip->total_length = HTONS(KEPT + ADDED - sizeof(*eth));
  ip->id = 0;
  ip->fragment = 0;
  ip->ttl = REPLY_TTL;
  ip->protocol = PROTO_ICMP;
  ip->checksum = 0;
  ip->source = old_ip->destination;
  ip->destination = old_ip->source;
  ip->checksum = checksum(ip, sizeof(*ip));

  count(&replies, 0);
  return XDP_TX;
}

SEC("xdp")
int adjust_tail(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);
  struct eth_header* eth = data;
  __u32 limit = max_frame;

  if ((void*)(eth + 1) > data_end) {
    return XDP_DROP;
  }
  if (eth->type != HTONS(ETHERTYPE_IPV4)) {
    return XDP_PASS;
  }
  int length = (int)(data_end - data);
  if (length <= (int)limit) {
    return XDP_PASS;
  }
  if (bpf_xdp_adjust_tail(ctx, KEPT - length)) {
    return XDP_PASS;
  }
  return reply_too_big(ctx, limit - sizeof(*eth));
}

LICENSE("Apache-2.0");
