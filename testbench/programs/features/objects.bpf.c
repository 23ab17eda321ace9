/* SPDX-License-Identifier: Apache-2.0
 *
 * Objects that a program allocates: several at a time, used, given back.
 *
 * Arguments: u64 at 0 and 8. Results: what was kept in them.
 */
#include "kfunc.h"

struct pair {
  __u64 a;
  __u64 b;
};

struct list {
  struct pair pair;
  __u32 numbers[10];
};

#define NEW(type) ((type*)bpf_obj_new_impl(__builtin_btf_type_id(*(type*)0, 0), 0))

static NOINLINE __u64 keep(__u64 a, __u64 b) {
  struct list* list = NEW(struct list);
  __u64 sum = 0;
  if (!list) {
    return 1;
  }
  list->pair.a = a;
  list->pair.b = b;
  for (__u32 i = 0; i < 10; i++) {
    list->numbers[i] = a + i;
  }
  struct pair* pair = NEW(struct pair);
  if (pair) {
    pair->a = list->pair.b;
    pair->b = list->pair.a + list->numbers[7];
    sum = pair->a * 3 + pair->b;
    bpf_obj_drop_impl(pair, 0);
  }
  sum += list->numbers[9];
  bpf_obj_drop_impl(list, 0);
  return sum;
}

SEC("xdp")
int objects(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u64 a = ARG(__u64, frame, 0), b = ARG(__u64, frame, 8);
  RES(__u64, frame, 0) = keep(a, b);
  RES(__u64, frame, 8) = keep(b, a) + keep(a, a);
  return XDP_TX;
}

LICENSE_FOR_KFUNCS;
