/* SPDX-License-Identifier: Apache-2.0
 *
 * Every unsigned operator and shift, 64 and 32 bits wide, with operands from the packet. Built
 * twice: for the oldest instruction set (32-bit work on 64-bit registers) and with ALU32
 * (arithmetic_v3).
 *
 * Arguments: a, b (u64 each). Results: 24 words of 64 bits.
 */
#include "feature.h"

#define OUT(value) RES(__u64, frame, 8 * at++) = (value)

SEC("xdp")
int arithmetic(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u64 a = ARG(__u64, frame, 0), b = ARG(__u64, frame, 8);
  __u32 c = (__u32)a, d = (__u32)b;
  int at = 0;

  OUT(a + b);
  OUT(a - b);
  OUT(a * b);
  OUT(b ? a / b : ~0ull);
  OUT(b ? a % b : a);
  OUT((a & b) | ((a ^ b) << 1));
  OUT(a << (b & 63));
  OUT(a >> (b & 63));
  OUT((__u64)((__s64)a >> (b & 63)));
  OUT(-a);
  OUT(c + d);
  OUT(c - d);
  OUT(c * d);
  OUT(d ? c / d : ~0u);
  OUT(d ? c % d : c);
  OUT((c | d) ^ (c & d));
  OUT(c << (d & 31));
  OUT(c >> (d & 31));
  OUT((__u32)((__s32)c >> (d & 31)));
  OUT((__u32)-c);
  OUT(__builtin_bswap64(a) + __builtin_bswap32(c) + __builtin_bswap16((__u16)a));
  OUT((__u64)(__s64)(__s8)a + (__u64)(__s64)(__s16)b + (__u64)(__s64)(__s32)c);
  OUT(a * 0x9e3779b97f4a7c15ull + b / 10 + a % 1000003);
  OUT((c << 7 | c >> 25) + (a << 13 | a >> 51));
  return XDP_TX;
}

LICENSE("Apache-2.0");
