/* SPDX-License-Identifier: Apache-2.0
 *
 * Instructions of Linux beyond RFC 9669: loads that acquire and stores that release, of every width, on map values
 * and the stack; and loops that may_goto ends, should they not end by themselves. Written as bytes: older compilers
 * know neither.
 *
 * Arguments: u64 at 0, a pattern; u32 at 8, rounds. Results: what was loaded, and sums.
 */
#include "feature.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64[4]);
} cells SEC(".maps");

/* r0 = load_acquire(r1); store_release(r1, r2). Low half of the word: opcode, registers; high: the operation. */
#define LOAD(opcode, at)                                        \
  ({                                                            \
    register __u64 result asm("r0");                            \
    register const void* from asm("r1") = (at);                 \
    asm volatile(".8byte " #opcode : "=r"(result) : "r"(from) : "memory"); \
    result;                                                     \
  })
#define STORE(opcode, at, value)                                \
  ({                                                            \
    register void* to asm("r1") = (at);                         \
    register __u64 what asm("r2") = (value);                    \
    asm volatile(".8byte " #opcode : : "r"(to), "r"(what) : "memory"); \
  })
#define LOAD8(at) LOAD(0x00000100000010d3, at)
#define LOAD16(at) LOAD(0x00000100000010cb, at)
#define LOAD32(at) LOAD(0x00000100000010c3, at)
#define LOAD64(at) LOAD(0x00000100000010db, at)
#define STORE8(at, value) STORE(0x00000110000021d3, at, value)
#define STORE16(at, value) STORE(0x00000110000021cb, at, value)
#define STORE32(at, value) STORE(0x00000110000021c3, at, value)
#define STORE64(at, value) STORE(0x00000110000021db, at, value)

/* Leaves the loop it is in once that has gone round too often. */
#define MAY_LEAVE                                                                      \
  ({                                                                                   \
    __label__ leave, stay;                                                             \
    asm volatile goto("1: .byte 0xe5; .byte 0; .long ((%l[leave] - 1b - 8) / 8) & 0xffff; .short 0" \
                      : : : : leave);                                                  \
    goto stay;                                                                         \
  leave:                                                                               \
    break;                                                                             \
  stay:;                                                                               \
  })

static NOINLINE __u64 rounds(__u32 count, __u64 pattern) {
  __u64 sum = 1;
  for (__u32 i = 0; i < count; i++) {
    sum = sum * 7 + (pattern ^ i);
    MAY_LEAVE;
  }
  return sum;
}

SEC("xdp")
int ordered(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  __u32 zero = 0;
  if (!frame) {
    return XDP_PASS;
  }
  __u64 pattern = ARG(__u64, frame, 0), local = pattern * 3;
  __u32 count = ARG(__u32, frame, 8);
  __u64* cell = bpf_map_lookup_elem(&cells, &zero);
  if (!cell) {
    return XDP_ABORTED;
  }
  STORE64(cell, pattern);
  STORE32(&cell[1], pattern);
  STORE16((void*)cell + 14, pattern >> 5);
  STORE8((void*)cell + 17, pattern);
  RES(__u64, frame, 0) = LOAD64(cell);
  RES(__u64, frame, 8) = LOAD32((void*)cell + 4);
  RES(__u64, frame, 16) = LOAD16((void*)cell + 2);
  RES(__u64, frame, 24) = LOAD8((void*)cell + 7);
  STORE32(&local, pattern >> 16);
  RES(__u64, frame, 32) = LOAD64(&local);
  RES(__u64, frame, 40) = rounds(count & 0xffff, pattern) + rounds(count & 7, pattern);
  return XDP_TX;
}

LICENSE("Apache-2.0");
