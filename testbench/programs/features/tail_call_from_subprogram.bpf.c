/* SPDX-License-Identifier: Apache-2.0
 *
 * A tail call inside a subprogram: what is called returns to the caller of that subprogram, and the
 * subprogram itself never does.
 *
 * The entry is `tail_call_from_subprogram`. Arguments: slot (u32). Results: a byte per function
 * that ran, and what the subprogram seemed to return.
 */
#include "feature.h"

int target(struct xdp_md* ctx);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 2);
  __uint(key_size, 4);
  __array(values, int(void*));
} programs SEC(".maps") = {.values = {[1] = (void*)&target}};

SEC("xdp")
int target(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  frame->result[1] = 'T';
  return 77;
}

static NOINLINE int jump(struct xdp_md* ctx, __u32 slot) {
  volatile __u64 kept = slot;
  bpf_tail_call(ctx, &programs, slot);
  return (int)kept + 5;
}

SEC("xdp")
int tail_call_from_subprogram(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  frame->result[0] = 'E';
  int returned = jump(ctx, ARG(__u32, frame, 0));
  frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  frame->result[2] = 'R';
  RES(__u32, frame, 4) = (__u32)returned;
  return XDP_TX;
}

LICENSE("Apache-2.0");
