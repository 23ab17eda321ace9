/* SPDX-License-Identifier: Apache-2.0
 *
 * The instructions of the fourth version of the instruction set: signed division and remainder,
 * sign-extending moves and loads, byte swap, the long jump.
 *
 * Written as encoded instructions on pinned registers, because clang has them only from release 18.
 * Arguments: a, b (u64 each). Results: 18 words of 64 bits.
 */
#include "feature.h"

/* One instruction, r1 op= r2: opcode, offset and immediate field. */
#define ENCODE(opcode, offset, immediate) \
  ((__u64)(opcode) | 0x21ull << 8 | (__u64)(__u16)(offset) << 16 | (__u64)(__u32)(immediate) << 32)
#define ALU(opcode, offset, immediate, x, y)                                                \
  ({                                                                                        \
    register __u64 r1 asm("r1") = (x);                                                      \
    register __u64 r2 asm("r2") = (y);                                                      \
    asm volatile(".8byte %2" : "+r"(r1) : "r"(r2), "i"(ENCODE(opcode, offset, immediate))); \
    r1;                                                                                     \
  })
/* r1 = *(signed type*)(r2 + offset) */
#define LOAD(opcode, offset, from)                                                             \
  ({                                                                                           \
    register __u64 r1 asm("r1");                                                               \
    register void* r2 asm("r2") = (from);                                                      \
    asm volatile(".8byte %2" : "=r"(r1) : "r"(r2), "i"(ENCODE(opcode, offset, 0)) : "memory"); \
    r1;                                                                                        \
  })
/* An immediate operand or an instruction without source register: src must be 0. */
#define ALU_NO_SOURCE(opcode, offset, immediate, x)                                             \
  ({                                                                                            \
    register __u64 r1 asm("r1") = (x);                                                          \
    asm volatile(".8byte %1" : "+r"(r1) : "i"(ENCODE(opcode, offset, immediate) & ~0xf000ull)); \
    r1;                                                                                         \
  })

#define OUT(value) RES(__u64, frame, 8 * at++) = (value)

SEC("xdp")
int signed_v4(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  __u64 a = ARG(__u64, frame, 0), b = ARG(__u64, frame, 8);
  int at = 0;
  OUT(ALU(0x3f, 1, 0, a, b));           /* r1 s/= r2; by zero: 0 */
  OUT(ALU(0x9f, 1, 0, a, b));           /* r1 s%= r2; by zero: r1 */
  OUT(ALU(0x3c, 1, 0, a, b));           /* w1 s/= w2 */
  OUT(ALU(0x9c, 1, 0, a, b));           /* w1 s%= w2 */
  OUT(ALU_NO_SOURCE(0x37, 1, -7, a));   /* r1 s/= -7 */
  OUT(ALU_NO_SOURCE(0x94, 1, 1000, a)); /* w1 s%= 1000 */
  OUT(ALU(0xbf, 8, 0, a, b));           /* r1 = (s8)r2 */
  OUT(ALU(0xbf, 16, 0, a, b));
  OUT(ALU(0xbf, 32, 0, a, b));
  OUT(ALU(0xbc, 8, 0, a, b)); /* w1 = (s8)w2 */
  OUT(ALU(0xbc, 16, 0, a, b));
  OUT(LOAD(0x91, 16, frame->argument)); /* r1 = *(s8*)(r2 + 16) */
  OUT(LOAD(0x89, 17, frame->argument));
  OUT(LOAD(0x81, 19, frame->argument));
  OUT(ALU_NO_SOURCE(0xd7, 0, 16, a)); /* r1 = bswap16 r1 */
  OUT(ALU_NO_SOURCE(0xd7, 0, 32, a));
  OUT(ALU_NO_SOURCE(0xd7, 0, 64, a));
  /* gotol +1 over an instruction that spoils the value, unless that is 42. */
  register __u64 r1 asm("r1") = a;
  asm volatile("if r1 == 42 goto +1; .8byte 0x0000000100000006; r1 = 7;" : "+r"(r1));
  OUT(r1);
  return XDP_TX;
}

LICENSE("Apache-2.0");
