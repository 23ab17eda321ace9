/* SPDX-License-Identifier: Apache-2.0
 *
 * Tail calls: a program array filled by the object itself, a chain, an empty slot, an index beyond
 * the array, and a program that calls itself until the limit of 33.
 *
 * The entry is `tail_calls`. Arguments: slot (u32). Results: a byte per program that ran, and the
 * number of turns of the loop.
 */
#include "feature.h"

#define ENTRY(name) int name(struct xdp_md* ctx)
ENTRY(mark_and_send);
ENTRY(chain);
ENTRY(loop);
ENTRY(leave);

enum { SLOTS = 8, SLOT_SEND = 0, SLOT_CHAIN = 1, SLOT_LOOP = 2, SLOT_EMPTY = 3, SLOT_LEAVE = 7 };

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, SLOTS);
  __uint(key_size, 4);
  __array(values, int(void*));
} programs SEC(".maps") = {
    .values =
        {
            [SLOT_SEND] = (void*)&mark_and_send,
            [SLOT_CHAIN] = (void*)&chain,
            [SLOT_LOOP] = (void*)&loop,
            [SLOT_LEAVE] = (void*)&leave,
        },
};

SEC("xdp")
ENTRY(mark_and_send) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  frame->result[1] = 'S';
  return XDP_TX;
}

SEC("xdp")
ENTRY(chain) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  frame->result[2] = 'C';
  bpf_tail_call(ctx, &programs, SLOT_SEND);
  return XDP_ABORTED;
}

SEC("xdp")
ENTRY(loop) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  RES(__u32, frame, 8) += 1;
  bpf_tail_call(ctx, &programs, SLOT_LOOP);
  frame->result[3] = 'L'; /* the limit was reached */
  return XDP_PASS;
}

SEC("xdp")
ENTRY(leave) {
  return XDP_DROP;
}

SEC("xdp")
int tail_calls(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  frame->result[0] = 'E';
  bpf_tail_call(ctx, &programs, ARG(__u32, frame, 0));
  frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  frame->result[4] = 'F'; /* fell through */
  return XDP_PASS;
}

LICENSE("Apache-2.0");
