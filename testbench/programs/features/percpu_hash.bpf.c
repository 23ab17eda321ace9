/* SPDX-License-Identifier: Apache-2.0
 *
 * A per-CPU hash: packets and bytes per flow label, with a 12-byte key and a 12-byte value (rounded
 * to 16 in user space's view).
 *
 * Arguments: label (12 bytes); a last byte of 0xff deletes the entry. Results: the counters.
 */
#include "feature.h"

struct label {
  __u32 word[3];
};
struct counters {
  __u32 packets;
  __u32 bytes;
  __u32 last;
};

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(max_entries, 128);
  __type(key, struct label);
  __type(value, struct counters);
} labels SEC(".maps");

SEC("xdp")
int percpu_hash(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  struct label label = {{ARG(__u32, frame, 0), ARG(__u32, frame, 4), ARG(__u32, frame, 8)}};
  __u32 length = ctx->data_end - ctx->data;

  if (ARG(__u8, frame, ARGUMENT_BYTES - 1) == 0xff) {
    RES(__s32, frame, 0) = (__s32)bpf_map_delete_elem(&labels, &label);
    return XDP_TX;
  }
  struct counters* known = bpf_map_lookup_elem(&labels, &label);
  if (!known) {
    struct counters fresh = {.packets = 1, .bytes = length, .last = label.word[2]};
    RES(__s32, frame, 0) = (__s32)bpf_map_update_elem(&labels, &label, &fresh, BPF_NOEXIST);
    return XDP_DROP;
  }
  known->packets++;
  known->bytes += length;
  RES(__u32, frame, 4) = known->packets;
  RES(__u32, frame, 8) = known->bytes;
  return XDP_TX;
}

LICENSE("Apache-2.0");
