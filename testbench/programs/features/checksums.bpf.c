/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf_csum_diff over 0 to 512 bytes: adding, removing, replacing, with a seed; and the error for a
 * size that is no multiple of four.
 *
 * Arguments: seed (u32); from what follows them sums are built. Results: one word of 64 bits each,
 * not folded: a program that folds them gets the same checksum from any of the representations.
 */
#include "feature.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u8[512]);
} block SEC(".maps");

#define OUT(value) RES(__u64, frame, 8 * at++) = (__u64)(value)

INLINE __u64 fold(__s64 sum) {
  __u64 folded = (__u32)sum;
  folded = (folded & 0xffff) + (folded >> 16);
  return (folded & 0xffff) + (folded >> 16);
}

SEC("xdp")
int checksums(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  __u32 zero = 0;
  __u8* value = bpf_map_lookup_elem(&block, &zero);
  if (!frame || !value) {
    return XDP_PASS;
  }
  __u32 seed = ARG(__u32, frame, 0);
  void* bytes = frame->argument;
  int at = 0;

  OUT(bpf_csum_diff(0, 0, 0, 0, seed));
  OUT(bpf_csum_diff(0, 0, bytes, 4, 0));
  OUT(bpf_csum_diff(0, 0, bytes, 20, seed));
  OUT(bpf_csum_diff(0, 0, bytes, 40, seed));
  OUT(bpf_csum_diff(0, 0, bytes, 64, 0));
  OUT(bpf_csum_diff(bytes, 4, 0, 0, seed));
  OUT(bpf_csum_diff(bytes, 64, 0, 0, seed));
  OUT(bpf_csum_diff(bytes, 4, bytes + 4, 4, seed));
  OUT(bpf_csum_diff(bytes, 32, bytes + 32, 32, seed));
  OUT(bpf_csum_diff(bytes, 8, bytes + 8, 56, seed));
  OUT(bpf_csum_diff(bytes, 60, bytes + 4, 4, ~seed));
  OUT(bpf_csum_diff(bytes, 6, bytes + 8, 8, seed)); /* -EINVAL */
  OUT(bpf_csum_diff(0, 0, bytes, 3, 0));            /* -EINVAL */
  OUT(fold(bpf_csum_diff(0, 0, value, 512, seed)));
  OUT(fold(bpf_csum_diff(value, 256, value + 256, 256, seed)));
  __u64 stack[4] = {seed, ARG(__u64, frame, 8), ~0ull, ARG(__u64, frame, 16)};
  OUT(bpf_csum_diff(0, 0, stack, sizeof(stack), seed));
  OUT(bpf_csum_diff(bytes + 1, 8, bytes + 3, 16, seed)); /* odd addresses */
  __u64 sum = seed;
  for (int i = 0; i < 8; i++) {
    sum = fold(bpf_csum_diff(bytes + 4 * i, 4, bytes + 32 + 4 * i, 4, (__u32)sum));
  }
  OUT(sum);
  return XDP_TX;
}

LICENSE("Apache-2.0");
