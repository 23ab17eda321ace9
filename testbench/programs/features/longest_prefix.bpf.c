/* SPDX-License-Identifier: Apache-2.0
 *
 * Longest-prefix matching: IPv4 and IPv6 tries with nested prefixes, default routes, host routes,
 * lookups with less than the full length, and updates and deletes by the program itself.
 *
 * Arguments: prefix length (u32), address (16 bytes), operation (u32: 0 look up, 1 insert, 2 delete),
 * value (u32). Results: both lookups, the operation's result, the lookup after it.
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

INLINE __u32 best4(struct key4* key) {
  __u32* value = bpf_map_lookup_elem(&prefixes4, key);
  return value ? *value : 0xffffffff;
}

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

  RES(__u32, frame, 0) = best4(&key4);
  __u64* value6 = bpf_map_lookup_elem(&prefixes6, &key6);
  RES(__u64, frame, 8) = value6 ? *value6 : ~0ull;

  __u32 operation = ARG(__u32, frame, 20), value = ARG(__u32, frame, 24);
  if (operation == 1) {
    RES(__s32, frame, 16) = (__s32)bpf_map_update_elem(&prefixes4, &key4, &value, BPF_ANY);
  } else if (operation == 2) {
    RES(__s32, frame, 16) = (__s32)bpf_map_delete_elem(&prefixes4, &key4);
  }
  RES(__u32, frame, 20) = best4(&key4);
  return XDP_TX;
}

LICENSE("Apache-2.0");
