/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters under a spin lock and under one that may fail; sections without preemption, interrupts and reclaiming.
 *
 * Arguments: u32 label at 0, u64 by at 8. Results: the counters.
 */
#include "kfunc.h"

struct counted {
  struct bpf_spin_lock lock;
  __u32 times;
  __u64 sum;
};

struct guarded {
  __u64 sum;
  struct bpf_res_spin_lock lock;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, struct counted);
} counted SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct guarded);
} guarded SEC(".maps");

SEC("xdp")
int locks(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 label = ARG(__u32, frame, 0), index = label & 3;
  __u64 by = ARG(__u64, frame, 8), sum = 0, times = 0;
  struct counted* c = bpf_map_lookup_elem(&counted, &label);
  if (!c) {
    struct counted fresh = {.times = 0, .sum = 100};
    RES(__u64, frame, 0) = bpf_map_update_elem(&counted, &label, &fresh, BPF_NOEXIST);
    c = bpf_map_lookup_elem(&counted, &label);
  }
  if (c) {
    bpf_spin_lock(&c->lock);
    c->times++;
    c->sum += by;
    sum = c->sum;
    times = c->times;
    bpf_spin_unlock(&c->lock);
  }
  RES(__u64, frame, 8) = sum;
  RES(__u64, frame, 16) = times;
  struct guarded* g = bpf_map_lookup_elem(&guarded, &index);
  if (!g) {
    return XDP_ABORTED;
  }
  unsigned long flags;
  bpf_rcu_read_lock();
  bpf_preempt_disable();
  bpf_local_irq_save(&flags);
  bpf_local_irq_restore(&flags);
  bpf_preempt_enable();
  bpf_rcu_read_unlock();
  if (bpf_res_spin_lock(&g->lock)) {
    return XDP_ABORTED;
  }
  g->sum = g->sum * 3 + by;
  sum = g->sum;
  bpf_res_spin_unlock(&g->lock);
  RES(__u64, frame, 24) = sum;
  return XDP_TX;
}

LICENSE_FOR_KFUNCS;
