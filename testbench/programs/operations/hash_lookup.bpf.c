/* SPDX-License-Identifier: Apache-2.0 */
/* Looks a random key of a hash up and reads its value; what is not there yet is put there. */
#include "operation.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, __u64);
  __type(value, __u64[2]);
} elements SEC(".maps");

OPERATION(hash_lookup, {
  __u64 key = random >> 22;
  __u64* value = bpf_map_lookup_elem(&elements, &key);
  if (value) {
    sum += value[0];
  } else {
    __u64 fresh[2] = {key};
    bpf_map_update_elem(&elements, &key, fresh, BPF_ANY);
  }
})
