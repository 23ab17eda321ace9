/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration and counters in global variables. */
#include "kernel.h"

const volatile __u32 watched_port = 9;
__u64 packets, bytes, watched, longest;

KERNEL(globals, {
  __u64 length = (long)PACKET(ctx->data_end) - (long)PACKET(ctx->data);
  packets++;
  bytes += length;
  if (HTONS(*(__u16*)(p + 36)) == watched_port)
    watched++;
  if (length > longest)
    longest = length;
  return XDP_DROP;
})
