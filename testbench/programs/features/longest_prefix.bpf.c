/* SPDX-License-Identifier: Apache-2.0
 *
 * Longest-prefix matching: IPv4 and IPv6 tries with nested prefixes, default routes, host routes,
 * lookups with less and more than the full length. The tries are filled from outside.
 *
 * Arguments: prefix length (u32), address (16 bytes). Results: both lookups.
 */
#include "feature.h"

struct key4 {
  __u32 length;
  __u8 address[4];
};
struct key6 {
  __u32 length;
  __u8 address[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 32);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct key4);
  __type(value, __u32);
} prefixes4 SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 32);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct key6);
  __type(value, __u64);
} prefixes6 SEC(".maps");

SEC("xdp")
int longest_prefix(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  struct key4 key4 = {.length = ARG(__u32, frame, 0)};
  struct key6 key6 = {.length = ARG(__u32, frame, 0)};
  __builtin_memcpy(key4.address, frame->argument + 4, 4);
  __builtin_memcpy(key6.address, frame->argument + 4, 16);

  __u32* value4 = bpf_map_lookup_elem(&prefixes4, &key4);
  RES(__u32, frame, 0) = value4 ? *value4 : 0xffffffff;
  __u64* value6 = bpf_map_lookup_elem(&prefixes6, &key6);
  RES(__u64, frame, 8) = value6 ? *value6 : ~0ull;
  return XDP_TX;
}

LICENSE("Apache-2.0");
