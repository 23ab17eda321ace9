/* SPDX-License-Identifier: Apache-2.0 */
/* Jenkins' hash over the payload, twelve bytes a round: 32-bit arithmetic and rotates. */
#include "kernel.h"

#include "../jhash.h"

typedef struct {
  __u32 word;
} __attribute__((packed, aligned(2))) word_at_2;

KERNEL(jhash, {
  struct hash_state s = hash_start(PAYLOAD_BYTES / 4, 0);
  for (int i = 0; i < PAYLOAD_BYTES / 12; i++) {
    const word_at_2* word = (word_at_2*)(p + PAYLOAD_AT) + 3 * i;
    s.a += word[0].word;
    s.b += word[1].word;
    s.c += word[2].word;
    hash_mix(&s);
  }
  return verdict(hash_final(&s));
})
