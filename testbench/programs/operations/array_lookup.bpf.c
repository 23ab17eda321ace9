/* SPDX-License-Identifier: Apache-2.0 */
/* Looks a random element of an array up and reads it. */
#include "operation.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1024);
  __type(key, __u32);
  __type(value, __u64[2]);
} elements SEC(".maps");

OPERATION(array_lookup, {
  __u32 key = random >> 22;
  __u64* value = bpf_map_lookup_elem(&elements, &key);
  if (value) {
    sum += value[0];
  }
})
