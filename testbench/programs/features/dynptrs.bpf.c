/* SPDX-License-Identifier: Apache-2.0
 *
 * Dynptrs over the packet and over a map value: slices to read and to write, cut, cloned, copied, filled, at offsets
 * that fit and that do not.
 *
 * Arguments: u32 offset, start, end, size at 0, 4, 8, 12. Results: what the calls returned, in the map
 * first, because a packet's slices end where it is written.
 */
#include "kfunc.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, __u8[512]);
} memory SEC(".maps");

struct answers {
  __u64 of[16];
};

struct where {
  __u32 offset, start, end, size;
};

static NOINLINE int packet_part(struct xdp_md* ctx, struct answers* out, const struct where* at) {
  struct bpf_dynptr packet, part;
  __u8 buffer[8] = {};
  out->of[0] = (__u32)bpf_dynptr_from_xdp(ctx, 0, &packet);
  out->of[1] = bpf_dynptr_size(&packet) | (__u64)(__u8)bpf_dynptr_is_null(&packet) << 32 |
               (__u64)(__u8)bpf_dynptr_is_rdonly(&packet) << 40;
  __u64* read = bpf_dynptr_slice(&packet, at->offset, buffer, sizeof(buffer));
  out->of[2] = read ? *read : 1;
  out->of[3] = (__u32)bpf_dynptr_clone(&packet, &part);
  out->of[4] = (__u32)bpf_dynptr_adjust(&part, at->start, at->end);
  out->of[5] = bpf_dynptr_size(&part) | (__u64)bpf_dynptr_size(&packet) << 32;
  __u32* written = bpf_dynptr_slice_rdwr(&part, 4, 0, sizeof(*written));
  if (written) {
    *written ^= 0x5a5a5a5a;
  }
  out->of[6] = written != 0;
  return 0;
}

static NOINLINE int copies(struct xdp_md* ctx, struct answers* out, void* one, const struct where* at) {
  struct bpf_dynptr packet, local, wrong;
  bpf_dynptr_from_xdp(ctx, 0, &packet);
  out->of[7] = (__u32)bpf_dynptr_from_mem(one, 512, 0, &local);
  out->of[8] = (__u32)bpf_dynptr_copy(&local, at->offset, &packet, at->start, at->size);
  out->of[9] = (__u32)bpf_dynptr_copy(&packet, 100, &local, at->offset, at->size & 63);
  out->of[10] = (__u32)bpf_dynptr_memset(&local, at->start, at->size & 31, 0xab);
  out->of[11] = (__u32)bpf_dynptr_memset(&packet, 180 + (at->start & 7), at->size & 31, 0xcd);
  out->of[12] = (__u32)bpf_dynptr_from_xdp(ctx, 1, &wrong);
  out->of[13] = bpf_dynptr_size(&wrong) | (__u64)(__u8)bpf_dynptr_is_null(&wrong) << 32;
  out->of[14] = (__u32)bpf_dynptr_memset(&wrong, 0, 0, 1) | (__u64)(__u32)bpf_dynptr_adjust(&wrong, 0, 0) << 32;
  out->of[15] = (__u32)bpf_dynptr_copy(&local, 0, &local, at->offset & 15, at->size); /* overlapping */
  return 0;
}

SEC("xdp")
int dynptrs(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  __u32 zero = 0, first = 1;
  if (!frame) {
    return XDP_PASS;
  }
  void* one = bpf_map_lookup_elem(&memory, &zero);
  struct answers* out = bpf_map_lookup_elem(&memory, &first);
  if (!one || !out) {
    return XDP_ABORTED;
  }
  struct where at = {ARG(__u32, frame, 0), ARG(__u32, frame, 4), ARG(__u32, frame, 8), ARG(__u32, frame, 12)};
  packet_part(ctx, out, &at);
  copies(ctx, out, one, &at);
  frame = feature_frame(ctx);
  if (!frame) {
    return XDP_ABORTED;
  }
  for (int i = 0; i < 16; i++) {
    RES(__u64, frame, 8 * i) = out->of[i];
  }
  return XDP_TX;
}

LICENSE_FOR_KFUNCS;
