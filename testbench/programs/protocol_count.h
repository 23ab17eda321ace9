/* SPDX-License-Identifier: Apache-2.0
 *
 * The part that xdp1 and xdp2 share: find the IP protocol of a frame and count it.
 */
#pragma once

#include "net.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 256);
  __type(key, __u32);
  __type(value, __u64);
} protocol_packets SEC(".maps");

INLINE __u32 ip_protocol(void* data, void* data_end, __u16 type, __u64 offset) {
  if (type == HTONS(ETHERTYPE_IPV4)) {
    struct ipv4_header* ip = data + offset;
    return (void*)(ip + 1) > data_end ? 0 : ip->protocol;
  }
  if (type == HTONS(ETHERTYPE_IPV6)) {
    struct ipv6_header* ip = data + offset;
    return (void*)(ip + 1) > data_end ? 0 : ip->next_header;
  }
  return 0;
}

/* Returns the protocol that was counted, or -1 for a frame that ends inside its Ethernet header or
 * VLAN tags: those are not counted. */
INLINE int count_protocol(void* data, void* data_end) {
  struct eth_header* eth = data;
  __u64 offset = sizeof(*eth);

  if (data + offset > data_end) {
    return -1;
  }
  int type = skip_vlan_tags(data, data_end, eth->type, &offset);
  if (type < 0) {
    return -1;
  }
  __u32 protocol = ip_protocol(data, data_end, (__u16)type, offset);
  count(&protocol_packets, protocol);
  return (int)protocol;
}
