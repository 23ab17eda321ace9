/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations of the kernel's that programs implement: their arguments, what they may write, which one it is.
 */
#include "verdict.h"

#define NAKED __attribute__((naked))

LICENSE("GPL");

struct tcp_sock {
  __u32 snd_cwnd;
  __u32 snd_una;
  __u32 snd_ssthresh;
} RELOCATED;

// accept
SEC("struct_ops") int window_of_half(unsigned long long* ctx) {
  struct tcp_sock* tp = (struct tcp_sock*)ctx[0];
  tp->snd_ssthresh = tp->snd_cwnd / 2;
  return (int)tp->snd_ssthresh;
}

// reject no write support to tcp_sock at off
SEC("struct_ops") int window_moved(unsigned long long* ctx) {
  ((struct tcp_sock*)ctx[0])->snd_una = 0;
  return 0;
}

// reject invalid bpf_context access off=8 size=8
SEC("struct_ops") int second_argument(unsigned long long* ctx) { return (int)ctx[1]; }

// accept
SEC("struct_ops") NAKED int nothing_returned(unsigned long long* ctx) { __asm__ volatile("exit"); }

struct tcp_congestion_ops {
  void* ssthresh;
  void* undo_cwnd;
  void* init;
  void* release;
};
SEC(".struct_ops") struct tcp_congestion_ops congestion = {
    .ssthresh = window_of_half, .undo_cwnd = window_moved, .init = second_argument, .release = nothing_returned};
