/* SPDX-License-Identifier: Apache-2.0
 *
 * rxq_info: counts frames in all and per receive queue, then does what its configuration says.
 *
 * A frame from another interface than the configured one is counted as an issue and aborted.
 * What it does is that of xdp_rxq_info in the Linux kernel's samples/bpf.
 */
#include "net.h"

enum { QUEUES = 64 }; /* entry QUEUES counts the queues beyond */
enum { READ_FRAME = 1, SWAP_MACS = 2 };

struct config {
  __u32 action;
  __u32 ifindex;
  __u32 options;
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct config);
} config SEC(".maps");

struct statistics {
  __u64 processed;
  __u64 issues;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct statistics);
} all_queues SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, QUEUES + 1);
  __type(key, __u32);
  __type(value, struct statistics);
} per_queue SEC(".maps");

SEC("xdp")
int rxq_info(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);
  __u32 key = 0;

  struct statistics* all = bpf_map_lookup_elem(&all_queues, &key);
  if (!all) {
    return XDP_ABORTED;
  }
  all->processed++;

  struct config* settings = bpf_map_lookup_elem(&config, &key);
  if (!settings) {
    return XDP_ABORTED;
  }
  if (ctx->ingress_ifindex != settings->ifindex) {
    all->issues++;
    return XDP_ABORTED;
  }

  key = ctx->rx_queue_index;
  if (key >= QUEUES) {
    key = QUEUES;
  }
  struct statistics* queue = bpf_map_lookup_elem(&per_queue, &key);
  if (!queue) {
    return XDP_ABORTED;
  }
  queue->processed++;
  if (key == QUEUES) {
    queue->issues++;
  }

  __u32 options = settings->options;
  if (UNLIKELY(options & (READ_FRAME | SWAP_MACS))) {
    struct eth_header* eth = data;
    if ((void*)(eth + 1) > data_end) {
      return XDP_ABORTED;
    }
    if (NTOHS(eth->type) < ETHERTYPE_MIN) {
      return XDP_ABORTED;
    }
    if (options & SWAP_MACS) {
      swap_macs(data);
    }
  }
  return settings->action;
}

LICENSE("Apache-2.0");
