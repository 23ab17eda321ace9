/* SPDX-License-Identifier: Apache-2.0 */
/* 64 rules, one after another from an array; none matches. */
#include "kernel.h"

struct rule {
  __u32 address, mask;
  __u32 verdict, hits;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, struct rule);
} rules SEC(".maps");

KERNEL(rule_scan, {
  __u32 source = *(__u16*)(p + 26) | (__u32) * (__u16*)(p + 28) << 16;
  for (__u32 i = 0; i < 64; i++) {
    __u32 key = i;
    struct rule* rule = bpf_map_lookup_elem(&rules, &key);
    if (!rule)
      break;
    if ((source & ~rule->mask) == rule->address) {
      rule->hits++;
      return rule->verdict;
    }
  }
  return XDP_DROP;
})
