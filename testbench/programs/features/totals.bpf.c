/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts, by atomics, what happens to a queue, a stack and a ring buffer that many threads use at once: what
 * went in, came out and was refused must add up.
 *
 * Arguments: u32 kind; u32 number. sums: [0] frames; [1] values pushed, [2] their sum; [3] values popped, [4] their
 * sum; [5] to [8] the same of the stack; [9] records written, [10] no room.
 */
#include "feature.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 11);
  __type(key, __u32);
  __type(value, __u64);
} sums SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_QUEUE);
  __uint(max_entries, 5);
  __type(value, __u64);
} queue SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_STACK);
  __uint(max_entries, 5);
  __type(value, __u64);
} stack SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

INLINE void add(__u32 index, __u64 number) {
  __u64* sum = bpf_map_lookup_elem(&sums, &index);
  if (sum) {
    __sync_fetch_and_add(sum, number);
  }
}

INLINE void use(void* map, __u32 first, int pushes, __u64 number) {
  if (pushes) {
    if (bpf_map_push_elem(map, &number, BPF_ANY) == 0) {
      add(first, 1);
      add(first + 1, number);
    }
  } else if (bpf_map_pop_elem(map, &number) == 0) {
    add(first + 2, 1);
    add(first + 3, number);
  }
}

SEC("xdp")
int totals(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 kind = ARG(__u32, frame, 0);
  __u64 number = ARG(__u32, frame, 4);
  add(0, 1);
  use(&queue, 1, kind & 1, number);
  use(&stack, 5, kind & 2, number);
  add(bpf_ringbuf_output(&ring, &number, sizeof(number), 0) == 0 ? 9 : 10, 1);
  return XDP_TX;
}

LICENSE("Apache-2.0");
