/* SPDX-License-Identifier: Apache-2.0
 *
 * Callbacks: bpf_loop inside bpf_loop, one that ends early, bpf_for_each_map_elem over an array that the callback
 * changes. What they found is in the frame's last bytes.
 */
#include "../programs/features/feature.h"

static long (*const bpf_loop)(__u32 rounds, void* function, void* context, __u64 flags) = (void*)181;
static long (*const bpf_for_each_map_elem)(void* map, void* function, void* context, __u64 flags) = (void*)164;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 5);
  __type(key, __u32);
  __type(value, __u64);
} cells SEC(".maps");

struct sums {
  __u64 total;
  __u64 rounds;
  __u64 limit;
};

static long add_inner(__u32 i, struct sums* sums) {
  sums->total += i * 3 + 1;
  return 0;
}

static long add_outer(__u32 i, struct sums* sums) {
  ++sums->rounds;
  bpf_loop(i & 3, add_inner, sums, 0);
  return sums->rounds >= sums->limit;
}

static long visit(void* map, const __u32* key, __u64* value, struct sums* sums) {
  *value += *key + 1;
  sums->total += *value;
  return *key >= sums->limit;
}

SEC("xdp")
int callbacks(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  struct sums sums = {0, 0, ARG(__u8, frame, 0)};
  long first = bpf_loop(ARG(__u8, frame, 1), add_outer, &sums, 0);
  long refused = bpf_loop(3, add_outer, &sums, 1);
  long too_many = bpf_loop(0x800001, add_outer, &sums, 0);
  long visited = bpf_for_each_map_elem(&cells, visit, &sums, 0);
  long flags = bpf_for_each_map_elem(&cells, visit, &sums, 7);
  RES(__u64, frame, 0) = first;
  RES(__u64, frame, 8) = refused;
  RES(__u64, frame, 16) = too_many;
  RES(__u64, frame, 24) = visited;
  RES(__u64, frame, 32) = flags;
  RES(__u64, frame, 40) = sums.total;
  RES(__u64, frame, 48) = sums.rounds;
  return XDP_TX;
}

LICENSE("GPL");
