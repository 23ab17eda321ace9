/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel's functions about strings, on two of them that the frame brings.
 *
 * Arguments: up to 32 characters each at 0 and 32; a character and a count are the second string's first bytes.
 * Results: what each function returned, 4 bytes each.
 */
#include "kfunc.h"

struct texts {
  char a[40];
  char b[40];
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct texts);
} texts SEC(".maps");

SEC("xdp")
int strings(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  __u32 zero = 0;
  if (!frame) {
    return XDP_PASS;
  }
  struct texts* t = bpf_map_lookup_elem(&texts, &zero);
  if (!t) {
    return XDP_ABORTED;
  }
  __builtin_memcpy(t->a, frame->argument, 32);
  __builtin_memcpy(t->b, frame->argument + 32, 32);
  char c = t->b[0];
  __u64 count = t->b[1] & 63;
  RES(__u32, frame, 0) = bpf_strlen(t->a);
  RES(__u32, frame, 4) = bpf_strnlen(t->a, count);
  RES(__u32, frame, 8) = bpf_strcmp(t->a, t->b);
  RES(__u32, frame, 12) = bpf_strcasecmp(t->a, t->b);
  RES(__u32, frame, 16) = bpf_strchr(t->a, c);
  RES(__u32, frame, 20) = bpf_strchrnul(t->a, c);
  RES(__u32, frame, 24) = bpf_strnchr(t->a, count, c);
  RES(__u32, frame, 28) = bpf_strrchr(t->a, c);
  RES(__u32, frame, 32) = bpf_strspn(t->a, t->b);
  RES(__u32, frame, 36) = bpf_strcspn(t->a, t->b);
  RES(__u32, frame, 40) = bpf_strstr(t->a, t->b);
  RES(__u32, frame, 44) = bpf_strnstr(t->a, t->b, count);
  RES(__u32, frame, 48) = bpf_strnstr(t->a, t->b, bpf_strlen(t->a));
  RES(__u32, frame, 52) = bpf_strlen((const char*)0);
  RES(__u32, frame, 56) = bpf_strcmp(t->a, (const char*)0);
  RES(__u32, frame, 60) = bpf_strcmp(t->a, t->a);
  RES(__u32, frame, 64) = bpf_strrchr(t->a, c + 256);
  RES(__u32, frame, 68) = bpf_strnchr(t->a, ~0ull, c);
  return XDP_TX;
}

LICENSE_FOR_KFUNCS;
