/* SPDX-License-Identifier: Apache-2.0
 *
 * Update and delete, with every flag, on maps that are empty, hold the key, or are full: the
 * helpers' error numbers.
 *
 * Arguments: key (u32), value (u64), flags (u64). Results: per map lookup before, update, lookup,
 * delete, delete again. The maps keep their state: the capture fills the small hash to its limit.
 */
#include "feature.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
} small_hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} hash SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u64);
} array SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u64);
} percpu_array SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64);
} lru SEC(".maps");

#define OUT(value) RES(__s32, frame, 4 * at++) = (__s32)(value)

INLINE __s32 seen(void* map, __u32 key) {
  __u64* value = bpf_map_lookup_elem(map, &key);
  return value ? (__s32)*value : -1;
}

SEC("xdp")
int map_errors(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 key = ARG(__u32, frame, 0);
  __u64 value = ARG(__u64, frame, 8), flags = ARG(__u64, frame, 16);
  int at = 0;

  OUT(seen(&small_hash, key));
  OUT(bpf_map_update_elem(&small_hash, &key, &value, flags)); /* stays */
  OUT(seen(&small_hash, key));

  OUT(seen(&hash, key));
  OUT(bpf_map_update_elem(&hash, &key, &value, flags));
  OUT(seen(&hash, key));
  if (value & 1) {
    OUT(bpf_map_delete_elem(&hash, &key));
    OUT(bpf_map_delete_elem(&hash, &key));
  } else {
    OUT(0);
    OUT(0);
  }

  OUT(seen(&array, key));
  OUT(bpf_map_update_elem(&array, &key, &value, flags));
  OUT(seen(&array, key));
  OUT(bpf_map_delete_elem(&array, &key));

  OUT(seen(&percpu_array, key));
  OUT(bpf_map_update_elem(&percpu_array, &key, &value, flags));
  OUT(seen(&percpu_array, key));
  OUT(bpf_map_delete_elem(&percpu_array, &key));

  OUT(seen(&lru, key));
  OUT(bpf_map_update_elem(&lru, &key, &value, flags));
  OUT(seen(&lru, key));
  OUT(value & 2 ? bpf_map_delete_elem(&lru, &key) : 0);
  return XDP_TX;
}

LICENSE("Apache-2.0");
