/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps declared the old way, as structs of numbers in section "maps", which libbpf 1.0 no longer
 * loads. Built twice: legacy_maps so, and legacy_maps_btf with BTF declarations, which must do the
 * same.
 *
 * Counts packets per EtherType in a hash and all of them in an array; passes every second frame.
 */
#include "../net.h"

#ifdef BTF_MAPS
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __uint(key_size, 4);
  __uint(value_size, 8);
} ethertypes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __uint(key_size, 4);
  __uint(value_size, 8);
} all_frames SEC(".maps");
#else
struct legacy_map {
  __u32 type;
  __u32 key_size;
  __u32 value_size;
  __u32 max_entries;
  __u32 map_flags;
};

struct legacy_map SEC("maps") ethertypes = {
    .type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 8, .max_entries = 64};
struct legacy_map SEC("maps") all_frames = {
    .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
#endif

SEC("xdp")
int legacy_maps(struct xdp_md* ctx) {
  struct eth_header* eth = PACKET(ctx->data);
  if ((void*)(eth + 1) > PACKET(ctx->data_end)) {
    return XDP_DROP;
  }
  __u32 zero = 0, type = eth->type;
  __u64 one = 1;
  __u64* seen = bpf_map_lookup_elem(&ethertypes, &type);
  if (seen) {
    *seen += 1;
  } else {
    bpf_map_update_elem(&ethertypes, &type, &one, BPF_ANY);
  }
  __u64* all = bpf_map_lookup_elem(&all_frames, &zero);
  if (!all) {
    return XDP_ABORTED;
  }
  *all += 1;
  return *all & 1 ? XDP_DROP : XDP_PASS;
}

LICENSE("Apache-2.0");
