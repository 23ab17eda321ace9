/* SPDX-License-Identifier: Apache-2.0 */
/* Translates the destination to what a table has for source and port, and sets the checksum right. The table's key is
 * not what is rewritten, so that a frame that was translated is so again. */
#include "kernel.h"

struct inside {
  __u32 address;
  __u16 port, unused;
};
struct target {
  __u32 address;
  __u16 port, unused;
  __u64 packets;
};
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 1024);
  __type(key, struct inside);
  __type(value, struct target);
} translations SEC(".maps");

INLINE __u32 word_at(const unsigned char* at) {
  return *(__u16*)at | (__u32) * (__u16*)(at + 2) << 16;
}

KERNEL(nat, {
  struct inside key = {word_at(p + 26), *(__u16*)(p + 34), 0};
  struct target* target = bpf_map_lookup_elem(&translations, &key);
  if (!target) {
    struct target made = {0x0100000a, HTONS(8080), 0, 1};
    bpf_map_update_elem(&translations, &key, &made, BPF_NOEXIST);
    return XDP_DROP;
  }
  __u32 old = word_at(p + 30), now = target->address;
  __u64 sum = (__u16) ~*(__u16*)(p + 24);
  sum += (__u16)~old + (__u64)(__u16)(~old >> 16) + (__u16)now + (now >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  *(__u16*)(p + 24) = ~sum;
  *(__u16*)(p + 30) = now;
  *(__u16*)(p + 32) = now >> 16;
  *(__u16*)(p + 36) = target->port;
  *(__u16*)(p + 40) = 0;
  target->packets++;
  return XDP_DROP;
})
