// SPDX-License-Identifier: Apache-2.0
//
// Maps for records to user space that name the records' type, and what is left to the program's own loader.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct record {
  __u64 time;
  __u8 text[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
  __type(value, struct record);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __type(key, __u32);
  __type(value, struct record);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, __u64);
} sized_later SEC(".maps");

const volatile __u16 port = 80;
const volatile __s8 level = 0;
const volatile _Bool verbose = 0;
const volatile __u32 table[2] = {1, 2};
__u64 seen = 0;

SEC("xdp")
int records(struct xdp_md *ctx) {
  __u32 key = level;
  __u64 *count = bpf_map_lookup_elem(&sized_later, &key);
  if (count) {
    *count += port + table[ctx->rx_queue_index & 1];
  }
  bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &key, sizeof key);
  if (verbose) {
    bpf_ringbuf_output(&ring, &key, sizeof key, 0);
  }
  seen++;
  return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
