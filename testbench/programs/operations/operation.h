/* SPDX-License-Identifier: Apache-2.0
 *
 * A map operation, 64 times a packet, so that the packet does not count. Keys come in an order without a pattern.
 */
#pragma once

#include "../kernels/kernel.h"

enum { OPERATIONS = 64 };

static volatile __u32 seed_of_run = 1; /* the next packet goes on with other keys */

/* The body sees `random`, 32 bits of which the upper ones are good, and `sum`. */
#define OPERATION(name, ...)                         \
  SEC("xdp")                                         \
  int name(struct xdp_md* ctx) {                     \
    __u32 random = seed_of_run;                      \
    __u64 sum = 0;                                   \
    for (int i = 0; i < OPERATIONS; i++) {           \
      random = random * 1664525 + 1013904223;        \
      __VA_ARGS__                                    \
    }                                                \
    seed_of_run = random;                            \
    return verdict(sum);                             \
  }                                                  \
  LICENSE("GPL");
