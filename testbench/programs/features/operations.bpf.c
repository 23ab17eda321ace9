/* SPDX-License-Identifier: Apache-2.0
 *
 * Sixteen operations a frame, on maps of every kind that a NIC holds, small enough to fill up and run empty;
 * on the frame's bytes; and records for user space.
 *
 * Arguments: sixteen times u8 operation, u8 key, u16 number. Results: sixteen u64, what each operation gave.
 */
#include "feature.h"

enum { OPERATIONS = 16, BIG = 96 };

struct big {
  __u8 bytes[BIG];
};

struct route {
  __u32 length;
  __u8 data[4];
};

#define MAP(name, kind, entries, key_type, value_type) \
  struct {                                             \
    __uint(type, BPF_MAP_TYPE_##kind);                 \
    __uint(max_entries, entries);                      \
    __type(key, key_type);                             \
    __type(value, value_type);                         \
  } name SEC(".maps")

#define KEYLESS(name, kind, entries, value_type) \
  struct {                                       \
    __uint(type, BPF_MAP_TYPE_##kind);           \
    __uint(max_entries, entries);                \
    __type(value, value_type);                   \
  } name SEC(".maps")

MAP(array, ARRAY, 8, __u32, __u64);
MAP(counters, PERCPU_ARRAY, 8, __u32, __u64);
MAP(hash, HASH, 12, __u32, __u64);
MAP(percpu, PERCPU_HASH, 12, __u32, __u64);
MAP(lru, LRU_HASH, 1024, __u32, __u64);
KEYLESS(queue, QUEUE, 6, __u64);
KEYLESS(stack, STACK, 6, __u32);
KEYLESS(bigs, QUEUE, 3, struct big);
KEYLESS(filter, BLOOM_FILTER, 4096, __u64);

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, 12);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct route);
  __type(value, __u64);
} routes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4096);
} ring SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u32);
} listeners SEC(".maps");

INLINE __u64 value_or(__u64* value, __u64 other) { return value ? *value : other; }

static NOINLINE __u64 keyed(__u32 operation, __u32 key, __u64 number) {
  struct route route = {.length = number % 34, .data = {10, key & 3, key, 0}};
  __u32 few = key & 15;
  __u64* value;
  switch (operation) {
    case 0:
      return value_or(bpf_map_lookup_elem(&hash, &few), -1ull);
    case 1:
      return bpf_map_update_elem(&hash, &few, &number, number & 3);
    case 2:
      return bpf_map_delete_elem(&hash, &few);
    case 3:
      return bpf_map_update_elem(&percpu, &few, &number, BPF_ANY);
    case 4:
      return value_or(bpf_map_lookup_elem(&percpu, &few), -1ull);
    case 5:
      return bpf_map_update_elem(&lru, &key, &number, BPF_ANY);
    case 6:
      return value_or(bpf_map_lookup_elem(&lru, &key), -1ull);
    case 7:
      return bpf_map_update_elem(&routes, &route, &number, BPF_ANY);
    case 8:
      route.length = 32;
      return value_or(bpf_map_lookup_elem(&routes, &route), -1ull);
    case 9:
      return bpf_map_delete_elem(&routes, &route);
    case 10:
      value = bpf_map_lookup_elem(&array, &few);
      return value ? (*value += number) : -1ull;
    case 11:
      value = bpf_map_lookup_elem(&counters, &few);
      return value ? (*value += number) : -1ull;
    default:
      return bpf_map_delete_elem(&percpu, &few);
  }
}

static NOINLINE __u64 keyless(__u32 operation, __u32 key, __u64 number) {
  struct big big = {};
  __u64 value = number;
  __u32 half = number;
  __u64 flags = key & 3 ? 0 : number & 3;
  long got;
  switch (operation) {
    case 16:
      return bpf_map_push_elem(&queue, &value, flags);
    case 17:
      got = bpf_map_pop_elem(&queue, &value);
      return value + (__u64)got;
    case 18:
      got = bpf_map_peek_elem(&queue, &value);
      return value + (__u64)got;
    case 19:
      return bpf_map_push_elem(&stack, &half, flags);
    case 20:
      got = bpf_map_pop_elem(&stack, &half);
      return half + (__u64)got;
    case 21:
      got = bpf_map_peek_elem(&stack, &half);
      return half + (__u64)got;
    case 22:
      big.bytes[0] = key;
      big.bytes[BIG - 1] = number;
      return bpf_map_push_elem(&bigs, &big, BPF_EXIST);
    case 23:
      got = bpf_map_pop_elem(&bigs, &big);
      return ((__u64)big.bytes[0] << 8 | big.bytes[BIG - 1]) + (__u64)got;
    case 24:
      value = key;
      return bpf_map_push_elem(&filter, &value, 0);
    default:
      value = key;
      return bpf_map_peek_elem(&filter, &value);
  }
}

struct record {
  __u64 number;
  __u8 key;
  __u8 rest[191];
};

static NOINLINE __u64 records(struct xdp_md* ctx, __u32 operation, __u32 key, __u64 number) {
  struct record record = {.number = number, .key = key};
  struct record* place;
  __u64 size = 1 + (number & 127);
  switch (operation) {
    case 32:
      return bpf_ringbuf_output(&ring, &record, 16, 0);
    case 33:
      return bpf_ringbuf_output(&ring, &record, size, number & 7);
    case 34:
      place = bpf_ringbuf_reserve(&ring, sizeof(*place), 0);
      if (!place) {
        return -1;
      }
      place->number = number;
      place->key = key;
      __builtin_memset(place->rest, key, sizeof(place->rest));
      if (key & 1) {
        bpf_ringbuf_discard(place, 0);
      } else {
        bpf_ringbuf_submit(place, 0);
      }
      return 0;
    case 35:
      place = bpf_ringbuf_reserve(&ring, 1500, key == 77);
      if (!place) {
        return -1;
      }
      bpf_ringbuf_discard(place, 0);
      return 0;
    case 36:
      return bpf_perf_event_output(ctx, &listeners, BPF_F_CURRENT_CPU, &record, 20);
    case 37:
      return bpf_perf_event_output(ctx, &listeners, BPF_F_CURRENT_CPU | (number & 0x1ff) << 32, &record, size);
    default:
      return bpf_perf_event_output(ctx, &listeners, (key & 64) + 1 + (number & 0x80) * (1ull << 50), &record, 8);
  }
}

static NOINLINE __u64 bytes(struct xdp_md* ctx, __u32 operation, __u32 key, __u64 number) {
  __u8 some[80] = {};
  long got;
  switch (operation) {
    case 48:
      got = bpf_xdp_load_bytes(ctx, number & 0x1ff, some, 16);
      return *(__u64*)(some + 8) ^ (__u64)got;
    case 49:
      got = bpf_xdp_load_bytes(ctx, number, some, 1 + (key & 63));
      return some[key & 63] + (__u64)got;
    case 50:
      some[1] = number;
      return bpf_xdp_store_bytes(ctx, 14 + 64 + 128 + (key & 31), some, 7);
    case 51:
      some[40] = number;
      return bpf_xdp_store_bytes(ctx, 14 + 64 + 128 + (number & 7), some, 1 + (key & 63));
    default:
      return bpf_xdp_get_buff_len(ctx);
  }
}

SEC("xdp")
int operations(struct xdp_md* ctx) {
  struct feature_frame* frame = feature_frame(ctx);
  if (!frame) {
    return XDP_PASS;
  }
  for (__u32 i = 0; i < OPERATIONS; i++) {
    __u32 operation = ARG(__u8, frame, 4 * i), key = ARG(__u8, frame, 4 * i + 1);
    __u64 number = ARG(__u16, frame, 4 * i + 2), result;
    if (operation < 16) {
      result = keyed(operation, key, number);
    } else if (operation < 32) {
      result = keyless(operation, key, number);
    } else if (operation < 48) {
      result = records(ctx, operation, key, number);
    } else {
      result = bytes(ctx, operation, key, number);
    }
    frame = feature_frame(ctx);
    if (!frame) {
      return XDP_ABORTED;
    }
    RES(__u64, frame, 8 * i) = result;
  }
  return XDP_TX;
}

LICENSE("GPL");
