/* SPDX-License-Identifier: Apache-2.0
 *
 * Classic BPF's packet loads that count from the network header or the link-layer header, in a socket filter, whose
 * data begins at the first, and in a traffic class, whose data begins at the second.
 */
#include "../programs/net.h"

struct __sk_buff;
__u64 load_byte(void* skb, __u64 offset) __asm__("llvm.bpf.load.byte");
__u64 load_half(void* skb, __u64 offset) __asm__("llvm.bpf.load.half");
__u64 load_word(void* skb, __u64 offset) __asm__("llvm.bpf.load.word");

enum { NETWORK = -0x100000, LINK = -0x200000, SPECIAL = -0x1000 };

static inline __attribute__((always_inline)) __u32 from_headers(struct __sk_buff* skb) {
  __u32 sum = load_word(skb, NETWORK + 12) ^ load_half(skb, LINK + 12) << 8;
  return sum + load_byte(skb, LINK + load_byte(skb, NETWORK + 9) % 14) + load_half(skb, 0);
}

SEC("socket")
int filter_headers(struct __sk_buff* skb) { return from_headers(skb); }

SEC("tc")
int class_headers(struct __sk_buff* skb) { return from_headers(skb); }

SEC("socket")
int behind_the_end(struct __sk_buff* skb) { return load_word(skb, NETWORK + 1600) | 1; }

SEC("socket")
int before_all_headers(struct __sk_buff* skb) { return load_byte(skb, LINK - 1) | 1; }

SEC("socket")
int no_special_values(struct __sk_buff* skb) { return load_word(skb, SPECIAL + 4) | 1; }

LICENSE("GPL");
