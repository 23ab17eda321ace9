/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the longest prefix of random addresses, among 64 of 12 to 27 bits. */
#include "operation.h"

struct prefix {
  __u32 bits, address;
};
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 128);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct prefix);
  __type(value, __u64);
} routes SEC(".maps");

static volatile __u32 prepared;

static NOINLINE int prepare(void) {
  for (__u32 i = 0; i < 64; i++) {
    struct prefix route = {12 + (i & 15), HTONL(10u << 24 | i << 18 | i << 7)};
    __u64 to = i;
    bpf_map_update_elem(&routes, &route, &to, BPF_ANY);
  }
  prepared = 1;
  return 0;
}

OPERATION(prefix_lookup, {
  struct prefix address = {32, HTONL(10u << 24 | random >> 8)};
  if (i == 0 && !prepared) {
    prepare();
  }
  __u64* to = bpf_map_lookup_elem(&routes, &address);
  if (to) {
    sum += *to;
  }
})
