/* SPDX-License-Identifier: Apache-2.0 */
/* Fibonacci numbers, rotated on the way: additions and rotates that wait for one another. */
#include "kernel.h"

KERNEL(fibonacci, {
  __u64 a = p[PAYLOAD_AT], b = 1;
  for (int i = 0; i < 512; i++) {
    __u64 next = a + rotl64(b, 7);
    a = b;
    b = next;
  }
  return verdict(b);
})
