/* SPDX-License-Identifier: Apache-2.0 */
/* Counts packets and bytes per protocol in an array, atomically. */
#include "kernel.h"

struct count {
  __u64 packets, bytes;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, struct count);
} counts SEC(".maps");

KERNEL(array_counter, {
  __u32 protocol = p[23];
  struct count* count = bpf_map_lookup_elem(&counts, &protocol);
  if (count) {
    __sync_fetch_and_add(&count->packets, 1);
    __sync_fetch_and_add(&count->bytes, FRAME_BYTES);
  }
  return XDP_DROP;
})
