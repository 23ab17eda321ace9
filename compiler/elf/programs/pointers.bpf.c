// SPDX-License-Identifier: Apache-2.0
//
// Global data that holds an address, which no BPF loader can fill in.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

int target = 1;
int *volatile holder = &target;

SEC("xdp")
int follow(struct xdp_md *ctx) { return holder ? XDP_PASS : XDP_DROP; }

char _license[] SEC("license") = "GPL";
