/* SPDX-License-Identifier: Apache-2.0
 *
 * xdp2: counts frames per IP protocol as xdp1 does; UDP goes back where it came from, addresses
 * exchanged, all else is dropped.
 *
 * What it does is that of the program of this name in the Linux kernel's samples/bpf.
 */
#include "protocol_count.h"

SEC("xdp")
int xdp2(struct xdp_md* ctx) {
  void* data = PACKET(ctx->data);

  if (count_protocol(data, PACKET(ctx->data_end)) != PROTO_UDP) {
    return XDP_DROP;
  }
  swap_macs(data);
  return XDP_TX;
}

LICENSE("Apache-2.0");
