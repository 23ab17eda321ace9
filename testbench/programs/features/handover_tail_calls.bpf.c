/* SPDX-License-Identifier: Apache-2.0
 *
 * Tail calls on the way to what a NIC has no unit for: the program that needs it was tail-called, from
 * the entry or from a subprogram whose caller is still to be returned to.
 *
 * The entry is `handover_tail_calls`. Arguments: u32 slot; u32 way: 0 tail call, 1 from a subprogram; u64
 * value at byte 8. Results: a byte per function that ran, and numbers that each kept.
 */
#include "feature.h"

int plain(struct xdp_md* ctx);
int counting(struct xdp_md* ctx);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 4);
  __uint(key_size, 4);
  __array(values, int(void*));
} programs SEC(".maps") = {.values = {[1] = (void*)&plain, [2] = (void*)&counting}};

struct long_key {
  __u8 bytes[72];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, struct long_key);
  __type(value, __u64);
} far SEC(".maps");

SEC("xdp")
int plain(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  frame->result[1] = 'P';
  return XDP_TX;
}

static NOINLINE __u64 add_far(__u64 by) {
  struct long_key key = {};
  key.bytes[9] = (__u8)by & 3;
  __u64* value = bpf_map_lookup_elem(&far, &key);
  if (value) {
    *value += by;
    return *value;
  }
  bpf_map_update_elem(&far, &key, &by, BPF_ANY);
  return by;
}

SEC("xdp")
int counting(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  __u64 value = ARG(__u64, frame, 8);
  frame->result[2] = 'C';
  __u64 n = add_far(value);
  RES(__u64, frame, 16) = n + value * 3;
  return XDP_TX;
}

static NOINLINE int jump(struct xdp_md* ctx, __u32 slot) {
  volatile __u64 kept = slot;
  bpf_tail_call(ctx, &programs, slot);
  return (int)kept + 5;
}

SEC("xdp")
int handover_tail_calls(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 slot = ARG(__u32, frame, 0), way = ARG(__u32, frame, 4);
  __u64 value = ARG(__u64, frame, 8);
  frame->result[0] = 'E';
  if (way == 0) {
    bpf_tail_call(ctx, &programs, slot);
    return XDP_DROP;
  }
  __u64 kept = value * 5;
  int returned = jump(ctx, slot);
  frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  frame->result[3] = 'R';
  RES(__u32, frame, 4) = (__u32)returned;
  RES(__u64, frame, 8) = kept;
  return XDP_TX;
}

LICENSE("Apache-2.0");
