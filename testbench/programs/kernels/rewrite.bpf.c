/* SPDX-License-Identifier: Apache-2.0 */
/* Swaps addresses of all three layers in headers that the compiler takes for unaligned. */
#include "kernel.h"

typedef struct {
  unsigned char destination[6], source[6];
  __u16 type;
  unsigned char version, tos;
  __u16 length, id, fragment;
  unsigned char ttl, protocol;
  __u16 checksum;
  __u32 from, to;
  __u16 from_port, to_port;
} __attribute__((packed)) headers;

KERNEL(rewrite, {
  headers* h = (headers*)p;
  for (int i = 0; i < 6; i++) {
    unsigned char byte = h->destination[i];
    h->destination[i] = h->source[i];
    h->source[i] = byte;
  }
  __u32 address = h->from;
  h->from = h->to;
  h->to = address;
  __u16 port = h->from_port;
  h->from_port = h->to_port;
  h->to_port = port;
  return XDP_DROP;
})
