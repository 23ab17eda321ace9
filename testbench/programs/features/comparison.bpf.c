/* SPDX-License-Identifier: Apache-2.0
 *
 * Every comparison, 64 and 32 bits wide, against a register and against constants. Built twice: for
 * the oldest instruction set and with JMP32 (comparison_v3).
 *
 * Arguments: a, b (u64 each). Results: three words, one bit per comparison that holds.
 */
#include "feature.h"

/* The asm keeps clang from turning the branch into arithmetic. */
#define BIT(condition)               \
  do {                               \
    if (condition) {                 \
      bits |= 1ull << at;            \
      asm volatile("" : "+r"(bits)); \
    }                                \
    at++;                            \
  } while (0)

#define ALL(unsigned_type, signed_type, x, y)      \
  do {                                             \
    BIT((unsigned_type)(x) == (unsigned_type)(y)); \
    BIT((unsigned_type)(x) != (unsigned_type)(y)); \
    BIT((unsigned_type)(x) < (unsigned_type)(y));  \
    BIT((unsigned_type)(x) <= (unsigned_type)(y)); \
    BIT((unsigned_type)(x) > (unsigned_type)(y));  \
    BIT((unsigned_type)(x) >= (unsigned_type)(y)); \
    BIT((signed_type)(x) < (signed_type)(y));      \
    BIT((signed_type)(x) <= (signed_type)(y));     \
    BIT((signed_type)(x) > (signed_type)(y));      \
    BIT((signed_type)(x) >= (signed_type)(y));     \
    BIT((unsigned_type)(x) & (unsigned_type)(y));  \
  } while (0)

SEC("xdp")
int comparison(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u64 a = ARG(__u64, frame, 0), b = ARG(__u64, frame, 8);
  __u64 bits = 0;
  int at = 0;
  ALL(__u64, __s64, a, b);
  ALL(__u32, __s32, a, b);
  RES(__u64, frame, 0) = bits;
  bits = at = 0;
  ALL(__u64, __s64, a, 0x7fffffff);
  ALL(__u64, __s64, a, -2ll);
  ALL(__u32, __s32, b, 0x7fffffff);
  ALL(__u32, __s32, b, -2);
  RES(__u64, frame, 8) = bits;
  bits = at = 0;
  ALL(__u64, __s64, b, 0);
  ALL(__u64, __s64, b, 1);
  ALL(__u32, __s32, a, 0);
  ALL(__u32, __s32, a, 0x80);
  RES(__u64, frame, 16) = bits;
  return XDP_TX;
}

LICENSE("Apache-2.0");
