/* SPDX-License-Identifier: Apache-2.0
 *
 * Bob Jenkins' lookup3 hash over a few 32-bit words.
 *
 * Source: lookup3.c, 2006, public domain: mix, final, and the initial value 0xdeadbeef + length.
 * The results are those of the kernel's jhash_2words() and jhash2().
 */
#pragma once

#include "bpf.h"

struct hash_state {
  __u32 a, b, c;
};

INLINE __u32 rotate_left(__u32 x, int by) {
  return x << by | x >> (32 - by);
}

INLINE struct hash_state hash_start(__u32 words, __u32 seed) {
  __u32 initial = 0xdeadbeef + 4 * words + seed;
  return (struct hash_state){initial, initial, initial};
}

INLINE void hash_mix(struct hash_state* s) {
  s->a -= s->c, s->a ^= rotate_left(s->c, 4), s->c += s->b;
  s->b -= s->a, s->b ^= rotate_left(s->a, 6), s->a += s->c;
  s->c -= s->b, s->c ^= rotate_left(s->b, 8), s->b += s->a;
  s->a -= s->c, s->a ^= rotate_left(s->c, 16), s->c += s->b;
  s->b -= s->a, s->b ^= rotate_left(s->a, 19), s->a += s->c;
  s->c -= s->b, s->c ^= rotate_left(s->b, 4), s->b += s->a;
}

INLINE __u32 hash_final(struct hash_state* s) {
  s->c ^= s->b, s->c -= rotate_left(s->b, 14);
  s->a ^= s->c, s->a -= rotate_left(s->c, 11);
  s->b ^= s->a, s->b -= rotate_left(s->a, 25);
  s->c ^= s->b, s->c -= rotate_left(s->b, 16);
  s->a ^= s->c, s->a -= rotate_left(s->c, 4);
  s->b ^= s->a, s->b -= rotate_left(s->a, 14);
  s->c ^= s->b, s->c -= rotate_left(s->b, 24);
  return s->c;
}

INLINE __u32 hash_2_words(__u32 first, __u32 second, __u32 seed) {
  struct hash_state s = hash_start(2, seed);
  s.a += first;
  s.b += second;
  return hash_final(&s);
}

INLINE __u32 hash_4_words(const __u32* word, __u32 seed) {
  struct hash_state s = hash_start(4, seed);
  s.a += word[0];
  s.b += word[1];
  s.c += word[2];
  hash_mix(&s);
  s.a += word[3];
  return hash_final(&s);
}
