/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf_xdp_adjust_head, _tail and _meta at and beyond their limits.
 *
 * Arguments: four operations of {u8 which: 0 none, 1 head, 2 tail, 3 meta; u8 0; s16 delta}. When
 * they are done, the frame holds from byte 14 on four results of {s32 result; u16 frame length, u16
 * metadata length}, if it still has room for them; else it passes. Metadata is filled with 0xa5.
 */
#include "feature.h"

struct outcome {
  __s32 result;
  __u16 length;
  __u16 meta;
};

INLINE struct outcome apply(struct xdp_md* ctx, __u32 operation) {
  __u8 which = operation & 0xff;
  int delta = (__s32)operation >> 16;
  struct outcome outcome = {};
  if (which == 1) {
    outcome.result = (__s32)bpf_xdp_adjust_head(ctx, delta);
  } else if (which == 2) {
    outcome.result = (__s32)bpf_xdp_adjust_tail(ctx, delta);
  } else if (which == 3) {
    outcome.result = (__s32)bpf_xdp_adjust_meta(ctx, delta);
  }
  outcome.length = (__u16)(ctx->data_end - ctx->data);
  outcome.meta = (__u16)(ctx->data - ctx->data_meta);
  return outcome;
}

SEC("xdp")
int adjust(struct xdp_md* ctx) {
  struct outcome outcomes[4];
  __u32 operations[4];
  __u32* argument = PACKET(ctx->data) + sizeof(struct eth_header);
  if ((void*)(argument + 4) > PACKET(ctx->data_end)) {
    return XDP_DROP;
  }
  __builtin_memcpy(operations, argument, sizeof(operations));
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++) {
    outcomes[i] = apply(ctx, operations[i]);
  }
  __u32* meta = PACKET(ctx->data_meta);
  void* data = PACKET(ctx->data);
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++) {
    if ((void*)(meta + i + 1) <= data) {
      meta[i] = 0xa5a5a5a5;
    }
  }
  if (data + sizeof(struct eth_header) + sizeof(outcomes) > PACKET(ctx->data_end)) {
    return XDP_PASS;
  }
  __builtin_memcpy(data + sizeof(struct eth_header), outcomes, sizeof(outcomes));
  return XDP_TX;
}

LICENSE("Apache-2.0");
