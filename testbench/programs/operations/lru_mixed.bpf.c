/* SPDX-License-Identifier: Apache-2.0 */
/* An LRU map as a cache: keys are looked up, a third is not there and replaces an older one. */
#include "operation.h"

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, __u64[2]);
} elements SEC(".maps");

OPERATION(lru_mixed, {
  __u64 key = (random >> 12) % 1536;
  __u64* value = bpf_map_lookup_elem(&elements, &key);
  if (value) {
    sum += value[0];
  } else {
    __u64 fresh[2] = {key};
    bpf_map_update_elem(&elements, &key, fresh, BPF_ANY);
  }
})
