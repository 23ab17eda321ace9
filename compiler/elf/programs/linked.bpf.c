// SPDX-License-Identifier: Apache-2.0
//
// Uses a function and a map of calls.bpf.c; the test links the two with libbpf's linker.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

extern int branch(struct xdp_md *ctx);
extern struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} sums SEC(".maps");

__u64 factor = 4;
const volatile int limit = 9;

static __attribute__((noinline)) int scaled(int x) { return x * 7 + factor; }

SEC("xdp")
int third(struct xdp_md *ctx) {
  __u32 key = 1;
  __u64 *sum = bpf_map_lookup_elem(&sums, &key);
  return scaled(branch(ctx)) + (sum ? *sum : 0) > limit ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
