// SPDX-License-Identifier: Apache-2.0
//
// A longer map structure, as other loaders had: sound while its further fields are 0 (-DPINNING=0).
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct bpf_elf_map {
  __u32 type, size_key, size_value, max_elem, flags, id, pinning;
};

struct bpf_elf_map SEC("maps") longer = {
    .type = BPF_MAP_TYPE_LRU_HASH, .size_key = 6, .size_value = 8, .max_elem = 100, .pinning = PINNING};

SEC("xdp")
int lookup(struct xdp_md *ctx) {
  __u8 key[6] = {1};
  return bpf_map_lookup_elem(&longer, key) ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
