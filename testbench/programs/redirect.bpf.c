/* SPDX-License-Identifier: Apache-2.0
 *
 * redirect: sends every frame out of one interface, addresses exchanged. One helper call, no map;
 * redirect_map.bpf.c is the variant that counts and goes through a device map.
 */
#include "net.h"

enum { OUT_IFINDEX = 1 };

SEC("xdp")
int redirect(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);

  if (data + sizeof(struct eth_header) > data_end) {
    return XDP_DROP;
  }
  swap_macs(data);
  return bpf_redirect(OUT_IFINDEX, 0);
}

LICENSE("Apache-2.0");
