// SPDX-License-Identifier: Apache-2.0
//
// Maps whose values are of every kind of type, for what `kiln map` and bpftool print of them.
#include "bpf.h"

typedef _Bool bool_t;
enum color { RED, GREEN = 5, BLUE = -1 };
struct inner {
  char name[8];
  __u8 mac[6];
};
struct everything {
  __s32 number;
  __u64 big;
  enum color color;
  bool_t flag;
  char letter;
  struct inner inner;
  __u32 bits3 : 3;
  __u32 bits13 : 13;
  __u64 bits40 : 40;
  union {
    __u32 word;
    __u16 halves[2];
  };
  __s16 shorts[3];
  void* address;
  __s32 matrix[2][2];
  __s8 small;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __type(key, __u32);
  __type(value, struct everything);
  __uint(max_entries, 8);
} things SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __type(key, __u32);
  __type(value, struct inner);
  __uint(max_entries, 2);
} names SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(key_size, 20);
  __uint(value_size, 6);
  __uint(max_entries, 2);
} raw SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(key_size, 4);
  __uint(value_size, 8);
  __uint(max_entries, 4);
} small SEC(".maps");

struct {
  __uint(type, 22);  // BPF_MAP_TYPE_QUEUE
  __uint(value_size, 4);
  __uint(max_entries, 2);
} queue SEC(".maps");

struct {
  __uint(type, 23);  // BPF_MAP_TYPE_STACK
  __uint(value_size, 4);
  __uint(max_entries, 2);
} stack SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(key_size, 8);
  __uint(value_size, 4);
  __uint(max_entries, 4);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} routes SEC(".maps");

static void* (*const lookup)(void* map, const void* key) = (void*)1;

SEC("xdp")
int map_types(struct xdp_md* ctx) {
  char key[20] = {};
  __u32 index = 0;
  lookup(&things, &index);
  lookup(&names, &index);
  lookup(&raw, key);
  lookup(&small, &index);
  lookup(&routes, key);
  return XDP_PASS;
}

LICENSE("GPL");
