/* SPDX-License-Identifier: Apache-2.0
 *
 * Loops that stay loops: a sum over the whole frame with a bound from its length, a walk over
 * type-length-value options, a bitwise CRC in two nested loops, a search that leaves early.
 *
 * Arguments: options of {u8 type, u8 length, bytes}, type 0 ends. Results: sum, options, CRC,
 * index.
 */
#include "feature.h"

#pragma clang diagnostic ignored "-Wpass-failed"

/* Global, so verified on its own: each turn teaches the verifier a longer packet, and whatever followed would be
 * walked for each length. */
__attribute__((noinline)) __u32 frame_sum(struct xdp_md* ctx) {
  void* data_end = PACKET(ctx->data_end);
  __u32 sum = 0;
  __u16* word = PACKET(ctx->data);
#pragma clang loop unroll(disable)
  for (int i = 0; i < 1760; i++) {
    if ((void*)(word + 1) > data_end) {
      break;
    }
    sum += *word++;
  }
  return sum;
}

/* On a copy on the stack, so that the offsets are variable offsets from R10. */
INLINE __u32 walk_options(const __u8* area, __u32* bytes) {
  __u8 copy[ARGUMENT_BYTES + 8] = {};
  __u32 at = 0, found = 0;
  __builtin_memcpy(copy, area, ARGUMENT_BYTES);
#pragma clang loop unroll(disable)
  for (int i = 0; i < 16; i++) {
    if (at > ARGUMENT_BYTES - 2) {
      break;
    }
    __u32 masked = at;
    asm volatile("" : "+r"(masked)); /* or clang drops the mask that the verifier asks for */
    const volatile __u8* option = copy + (masked & (ARGUMENT_BYTES - 1));
    if (option[0] == 0) {
      break;
    }
    found |= 1u << (option[0] & 31);
    *bytes += option[1];
    at += 2 + (option[1] & 15);
  }
  return found;
}

INLINE __u32 crc32(const __u8* area, int size) {
  __u32 crc = 0xffffffff;
#pragma clang loop unroll(disable)
  for (int i = 0; i < size; i++) {
    crc ^= area[i];
#pragma clang loop unroll(disable)
    for (int bit = 0; bit < 8; bit++) {
      crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return ~crc;
}

SEC("xdp")
int loops(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 bytes = 0;
  RES(__u32, frame, 0) = frame_sum(ctx);
  RES(__u32, frame, 4) = walk_options(frame->argument, &bytes);
  RES(__u32, frame, 8) = bytes;
  RES(__u32, frame, 12) = crc32(frame->argument, 16);
  int where = -1;
#pragma clang loop unroll(disable)
  for (int i = 0; i < ARGUMENT_BYTES; i++) {
    if (frame->argument[i] == 0xee) {
      where = i;
      break;
    }
  }
  RES(__s32, frame, 16) = where;
  return where < 0 ? XDP_DROP : XDP_TX;
}

LICENSE("Apache-2.0");
