/* SPDX-License-Identifier: Apache-2.0
 *
 * bpf_redirect and bpf_redirect_map with their return values: good and bad flags, a key without
 * device with every fallback verdict, a device map keyed by hash, two calls of which the last
 * counts.
 *
 * Arguments: key (u32), fallback (u32), which (u32). Results: what the helpers returned. The
 * verdict is the last of them.
 */
#include "feature.h"

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u32);
} ports SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
  __uint(max_entries, 8);
  __type(key, __u32);
  __type(value, __u32);
} named_ports SEC(".maps");

#define OUT(value) RES(__u32, frame, 4 * at++) = (__u32)(value)

SEC("xdp")
int redirects(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u32 key = ARG(__u32, frame, 0), fallback = ARG(__u32, frame, 4);
  __u32 which = ARG(__u32, frame, 8);
  int at = 0;
  long verdict = XDP_DROP;
  OUT(bpf_redirect(1, 1)); /* no flag is defined: aborted */
  OUT(bpf_redirect_map(&ports, key, 0x100));
  if (which == 0) {
    verdict = bpf_redirect_map(&ports, key, fallback & 3);
  } else if (which == 1) {
    verdict = bpf_redirect_map(&named_ports, key, fallback & 3);
  } else {
    OUT(bpf_redirect_map(&ports, 0, 0));
    verdict = bpf_redirect(1, 0);
  }
  OUT(verdict);
  return (int)verdict;
}

LICENSE("Apache-2.0");
