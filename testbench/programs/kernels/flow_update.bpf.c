/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the state of the packet's flow into a hash table, a new element each time. */
#include "kernel.h"

struct flow {
  __u32 source, destination;
  __u16 source_port, destination_port;
  __u32 protocol;
};
struct state {
  __u64 bytes;
  __u32 port, tag;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct flow);
  __type(value, struct state);
} flows SEC(".maps");

INLINE __u32 word_at(const unsigned char* at) {
  return *(__u16*)at | (__u32) * (__u16*)(at + 2) << 16;
}

KERNEL(flow_update, {
  struct flow flow = {word_at(p + 26), word_at(p + 30), *(__u16*)(p + 34), *(__u16*)(p + 36), p[23]};
  struct state state = {FRAME_BYTES, flow.source_port, 7};
  bpf_map_update_elem(&flows, &flow, &state, BPF_ANY);
  return XDP_DROP;
})
