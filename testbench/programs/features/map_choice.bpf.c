/* SPDX-License-Identifier: Apache-2.0
 *
 * Maps that are not the same on every path: the argument chooses among a hash, a trie and an array, and
 * among the maps in an array and in a hash of maps.
 *
 * Arguments: u32 which; u32 key; u64 value; u32 which inner map at byte 16. Results: what was there
 * before and after an update of each.
 */
#include "feature.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8);
  __type(key, __u64);
  __type(value, __u64);
} table SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 8);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __u64);
  __type(value, __u64);
} trie SEC(".maps");

struct inner {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4);
  __type(key, __u32);
  __type(value, __u64);
};

struct inner first SEC(".maps"), second SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct inner);
} in_array SEC(".maps") = {.values = {[1] = &first, [2] = &second}};

struct {
  __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
  __uint(max_entries, 4);
  __type(key, __u32);
  __array(values, struct inner);
} in_hash SEC(".maps") = {.values = {[0] = &second, [3] = &first}};

INLINE __u64 value_in(void* map, const void* key) {
  __u64* value = bpf_map_lookup_elem(map, key);
  return value ? *value : ~0ull;
}

INLINE __s64 change_inner(void* outer, __u32 which, __u32 key, __u64 by) {
  void* map = bpf_map_lookup_elem(outer, &which);
  if (!map) {
    return -1000;
  }
  __u64* value = bpf_map_lookup_elem(map, &key);
  if (value) {
    *value += by;
    return (__s64)*value;
  }
  return bpf_map_update_elem(map, &key, &by, BPF_ANY);
}

SEC("xdp")
int map_choice(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 which = ARG(__u32, frame, 0);
  __u32 word = ARG(__u32, frame, 4);
  __u64 value = ARG(__u64, frame, 8), key = 32 | (__u64)word << 32;
  __u32 inner = ARG(__u32, frame, 16);

  void* map = which & 1 ? (void*)&trie : (void*)&table;
  RES(__u64, frame, 0) = value_in(map, &key);
  if (which & 2) {
    RES(__u64, frame, 8) = (__u64)bpf_map_update_elem(map, &key, &value, BPF_ANY);
  } else {
    RES(__u64, frame, 8) = (__u64)bpf_map_delete_elem(map, &key);
  }
  RES(__u64, frame, 16) = value_in(map, &key);
  RES(__u64, frame, 24) = (__u64)change_inner(which & 4 ? (void*)&in_hash : (void*)&in_array, inner, word & 7, value);
  return XDP_TX;
}

LICENSE("Apache-2.0");
