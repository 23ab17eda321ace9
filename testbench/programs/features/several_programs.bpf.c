/* SPDX-License-Identifier: Apache-2.0
 *
 * Three programs in one object that share a map; --prog chooses. They lie in two sections, and the
 * third takes frames of several buffers.
 */
#include "../net.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} runs SEC(".maps");

SEC("xdp")
int count_and_drop(struct xdp_md* ctx) {
  count(&runs, 0);
  return XDP_DROP;
}

SEC("xdp")
int count_and_pass(struct xdp_md* ctx) {
  count(&runs, 1);
  return XDP_PASS;
}

SEC("xdp.frags")
int count_long(struct xdp_md* ctx) {
  count(&runs, ctx->data_end - ctx->data > 1514 ? 3 : 2);
  return XDP_TX;
}

LICENSE("Apache-2.0");
