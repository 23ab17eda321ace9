/* SPDX-License-Identifier: Apache-2.0
 *
 * redirect_map: counts every frame and sends it out of port 0 of a device map, addresses exchanged.
 *
 * What it does is that of xdp_redirect_map in the Linux kernel's samples/bpf.
 */
#include "net.h"

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 100);
  __type(key, __u32);
  __type(value, __u32);
} ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} received SEC(".maps");

SEC("xdp")
int redirect_map(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  void* data = PACKET(ctx->data);

  if (data + sizeof(struct eth_header) > data_end) {
    return XDP_DROP;
  }
  count(&received, 0);
  swap_macs(data);
  return bpf_redirect_map(&ports, 0, 0);
}

LICENSE("Apache-2.0");
