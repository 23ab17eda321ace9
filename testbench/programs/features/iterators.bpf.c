/* SPDX-License-Identifier: Apache-2.0
 *
 * Open-coded iterators: numbers from a to b, also none, too many and backwards; one inside another; left early;
 * the bits of one word and of several.
 *
 * Arguments: s32 a, s32 b at 0 and 4, u64 words at 8, 16, 24, 32. Results: what new() said, sums, counts.
 */
#include "kfunc.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64[4]);
} words SEC(".maps");

static NOINLINE __u64 numbers(int a, int b, __u64* error) {
  struct bpf_iter_num outer;
  __u64 sum = 0;
  int* number;
  *error = (__u32)bpf_iter_num_new(&outer, a, b);
  while ((number = bpf_iter_num_next(&outer))) {
    struct bpf_iter_num inner;
    int* other;
    int from = *number;
    bpf_iter_num_new(&inner, 0, 3);
    while ((other = bpf_iter_num_next(&inner))) {
      sum = sum * 5 + (__u32)from + (__u32)*other;
    }
    bpf_iter_num_destroy(&inner);
    if ((sum & 0x1fff) == 0x1234) {
      break;
    }
  }
  bpf_iter_num_destroy(&outer);
  return sum;
}

static NOINLINE __u64 bits(const __u64* at, __u32 count, __u64* error) {
  struct bpf_iter_bits it;
  __u64 sum = 0;
  int* bit;
  *error = (__u32)bpf_iter_bits_new(&it, at, count);
  while ((bit = bpf_iter_bits_next(&it))) {
    sum = sum * 3 + (__u32)*bit;
  }
  bpf_iter_bits_destroy(&it);
  return sum;
}

SEC("xdp")
int iterators(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  __u32 zero = 0;
  if (!frame) {
    return XDP_PASS;
  }
  __u64* at = bpf_map_lookup_elem(&words, &zero);
  if (!at) {
    return XDP_ABORTED;
  }
  for (int i = 0; i < 4; i++) {
    at[i] = ARG(__u64, frame, 8 + 8 * i);
  }
  __u64 error[6] = {};
  __u64 sum = numbers(ARG(__s32, frame, 0), ARG(__s32, frame, 4), &error[0]);
  __u64 one = bits(at, 1, &error[1]), four = bits(at, 4, &error[2]), none = bits(at, 0, &error[3]);
  __u64 long_one = bits(at, 512, &error[4]), null = bits(0, 1, &error[5]);
  frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  RES(__u64, frame, 0) = sum;
  RES(__u64, frame, 8) = one;
  RES(__u64, frame, 16) = four;
  RES(__u64, frame, 24) = none + long_one + null;
  for (int i = 0; i < 6; i++) {
    RES(__u64, frame, 32 + 8 * i) = error[i];
  }
  return XDP_TX;
}

LICENSE_FOR_KFUNCS;
