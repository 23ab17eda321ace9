// SPDX-License-Identifier: Apache-2.0
//
// A program that calls a function of another section: libbpf 1.x refuses it, the ELF is sound.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp/helper")
__attribute__((noinline)) int shared(struct xdp_md *ctx) { return ctx->rx_queue_index + 1; }

SEC("xdp")
int caller(struct xdp_md *ctx) { return shared(ctx) > 3 ? XDP_DROP : XDP_PASS; }

char _license[] SEC("license") = "GPL";
