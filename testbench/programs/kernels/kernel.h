/* SPDX-License-Identifier: Apache-2.0
 *
 * What the kernels in this folder share: the shape of a measured program, and its packet.
 *
 * A kernel is one XDP program that does one thing and drops the frame. Frames are UDP in IPv4, 1,514 bytes, from
 * make_frames.py; a program that writes to the frame writes what leads it the same way again.
 */
#pragma once

#include "../bpf.h"

enum { FRAME_BYTES = 1514, PAYLOAD_AT = 42, PAYLOAD_BYTES = 1472 };

/* The body sees `p`, the frame, all FRAME_BYTES of which may be accessed. */
#define KERNEL(name, ...)                                           \
  SEC("xdp")                                                        \
  int name(struct xdp_md* ctx) {                                    \
    unsigned char* p = PACKET(ctx->data);                           \
    if (p + FRAME_BYTES > (unsigned char*)PACKET(ctx->data_end))    \
      return XDP_ABORTED;                                           \
    __VA_ARGS__                                                     \
  }                                                                 \
  LICENSE("GPL");

/* Nothing that depends on the result is thrown away. */
INLINE int verdict(__u64 result) {
  return result == 0x5eed ? XDP_PASS : XDP_DROP;
}

INLINE __u64 rotl64(__u64 x, int by) {
  return x << by | x >> (64 - by);
}
