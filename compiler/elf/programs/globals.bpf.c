// SPDX-License-Identifier: Apache-2.0
//
// Global data of every kind, and a section that is no map.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct config {
  __u32 limit;
  __u8 name[12];
};

const volatile struct config settings = {.limit = 1500, .name = "eth0"};
static volatile const __u64 table[4] = {1, 10, 100, 1000};
__u64 packets = 7;
static volatile __u32 drops = 3;
__u64 totals[32];
static volatile __u16 hidden_zero[5];
__u32 tuned SEC(".data.tuned") = 42;
const volatile __u32 fixed SEC(".rodata.fixed") = 43;

struct {
  __u32 priority;
} run_config SEC(".xdp_run_config") = {.priority = 5};

SEC("xdp")
int use_globals(struct xdp_md *ctx) {
  __u32 length = ctx->data_end - ctx->data;
  packets++;
  drops += 2;
  totals[ctx->rx_queue_index & 31] += length;
  hidden_zero[3]++;
  tuned += fixed;
  if (length > settings.limit) {
    return XDP_DROP;
  }
  bpf_printk("length %d", length);
  return table[length & 3] > 10 ? XDP_TX : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
