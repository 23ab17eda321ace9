/* SPDX-License-Identifier: Apache-2.0
 *
 * A traffic-class program: IPv4 gets another destination with its checksums kept right, a mark, a VLAN tag and a
 * record in a ring buffer and for a perf event; other packets are counted and shot.
 */
#include "../programs/net.h"

struct __sk_buff {
  __u32 len, pkt_type, mark, queue_mapping, protocol, vlan_present, vlan_tci, vlan_proto, priority, ingress_ifindex,
      ifindex, tc_index, cb[5], hash, tc_classid, data, data_end;
};

static long (*const bpf_skb_store_bytes)(void* skb, __u32 offset, const void* from, __u32 len, __u64 flags) = (void*)9;
static long (*const bpf_l3_csum_replace)(void* skb, __u32 offset, __u64 from, __u64 to, __u64 flags) = (void*)10;
static long (*const bpf_skb_vlan_push)(void* skb, __u16 proto, __u16 tci) = (void*)18;
static long (*const bpf_skb_load_bytes)(const void* skb, __u32 offset, void* to, __u32 len) = (void*)26;

struct {
  __uint(type, 27); /* BPF_MAP_TYPE_RINGBUF */
  __uint(max_entries, 4096);
} records SEC(".maps");

struct {
  __uint(type, 4); /* BPF_MAP_TYPE_PERF_EVENT_ARRAY */
  __uint(key_size, 4);
  __uint(value_size, 4);
  __uint(max_entries, 64);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} shot SEC(".maps");

enum { TC_ACT_OK = 0, TC_ACT_SHOT = 2, DESTINATION = 30, CHECKSUM = 24 };

SEC("tc")
int classifier(struct __sk_buff* skb) {
  __u32 zero = 0, old = 0, now = HTONL(0x0a090807);
  if (skb->protocol != HTONS(0x0800)) {
    __u64* count = bpf_map_lookup_elem(&shot, &zero);
    if (count) {
      ++*count;
    }
    return TC_ACT_SHOT;
  }
  struct {
    __u32 len, address;
    __u64 results;
  } record = {skb->len, 0, 0};
  record.results = bpf_skb_load_bytes(skb, DESTINATION, &old, sizeof(old));
  record.address = old;
  record.results = record.results * 31 + bpf_l3_csum_replace(skb, CHECKSUM, old, now, sizeof(now));
  record.results = record.results * 31 + bpf_skb_store_bytes(skb, DESTINATION, &now, sizeof(now), 0);
  record.results = record.results * 31 + bpf_skb_vlan_push(skb, HTONS(0x8100), 7);
  record.results = record.results * 31 + bpf_skb_vlan_push(skb, HTONS(0x8100), 8); /* the first goes into the packet */
  bpf_ringbuf_output(&records, &record, sizeof(record), 0);
  skb->cb[1] = bpf_perf_event_output(skb, &events, 0xffffffff | 20ull << 32, &record, sizeof(record));
  skb->mark = skb->vlan_tci + 100;
  skb->priority = skb->pkt_type;
  skb->cb[0] = skb->len;
  return TC_ACT_OK;
}

LICENSE("GPL");
