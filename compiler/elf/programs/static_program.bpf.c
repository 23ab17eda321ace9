// SPDX-License-Identifier: Apache-2.0
//
// A program that its author forgot to make global.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp") __attribute__((used)) static int forgotten(struct xdp_md *ctx) { return XDP_PASS; }

char _license[] SEC("license") = "GPL";
