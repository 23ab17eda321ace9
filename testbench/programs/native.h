/* SPDX-License-Identifier: Apache-2.0
 *
 * The helpers for programs that are compiled for the host instead of for BPF: look-ups in arrays and hash tables in line, by
 * maps/README.md, all other helpers by a call of the function that the JIT calls.
 *
 * Only for measuring what is left to gain over the JIT (jit/native.cc). Included by bpf.h with KILN_NATIVE. The first word of
 * a map variable is set to its struct native_map when the program is loaded. Whose type is not known (void*) is an array.
 */
#pragma once

/* What the loader fills in; jit/native.cc has the same. Addresses of the host. */
struct native_map {
  void* view;
  char *entries, *buckets;
  __u32 bucket_mask, entry_stride, value_offset, max_entries;
};
typedef __u64 (*native_function)(__u64, __u64, __u64, __u64, __u64, void*);
struct native_host {
  void* machine;
  native_function lookup, update, erase, redirect_map; /* these take native_map::view */
  native_function helpers[256];
};
struct native_host kiln_native __attribute__((used, visibility("protected")));

/* Measured and subtracted. */
int kiln_native_empty(struct xdp_md* ctx);
__attribute__((used, visibility("protected"))) int kiln_native_empty(struct xdp_md* ctx) {
  (void)ctx;
  return 1;
}

struct native_array {
  int (*type)[BPF_MAP_TYPE_ARRAY];
  __u32* key;
};
#define NATIVE_MAP(map) _Generic((map), void*: (struct native_array*)0, default: (map))
#define NATIVE_TYPE(map) (sizeof(*NATIVE_MAP(map)->type) / sizeof(int))
#define NATIVE_KEY(map) sizeof(*NATIVE_MAP(map)->key)
#define NATIVE_VIEW(map) ((__u64)(*(struct native_map**)(map))->view)

INLINE void* native_find(const struct native_map* map, const void* key, __u32 size) {
  __u64 words[8] = {};
  __builtin_memcpy(words, key, size);
  __u64 hash = 0xffffffff;
  for (__u32 i = 0; i < (size + 7) / 8; i++)
    hash = __builtin_ia32_crc32di(hash, words[i]);
  __u32 link = ((__u32*)map->buckets)[(__u32)hash & map->bucket_mask];
  while (link) {
    char* entry = map->entries + (__u64)(link - 1) * map->entry_stride;
    __u64 differs = 0;
    for (__u32 i = 0; i < (size + 7) / 8; i++)
      differs |= ((__u64*)(entry + 8))[i] ^ words[i];
    if (!differs)
      return entry + map->value_offset;
    link = *(__u32*)entry & 0x3fffffff;
  }
  return 0;
}

INLINE void* native_lookup(void* variable, const void* key, __u32 type, __u32 key_size) {
  const struct native_map* map = *(struct native_map**)variable;
  if (type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY) {
    __u32 index = *(const __u32*)key;
    return index < map->max_entries ? map->entries + (__u64)index * map->entry_stride : 0;
  }
  if (type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_PERCPU_HASH)
    return native_find(map, key, key_size);
  if (type == BPF_MAP_TYPE_LRU_HASH) {
    char* value = native_find(map, key, key_size);
    if (value) {
      __u32* state = (__u32*)(value - map->value_offset);
      if (!(*state & 1u << 31))
        __atomic_fetch_or(state, 1u << 31, __ATOMIC_RELAXED);
    }
    return value;
  }
  return (void*)kiln_native.lookup((__u64)map->view, (__u64)key, 0, 0, 0, kiln_native.machine);
}

#define NATIVE_CALL(number, a, b, c, d, e) \
  kiln_native.helpers[number]((__u64)(a), (__u64)(b), (__u64)(c), (__u64)(d), (__u64)(e), kiln_native.machine)

#define bpf_map_lookup_elem(map, key) native_lookup(map, key, NATIVE_TYPE(map), NATIVE_KEY(map))
#define bpf_map_update_elem(map, key, value, flags) \
  ((long)kiln_native.update(NATIVE_VIEW(map), (__u64)(key), (__u64)(value), flags, 0, kiln_native.machine))
#define bpf_map_delete_elem(map, key) ((long)kiln_native.erase(NATIVE_VIEW(map), (__u64)(key), 0, 0, 0, kiln_native.machine))
#define bpf_redirect_map(map, key, flags) \
  ((long)kiln_native.redirect_map(NATIVE_VIEW(map), key, flags, 0, 0, kiln_native.machine))
#define bpf_ktime_get_ns() NATIVE_CALL(5, 0, 0, 0, 0, 0)
#define bpf_get_prandom_u32() ((__u32)NATIVE_CALL(7, 0, 0, 0, 0, 0))
#define bpf_get_smp_processor_id() ((__u32)NATIVE_CALL(8, 0, 0, 0, 0, 0))
#define bpf_redirect(ifindex, flags) ((long)NATIVE_CALL(23, ifindex, flags, 0, 0, 0))
#define bpf_csum_diff(from, from_size, to, to_size, seed) ((__s64)NATIVE_CALL(28, from, from_size, to, to_size, seed))
#define bpf_xdp_adjust_head(ctx, delta) ((long)NATIVE_CALL(44, ctx, delta, 0, 0, 0))
#define bpf_xdp_adjust_meta(ctx, delta) ((long)NATIVE_CALL(54, ctx, delta, 0, 0, 0))
#define bpf_xdp_adjust_tail(ctx, delta) ((long)NATIVE_CALL(65, ctx, delta, 0, 0, 0))
