/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame that the feature programs work on: arguments come in it, results leave in it.
 *
 * EtherType 0x88b5 (IEEE 802, local experiments), 64 bytes of arguments, 192 bytes of results. Each
 * program states what its arguments mean. So one capture compares every engine, byte for byte.
 */
#pragma once

#include "../net.h"

enum { ETHERTYPE_FEATURE = 0x88b5, ARGUMENT_BYTES = 64, RESULT_BYTES = 192 };

struct feature_frame {
  struct eth_header eth;
  __u8 argument[ARGUMENT_BYTES];
  __u8 result[RESULT_BYTES];
};

/* The frame, or NULL if it is another kind or shorter. */
INLINE struct feature_frame* feature_frame(struct xdp_md* ctx) {
  struct feature_frame* frame = PACKET(ctx->data);
  if ((void*)(frame + 1) > PACKET(ctx->data_end)) {
    return 0;
  }
  return frame->eth.type == HTONS(ETHERTYPE_FEATURE) ? frame : 0;
}

/* Accesses at any byte offset, as one instruction: clang would split one to a packed field. */
#define AT(type, base, offset) (*(volatile type*)((void*)(base) + (offset)))
#define ARG(type, frame, offset) AT(type, (frame)->argument, offset)
#define RES(type, frame, offset) AT(type, (frame)->result, offset)
