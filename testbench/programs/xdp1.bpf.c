/* SPDX-License-Identifier: Apache-2.0
 *
 * xdp1: counts frames per IP protocol and drops them. Up to two VLAN tags are skipped.
 *
 * Counter 0 holds what is neither IPv4 nor IPv6, or ends inside its IP header.
 * What it does is that of the program of this name in the Linux kernel's samples/bpf.
 */
#include "protocol_count.h"

SEC("xdp")
int xdp1(struct xdp_md* ctx) {
  count_protocol(PACKET(ctx->data), PACKET(ctx->data_end));
  return XDP_DROP;
}

LICENSE("Apache-2.0");
