/* SPDX-License-Identifier: Apache-2.0
 *
 * BPF-to-BPF calls: static functions with five arguments, a chain of calls as deep as the verifier
 * allows (eight frames), values kept across calls, stack in several frames, a pointer to the
 * caller's stack, and global functions that the verifier checks by themselves.
 *
 * Arguments: a, b (u64 each). Results: what the functions returned.
 */
#include "feature.h"

static NOINLINE __u64 five(__u64 a, __u64 b, __u64 c, __u64 d, __u64 e) {
  return a + 3 * b + 5 * c + 7 * d + (e << 1);
}

static NOINLINE void minmax(__u64* low, __u64* high) {
  if (*low > *high) {
    __u64 swap = *low;
    *low = *high;
    *high = swap;
  }
}

/* A global function: called through its BTF signature, scalar in, scalar out. */
NOINLINE int parity(__u64 x) {
  x ^= x >> 32;
  x ^= x >> 16;
  x ^= x >> 8;
  x ^= x >> 4;
  x ^= x >> 2;
  x ^= x >> 1;
  return (int)(x & 1);
}

/* A global function of the context: checks the packet bounds for itself. */
NOINLINE int first_byte(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  return frame ? frame->argument[0] : -1;
}

/* Each level keeps 16 bytes on its stack across the call of the next. */
#define LEVEL(name, next)                \
  static NOINLINE __u64 name(__u64 x) {  \
    volatile __u64 kept[2] = {x, x * 3}; \
    __u64 below = next(x + 1);           \
    return below + kept[0] - kept[1];    \
  }
static NOINLINE __u64 level7(__u64 x) {
  return x * x;
}
LEVEL(level6, level7)
LEVEL(level5, level6)
LEVEL(level4, level5)
LEVEL(level3, level4)
LEVEL(level2, level3)
LEVEL(level1, level2)

SEC("xdp")
int subprograms(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u64 a = ARG(__u64, frame, 0), b = ARG(__u64, frame, 8);
  __u64 low = a, high = b;
  minmax(&low, &high);
  RES(__u64, frame, 0) = five(a, b, a ^ b, a & b, a | b);
  RES(__u64, frame, 8) = low;
  RES(__u64, frame, 16) = high;
  RES(__u64, frame, 24) = level1(a);
  RES(__u32, frame, 32) = (__u32)parity(a + b);
  int byte = first_byte(ctx);
  RES(__u32, frame, 36) = (__u32)byte;
  RES(__u64, frame, 40) = five(low, high, a, b, 0) + a;
  return byte & 1 ? XDP_TX : XDP_DROP;
}

LICENSE("Apache-2.0");
