// SPDX-License-Identifier: Apache-2.0
//
// Typical mistakes, one program each, for the explanations that `kiln verify` gives. None may be accepted.
#include "bpf.h"

struct counter {
  __u64 packets;
  __u32 slots[16];
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, __u32);
  __type(value, struct counter);
  __uint(max_entries, 8);
} counters SEC(".maps");

struct headers {
  __u8 mac[12];
  __u16 type;
  __u8 payload[20];
};

SEC("xdp")
int short_check(struct xdp_md* ctx) {
  struct headers* h = PACKET(ctx->data);
  void* end = PACKET(ctx->data_end);
  if ((void*)&h->payload[0] > end) {
    return XDP_DROP;
  }
  return h->payload[9] == 6 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int no_null_check(struct xdp_md* ctx) {
  __u32 key = ctx->rx_queue_index;
  struct counter* c = bpf_map_lookup_elem(&counters, &key);
  c->packets++;
  return XDP_PASS;
}

SEC("xdp")
int index_too_large(struct xdp_md* ctx) {
  __u32 key = 0, i = ctx->rx_queue_index;
  struct counter* c = bpf_map_lookup_elem(&counters, &key);
  if (!c || i > 16) {
    return XDP_PASS;
  }
  c->slots[i] = 1;
  return XDP_PASS;
}

SEC("xdp")
int index_unbounded(struct xdp_md* ctx) {
  __u32 key = 0, i = ctx->rx_queue_index;
  struct counter* c = bpf_map_lookup_elem(&counters, &key);
  if (c) {
    c->slots[i] = 1;
  }
  return XDP_PASS;
}

SEC("xdp")
int index_signed(struct xdp_md* ctx) {
  __u32 key = 0;
  long i = (int)ctx->rx_queue_index;
  struct counter* c = bpf_map_lookup_elem(&counters, &key);
  if (c && i < 16) {
    c->slots[i] = 1;
  }
  return XDP_PASS;
}

SEC("xdp")
int stale_pointer(struct xdp_md* ctx) {
  __u8* data = PACKET(ctx->data);
  if (data + 14 > (__u8*)PACKET(ctx->data_end) || bpf_xdp_adjust_head(ctx, -8)) {
    return XDP_DROP;
  }
  data[0] = 1;
  return XDP_TX;
}

SEC("xdp")
int writes_context(struct xdp_md* ctx) {
  ctx->rx_queue_index = 3;
  return XDP_PASS;
}

SEC("xdp")
int endless_loop(struct xdp_md* ctx) {
  volatile __u32 n = ctx->rx_queue_index;
  while (n != 77) {
  }
  return XDP_PASS;
}

SEC("xdp")
int variable_header(struct xdp_md* ctx) {
  __u8* data = PACKET(ctx->data);
  __u8* end = PACKET(ctx->data_end);
  if (data + 20 > end) {
    return XDP_DROP;
  }
  __u8* next = data + (data[0] & 15) * 4;
  return next[2] == 1 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int lost_in_call(struct xdp_md* ctx) {
  register __u64 r0 asm("r0");
  asm volatile("r2 = 5; call 7; r0 = r2" : "=r"(r0) : "r"(ctx) : "r1", "r2", "r3", "r4", "r5");
  return (int)r0;
}

SEC("xdp")
int stack_overrun(struct xdp_md* ctx) {
  __u64 words[4] = {1, 2, 3, 4};
  __u32 i = ctx->rx_queue_index & 127;
  asm volatile("" ::"r"(words) : "memory");
  return ((volatile __u64*)words)[i] == 3 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int wrong_argument(struct xdp_md* ctx) {
  return bpf_xdp_adjust_tail((void*)&counters, (int)ctx->rx_queue_index) == 0 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int tested_elsewhere(struct xdp_md* ctx) {
  volatile __u8* data = PACKET(ctx->data);
  volatile __u8* option = 0;
  if (data + 20 > (__u8*)PACKET(ctx->data_end)) {
    return XDP_DROP;
  }
  if (data[0] == 4) {
    option = data + 19;
  }
  return data[0] == 4 && option[0] == 1 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int remainder_as_index(struct xdp_md* ctx) {
  __u32 key = 0;
  __u64* values = bpf_map_lookup_elem(&counters, &key);
  if (values) {
    values[ctx->rx_queue_index % 9]++;
  }
  return XDP_PASS;
}

SEC("xdp")
int maybe_empty(struct xdp_md* ctx) {
  __u8 bytes[64] = {0};
  bpf_xdp_load_bytes(ctx, 0, bytes, ctx->rx_queue_index & 63);
  return bytes[0] == 1 ? XDP_PASS : XDP_DROP;
}

LICENSE("Apache-2.0");
