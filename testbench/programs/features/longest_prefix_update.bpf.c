/* SPDX-License-Identifier: Apache-2.0
 *
 * A trie that the program itself changes: inserts with every flag, replacements, deletes of what is
 * there and of what is not, more prefixes than it may hold, a length beyond the key's.
 *
 * Arguments: prefix length (u32), address (4 bytes), operation (u32: 0 look up, 1 insert, 2
 * delete), value (u32), flags (u64). Results: the lookup before, the operation's result, the lookup
 * after it.
 */
#include "feature.h"

struct key {
  __u32 length;
  __u32 address;
};

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 32);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct key);
  __type(value, __u32);
} prefixes SEC(".maps");

INLINE __u32 best(const struct key* key) {
  __u32* value = bpf_map_lookup_elem(&prefixes, key);
  return value ? *value : 0xffffffff;
}

SEC("xdp")
int longest_prefix_update(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  struct key key = {.length = ARG(__u32, frame, 0), .address = ARG(__u32, frame, 4)};
  __u32 operation = ARG(__u32, frame, 8), value = ARG(__u32, frame, 12);
  __u64 flags = ARG(__u64, frame, 16);

  RES(__u32, frame, 0) = best(&key);
  if (operation == 1) {
    RES(__s32, frame, 4) = (__s32)bpf_map_update_elem(&prefixes, &key, &value, flags);
  } else if (operation == 2) {
    RES(__s32, frame, 4) = (__s32)bpf_map_delete_elem(&prefixes, &key);
  }
  RES(__u32, frame, 8) = best(&key);
  return XDP_TX;
}

LICENSE("Apache-2.0");
