/* SPDX-License-Identifier: Apache-2.0
 *
 * drop: discards every frame without looking at it. The floor of every engine's cost per packet.
 */
#include "bpf.h"

SEC("xdp")
int drop(struct xdp_md* ctx) {
  return XDP_DROP;
}

LICENSE("Apache-2.0");
