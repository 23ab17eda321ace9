/* SPDX-License-Identifier: Apache-2.0 */
/* Writes records of 32 bytes into a ring buffer, which a reader empties between packets. */
#include "operation.h"

struct {
  __uint(type, 27); /* BPF_MAP_TYPE_RINGBUF */
  __uint(max_entries, 1 << 26);
} ring SEC(".maps");

static void* (*const bpf_ringbuf_reserve)(void* ring, __u64 size, __u64 flags) = (void*)131;
static void (*const bpf_ringbuf_submit)(void* record, __u64 flags) = (void*)132;

OPERATION(ring_record, {
  __u64* record = bpf_ringbuf_reserve(&ring, 32, 0);
  if (!record) {
    return XDP_ABORTED;
  }
  record[0] = random;
  record[3] = i;
  bpf_ringbuf_submit(record, 1); /* BPF_RB_NO_WAKEUP */
})
