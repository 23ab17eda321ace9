/* SPDX-License-Identifier: Apache-2.0
 *
 * Global variables: constants the verifier knows (.rodata), a table looked up by a variable index,
 * initialised and zeroed data that keep their values from frame to frame.
 *
 * Arguments: index (u32), amount (u64). Results: table entry, totals, the ring of last amounts.
 */
#include "feature.h"

const volatile __u32 scale = 3;
const volatile __u32 is_verbose = 0;
static const __u32 table[16] = {1,      2,      4,      8,      0x10,    0x20,    0x40,    0x80,
                                0x1000, 0x2000, 0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000};
__u64 total = 1000000;
__u32 frames;
static __u64 ring[8];
static volatile __u8 bytes[5] = {9, 8, 7, 6, 5};

SEC("xdp")
int globals(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  if (is_verbose) { /* the verifier removes this */
    return XDP_ABORTED;
  }
  __u32 index = ARG(__u32, frame, 0);
  __u64 amount = ARG(__u64, frame, 8);

  total += amount * scale;
  frames++;
  ring[frames & 7] = amount;
  bytes[index & 3]++;
  RES(__u32, frame, 0) = table[index & 15];
  RES(__u64, frame, 8) = total;
  RES(__u32, frame, 16) = frames;
  for (int i = 0; i < 8; i++) {
    RES(__u64, frame, 24 + 8 * i) = ring[i];
  }
  RES(__u8, frame, 96) = bytes[0];
  RES(__u8, frame, 97) = bytes[4];
  return XDP_TX;
}

LICENSE("Apache-2.0");
