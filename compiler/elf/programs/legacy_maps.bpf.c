// SPDX-License-Identifier: Apache-2.0
//
// Maps of the old kind, with and without key and value types.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct bpf_map_def {
  unsigned int type, key_size, value_size, max_entries, map_flags;
};

struct counter {
  __u64 packets, bytes;
};

struct bpf_map_def SEC("maps") second = {
    .type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = sizeof(struct counter), .max_entries = 16, .map_flags = 1};
struct bpf_map_def SEC("maps") first = {
    .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 2};

struct ____btf_map_second {
  __u32 key;
  struct counter value;
};
struct ____btf_map_second __attribute__((section(".maps.second"), used)) ____btf_map_second = {};

SEC("xdp_count")
int count(struct xdp_md *ctx) {
  __u32 key = ctx->rx_queue_index;
  __u64 *value = bpf_map_lookup_elem(&first, &key);
  struct counter *counter = bpf_map_lookup_elem(&second, &key);
  if (value) {
    ++*value;
  }
  return counter ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
