/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program can see and can't compute: clock, random numbers, processor, interface, queue.
 *
 * Engines with the same environment must agree; the kernel has its own clock and dice, so that
 * there only the verdict and the length can be compared. Results: one field each.
 */
#include "feature.h"

SEC("xdp")
int environment(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u64 first = bpf_ktime_get_ns();
  RES(__u64, frame, 0) = first;
  RES(__u32, frame, 8) = bpf_get_prandom_u32();
  RES(__u32, frame, 12) = bpf_get_prandom_u32();
  RES(__u32, frame, 16) = bpf_get_smp_processor_id();
  RES(__u32, frame, 20) = ctx->ingress_ifindex;
  RES(__u32, frame, 24) = ctx->rx_queue_index;
  RES(__u32, frame, 28) = ctx->data_end - ctx->data;
  RES(__u32, frame, 32) = bpf_ktime_get_ns() >= first;
  RES(__u64, frame, 40) = bpf_ktime_get_boot_ns();
  RES(__u64, frame, 48) = bpf_ktime_get_coarse_ns();
  RES(__u64, frame, 56) = bpf_jiffies64();
  return XDP_TX;
}

LICENSE("Apache-2.0");
