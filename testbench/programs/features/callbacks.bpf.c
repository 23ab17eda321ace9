/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that helpers call back: bpf_loop(), also left early and one inside another, and bpf_for_each_map_elem()
 * over an array and over a hash, whose elements are visited in no particular order.
 *
 * Arguments: u32 rounds at 0, u32 label at 4, u64 by at 8. Results: what the helpers returned, sums.
 */
#include "kfunc.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u64);
} array SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 32);
  __type(key, __u32);
  __type(value, __u64);
} hash SEC(".maps");

struct work {
  __u64 sum;
  __u64 by;
  __u32 stop;
};

static int inner(__u32 index, struct work* work) {
  work->sum += (__u64)index << (index & 15);
  return 0;
}

static int outer(__u32 index, struct work* work) {
  work->sum = work->sum * 3 + work->by + index;
  if ((index & 3) == 3) {
    bpf_loop(index & 7, inner, work, 0);
  }
  return index == work->stop;
}

static int element(void* map, const __u32* key, __u64* value, struct work* work) {
  work->sum += *key * 1000ull + *value;
  *value += work->by;
  return 0;
}

SEC("xdp")
int callbacks(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 rounds = ARG(__u32, frame, 0), label = ARG(__u32, frame, 4);
  struct work work = {.by = ARG(__u64, frame, 8), .stop = label};
  RES(__u64, frame, 0) = bpf_loop(rounds, outer, &work, 0);
  RES(__u64, frame, 8) = work.sum;
  RES(__u64, frame, 16) = bpf_loop(4, inner, &work, 1);
  bpf_map_update_elem(&hash, &label, &work.sum, BPF_ANY);
  work.sum = 0;
  RES(__u64, frame, 24) = bpf_for_each_map_elem(&array, element, &work, 0);
  RES(__u64, frame, 32) = work.sum;
  RES(__u64, frame, 40) = bpf_for_each_map_elem(&hash, element, &work, 0);
  RES(__u64, frame, 48) = work.sum;
  RES(__u64, frame, 56) = bpf_for_each_map_elem(&hash, element, &work, 4);
  return XDP_TX;
}

LICENSE("Apache-2.0");
