/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a, 64 bits, over the payload: a byte load, xor and multiplication a round. */
#include "kernel.h"

KERNEL(fnv, {
  __u64 hash = 0xcbf29ce484222325;
  for (int i = 0; i < PAYLOAD_BYTES; i++)
    hash = (hash ^ p[PAYLOAD_AT + i]) * 0x100000001b3;
  return verdict(hash);
})
