/* SPDX-License-Identifier: Apache-2.0 */
/* Full LRU maps of all kinds: common lists and those of each processor, one value and one per processor, sizes that
 * are no multiple of what a processor takes at once. What is in them in the end says what they threw out. */
#include "operation.h"

#define CACHE(name, kind, entries, how)  \
  struct {                               \
    __uint(type, kind);                  \
    __uint(max_entries, entries);        \
    __uint(map_flags, how);              \
    __type(key, __u32);                  \
    __type(value, __u64);                \
  } name SEC(".maps")

CACHE(common, BPF_MAP_TYPE_LRU_HASH, 777, 0);
CACHE(tiny, BPF_MAP_TYPE_LRU_HASH, 3, 0);
CACHE(own_lists, BPF_MAP_TYPE_LRU_HASH, 301, BPF_F_NO_COMMON_LRU);
CACHE(values, BPF_MAP_TYPE_LRU_PERCPU_HASH, 250, 0);

INLINE __u64 use(void* map, __u32 key, __u32 how) {
  __u64* value = bpf_map_lookup_elem(map, &key);
  __u64 fresh = key;
  if (how % 16 == 0) {
    return bpf_map_delete_elem(map, &key);
  }
  if (value && how % 4 != 0) {
    return (*value)++;
  }
  return bpf_map_update_elem(map, &key, &fresh, how % 8 == 5 ? BPF_NOEXIST : BPF_ANY);
}

OPERATION(lru_kinds, {
  __u32 how = random >> 8;
  sum += use(&common, (random >> 12) % 1100, how);
  sum += use(&tiny, (random >> 12) % 5, how);
  sum += use(&own_lists, (random >> 12) % 260, how);
  sum += use(&values, (random >> 12) % 400, how);
})
