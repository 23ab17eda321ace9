/* SPDX-License-Identifier: Apache-2.0
 *
 * A run that stops deep in its calls at what a NIC has no unit for (a key longer than its map engine
 * takes) and has to go on with all that it has: registers that callers keep, their stacks, a moved frame,
 * metadata, a redirect that was chosen before.
 *
 * Arguments: u32 steps; u64 value at byte 8. Steps: 1 the long key is counted, 2 the frame grows at its
 * head by 16 bytes first, 4 it has metadata, 8 it is redirected. Results: counts, sums of all levels.
 */
#include "feature.h"

enum { COUNTED = 1, HEAD = 2, META = 4, REDIRECTED = 8, GROWN = 16 };

struct long_key {
  __u8 bytes[72];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, struct long_key);
  __type(value, __u64);
} far SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} near SEC(".maps");

static NOINLINE __u64 count_far(__u32 steps, __u64 by) {
  struct long_key key = {};
  key.bytes[0] = steps;
  key.bytes[71] = steps >> 4;
  __u64* value = bpf_map_lookup_elem(&far, &key);
  if (value) {
    __sync_fetch_and_add(value, by);
    return *value;
  }
  return by + (__u64)bpf_map_update_elem(&far, &key, &by, BPF_ANY);
}

static NOINLINE __u64 middle(__u32 steps, __u64 a) {
  volatile __u64 local[3] = {a, a * 3, steps};
  __u64 b = a ^ 0x5555555555555555ull, c = a + steps;
  __u64 n = (steps & COUNTED) ? count_far(steps, a) : a;
  return n + b * 7 + c * 11 + local[0] + local[1] * 5 + local[2];
}

static NOINLINE __u64 outer(__u32 steps, __u64 a) {
  __u64 kept = a * a, also = steps * 77;
  __u64 sum = middle(steps, a);
  return (sum ^ kept) + also;
}

INLINE __u64 count_near(__u32 index) {
  __u64* value = bpf_map_lookup_elem(&near, &index);
  return value ? ++*value : 0;
}

SEC("xdp")
int handover(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 steps = ARG(__u32, frame, 0);
  __u64 a = ARG(__u64, frame, 8);
  __u64 before = count_near(0);
  long target = XDP_TX;
  if (steps & REDIRECTED) {
    target = bpf_redirect(7, 0);
  }
  if ((steps & HEAD) && bpf_xdp_adjust_head(ctx, -GROWN)) {
    return XDP_ABORTED;
  }
  if (steps & META) {
    if (bpf_xdp_adjust_meta(ctx, -8)) {
      return XDP_ABORTED;
    }
    __u64* meta = PACKET(ctx->data_meta);
    if ((void*)(meta + 1) > PACKET(ctx->data)) {
      return XDP_ABORTED;
    }
    *meta = a;
  }
  __u64 sum = outer(steps, a);
  if ((steps & HEAD) && bpf_xdp_adjust_head(ctx, GROWN)) {
    return XDP_ABORTED;
  }
  if (steps & META) {
    __u64* meta = PACKET(ctx->data_meta);
    if ((void*)(meta + 1) > PACKET(ctx->data)) {
      return XDP_ABORTED;
    }
    sum += *meta;
  }
  frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  RES(__u64, frame, 0) = before;
  RES(__u64, frame, 8) = sum;
  RES(__u64, frame, 16) = count_near(1);
  RES(__u32, frame, 24) = ctx->ingress_ifindex;
  RES(__u32, frame, 28) = ctx->rx_queue_index;
  return (int)target;
}

LICENSE("Apache-2.0");
