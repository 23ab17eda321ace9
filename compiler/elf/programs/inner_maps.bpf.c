// SPDX-License-Identifier: Apache-2.0
//
// Maps of maps and program arrays, initialised in the object.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct inner {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} inner_a SEC(".maps"), inner_b SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 8);
  __type(key, __u32);
  __array(values, struct inner);
} outer_array SEC(".maps") = {.values = {[2] = &inner_a, [5] = &inner_b}};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 3);
  __uint(key_size, 4);
  __array(
      values, struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(max_entries, 9);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, __u64);
        __type(value, __u32);
      });
} outer_hash SEC(".maps");

int first(struct xdp_md *ctx);
int last(struct xdp_md *ctx);

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 4);
  __uint(key_size, sizeof(__u32));
  __array(values, int(struct xdp_md *));
} jumps SEC(".maps") = {.values = {[0] = &last, [3] = &first}};

SEC("xdp")
int first(struct xdp_md *ctx) {
  __u32 key = 2;
  void *inner = bpf_map_lookup_elem(&outer_array, &key);
  if (inner && bpf_map_lookup_elem(inner, &key)) {
    bpf_tail_call(ctx, &jumps, 0);
  }
  return bpf_map_lookup_elem(&outer_hash, &key) ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int last(struct xdp_md *ctx) { return XDP_TX; }

char _license[] SEC("license") = "GPL";
