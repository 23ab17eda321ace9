/* SPDX-License-Identifier: Apache-2.0
 *
 * Atomic add, and, or, xor, exchange and compare-exchange, 32 and 64 bits wide, with and without
 * the old value, on a map value and on the stack.
 *
 * Arguments: a, b (u64 each). Results: the old values, then the memory as it was left. The map
 * keeps its state from frame to frame.
 */
#include "feature.h"

struct cells {
  __u64 wide[6];
  __u32 narrow[6];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, struct cells);
} cells SEC(".maps");

#define OUT(value) RES(__u64, frame, 8 * at++) = (value)

SEC("xdp")
int atomics(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u64 a = ARG(__u64, frame, 0), b = ARG(__u64, frame, 8);
  __u32 c = (__u32)a, d = (__u32)b;
  __u32 key = c & 3;
  struct cells* cell = bpf_map_lookup_elem(&cells, &key);
  if (!cell) {
    return XDP_ABORTED;
  }
  int at = 0;

  OUT(__sync_fetch_and_add(&cell->wide[0], a));
  OUT(__sync_fetch_and_and(&cell->wide[1], a));
  OUT(__sync_fetch_and_or(&cell->wide[2], b));
  OUT(__sync_fetch_and_xor(&cell->wide[3], a));
  OUT(__sync_lock_test_and_set(&cell->wide[4], b));
  OUT(__sync_val_compare_and_swap(&cell->wide[5], a, b));
  OUT(__sync_fetch_and_add(&cell->narrow[0], c));
  OUT(__sync_fetch_and_and(&cell->narrow[1], c));
  OUT(__sync_fetch_and_or(&cell->narrow[2], d));
  OUT(__sync_fetch_and_xor(&cell->narrow[3], c));
  OUT(__sync_lock_test_and_set(&cell->narrow[4], d));
  OUT(__sync_val_compare_and_swap(&cell->narrow[5], c, d));

  /* Without the old value: other instructions. */
  __sync_fetch_and_add(&cell->wide[1], b);
  __sync_fetch_and_add(&cell->narrow[1], d);
  __sync_fetch_and_or(&cell->wide[0], 1);
  __sync_fetch_and_xor(&cell->narrow[0], 0x5a5a5a5a);

  __u64 local[2] = {a, b};
  __sync_fetch_and_add(&local[0], b);
  OUT(__sync_fetch_and_xor(&local[1], a));
  OUT(local[0] ^ local[1]);
  OUT(cell->wide[5]);
  OUT(cell->narrow[5]);
  return XDP_TX;
}

LICENSE("Apache-2.0");
