// SPDX-License-Identifier: Apache-2.0
//
// Subprograms: static and global ones, shared by several programs, nested, and taken by address.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} sums SEC(".maps");

static __attribute__((noinline)) int leaf(int x) {
  __u32 key = x;
  __u64 one = 1;
  return bpf_map_update_elem(&sums, &key, &one, BPF_ANY);
}

static __attribute__((noinline)) int twig(int x) { return leaf(x) * 3 + leaf(x + 1); }

__attribute__((noinline)) int branch(struct xdp_md *ctx) { return twig(ctx->rx_queue_index) + 5; }

__attribute__((noinline, visibility("hidden"))) int hidden_branch(struct xdp_md *ctx) {
  return leaf(ctx->ingress_ifindex) - 1;
}

struct bpf_map;

static long visit(struct bpf_map *map, __u32 *key, __u64 *value, void *data) {
  *(__u64 *)data += *value + leaf(*key);
  return 0;
}

SEC("xdp")
int all(struct xdp_md *ctx) { return branch(ctx) + hidden_branch(ctx) > 4 ? XDP_PASS : XDP_DROP; }

SEC("xdp/devmap")
int other(struct xdp_md *ctx) { return twig(2) ? XDP_TX : XDP_PASS; }

SEC("xdp.frags")
int long_frames(struct xdp_md *ctx) {
  __u64 sum = 0;
  bpf_for_each_map_elem(&sums, visit, &sum, 0);
  return sum > 100 ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int traffic(struct __sk_buff *skb) { return leaf(skb->len); }

SEC("xdp")
int second_in_section(struct xdp_md *ctx) { return leaf(1) ? XDP_ABORTED : XDP_PASS; }

char _license[] SEC("license") = "GPL";
