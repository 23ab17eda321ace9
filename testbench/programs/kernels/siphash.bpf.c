/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 (J.-P. Aumasson, D. J. Bernstein, 2012) over the payload's 8-byte words. */
#include "kernel.h"

#define ROUND                                                   \
  v0 += v1, v1 = rotl64(v1, 13), v1 ^= v0, v0 = rotl64(v0, 32); \
  v2 += v3, v3 = rotl64(v3, 16), v3 ^= v2;                      \
  v0 += v3, v3 = rotl64(v3, 21), v3 ^= v0;                      \
  v2 += v1, v1 = rotl64(v1, 17), v1 ^= v2, v2 = rotl64(v2, 32);

typedef struct {
  __u64 word;
} __attribute__((packed, aligned(2))) word_at_2;

KERNEL(siphash, {
  __u64 v0 = 0x736f6d6570736575, v1 = 0x646f72616e646f6d, v2 = 0x6c7967656e657261, v3 = 0x7465646279746573;
  for (int i = 0; i < PAYLOAD_BYTES / 8; i++) {
    __u64 m = ((word_at_2*)(p + PAYLOAD_AT))[i].word;
    v3 ^= m;
    ROUND ROUND
    v0 ^= m;
  }
  v2 ^= 0xff;
  ROUND ROUND ROUND ROUND
  return verdict(v0 ^ v1 ^ v2 ^ v3);
})
