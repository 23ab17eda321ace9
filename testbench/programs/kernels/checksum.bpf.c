/* SPDX-License-Identifier: Apache-2.0 */
/* The Internet checksum of the payload, 16 bits at a time (RFC 1071). */
#include "kernel.h"

KERNEL(checksum, {
  __u64 sum = 0;
  for (int i = 0; i < PAYLOAD_BYTES / 2; i++)
    sum += ((__u16*)(p + PAYLOAD_AT))[i];
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return verdict((__u16)~sum);
})
