/* SPDX-License-Identifier: Apache-2.0 */
/* Remainders of one number by many: 64-bit divisions by divisors that are known only when the program runs. */
#include "kernel.h"

KERNEL(modulo, {
  __u64 sum = 0, dividend = 0x123456789abcdef + p[PAYLOAD_AT];
  for (__u64 divisor = 3; divisor < 3 + 1536; divisor++)
    sum += dividend % divisor;
  return verdict(sum);
})
