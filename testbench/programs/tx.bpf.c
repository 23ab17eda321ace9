/* SPDX-License-Identifier: Apache-2.0
 *
 * tx: sends every frame back where it came from, addresses exchanged. No map, no helper.
 */
#include "net.h"

SEC("xdp")
int tx(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);

  if (data + sizeof(struct eth_header) > data_end) {
    return XDP_DROP;
  }
  swap_macs(data);
  return XDP_TX;
}

LICENSE("Apache-2.0");
