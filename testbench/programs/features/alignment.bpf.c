/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads and stores of 1, 2, 4 and 8 bytes at every alignment, in the packet, on the stack (aligned:
 * the verifier wants that) and in a map value.
 *
 * Arguments: any bytes. Results: sums over all offsets per width; then copies, shifted by 0 to 7.
 */
#include "feature.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u8[64]);
} bytes SEC(".maps");

#define EACH_OFFSET(body)                                           \
  _Pragma("clang loop unroll(full)") for (int i = 0; i < 16; i++) { \
    body                                                            \
  }

SEC("xdp")
int alignment(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  __u32 zero = 0;
  __u8* value = bpf_map_lookup_elem(&bytes, &zero);
  if (!frame || !value) {
    return XDP_PASS;
  }
  __u64 sum8 = 0, sum4 = 0, sum2 = 0, sum1 = 0;
  EACH_OFFSET(sum8 += ARG(__u64, frame, i);)
  EACH_OFFSET(sum4 += ARG(__u32, frame, i);)
  EACH_OFFSET(sum2 += ARG(__u16, frame, i);)
  EACH_OFFSET(sum1 += ARG(__u8, frame, i);)
  RES(__u64, frame, 0) = sum8;
  RES(__u64, frame, 8) = sum4;
  RES(__u64, frame, 16) = sum2;
  RES(__u64, frame, 24) = sum1;

  /* Stores that overlap the one before by all but i bytes, in the packet and in the map. */
  EACH_OFFSET(RES(__u64, frame, 32 + i) = ARG(__u64, frame, 15 - i);)
  EACH_OFFSET(RES(__u32, frame, 56 + i) = ARG(__u32, frame, 31 - i);)
  EACH_OFFSET(RES(__u16, frame, 80 + i) = ARG(__u16, frame, 47 - i);)
  EACH_OFFSET(AT(__u64, value, i) = ARG(__u64, frame, 16 + i);)
  EACH_OFFSET(AT(__u32, value, 24 + i) += (__u32)AT(__u64, value, 2 * i);)
  EACH_OFFSET(RES(__u16, frame, 104 + i) = AT(__u16, value, 20 + i);)

  __u64 stack[4] = {sum8, sum4, sum2, sum1};
  EACH_OFFSET(RES(__u8, frame, 128 + i) = AT(__u8, stack, 2 * i + 1);)
  EACH_OFFSET(RES(__u16, frame, 144 + i) = AT(__u16, stack, 2 * (15 - i));)
  return XDP_TX;
}

LICENSE("Apache-2.0");
