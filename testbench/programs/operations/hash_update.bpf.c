/* SPDX-License-Identifier: Apache-2.0 */
/* Updates a random key of a hash. */
#include "operation.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, __u64[2]);
} elements SEC(".maps");

OPERATION(hash_update, {
  __u64 key = random >> 22;
  __u64 value[2] = {key, random};
  sum += bpf_map_update_elem(&elements, &key, value, BPF_ANY);
})
