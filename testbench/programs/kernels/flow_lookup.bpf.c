/* SPDX-License-Identifier: Apache-2.0 */
/* Counts packets and bytes of the packet's flow: a five-tuple hash lookup and two additions. */
#include "kernel.h"

struct flow {
  __u32 source, destination;
  __u16 source_port, destination_port;
  __u32 protocol;
};
struct count {
  __u64 packets, bytes;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct flow);
  __type(value, struct count);
} flows SEC(".maps");

INLINE __u32 word_at(const unsigned char* at) {
  return *(__u16*)at | (__u32) * (__u16*)(at + 2) << 16;
}

KERNEL(flow_lookup, {
  struct flow flow = {word_at(p + 26), word_at(p + 30), *(__u16*)(p + 34), *(__u16*)(p + 36), p[23]};
  struct count* count = bpf_map_lookup_elem(&flows, &flow);
  if (count) {
    count->packets++;
    count->bytes += FRAME_BYTES;
  } else {
    struct count first = {1, FRAME_BYTES};
    bpf_map_update_elem(&flows, &flow, &first, BPF_NOEXIST);
  }
  return XDP_DROP;
})
