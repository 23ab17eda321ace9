/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts, by atomics, what a NIC's cores and its host do at the same time: the same words of an array, the
 * same elements of a table. For frames with an odd first argument a NIC hands over half way.
 *
 * Arguments: u32 kind; u32 label. counts[0]: frames, [1]: odd ones before, [2]: frames again at the end, [3]:
 * odd ones after the hand-over. table[label & 7]: frames.
 */
#include "feature.h"

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
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u64);
} table SEC(".maps");

INLINE void add(void* map, __u32 key) {
  __u64* value = bpf_map_lookup_elem(map, &key);
  if (value) {
    __sync_fetch_and_add(value, 1);
  }
}

SEC("xdp")
int handover_shared(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 kind = ARG(__u32, frame, 0), label = ARG(__u32, frame, 4) & 7;
  __u64 zero = 0;
  add(&counts, 0);
  if (kind & 1) {
    struct long_key key = {};
    add(&counts, 1);
    bpf_map_lookup_elem(&far, &key);
    add(&counts, 3);
  }
  bpf_map_update_elem(&table, &label, &zero, BPF_NOEXIST);
  add(&table, label);
  add(&counts, 2);
  return kind & 2 ? XDP_TX : XDP_DROP;
}

LICENSE("Apache-2.0");
