/* SPDX-License-Identifier: Apache-2.0
 *
 * All that the programs in this folder need from the kernel's and libbpf's headers, in our own
 * words: fixed-width types, struct xdp_md, map declarations, helper numbers, byte order.
 *
 * Not here: packet formats (net.h). Nothing else is included, so that a bare clang compiles them.
 * Source: the ABI in uapi/linux/bpf.h and the BTF map convention of libbpf; little-endian only.
 */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef signed short __s16;
typedef signed int __s32;
typedef signed long long __s64;

#define SEC(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define LICENSE(text) char _license[] SEC("license") = text

/* A map is a variable of an anonymous struct whose members' types carry the numbers: an array
 * length for an integer, a pointer for a type. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value)* name
#define __array(name, value) __typeof__(value)* name[]

enum bpf_map_kind {
  BPF_MAP_TYPE_HASH = 1,
  BPF_MAP_TYPE_ARRAY = 2,
  BPF_MAP_TYPE_PROG_ARRAY = 3,
  BPF_MAP_TYPE_PERF_EVENT_ARRAY = 4,
  BPF_MAP_TYPE_PERCPU_HASH = 5,
  BPF_MAP_TYPE_PERCPU_ARRAY = 6,
  BPF_MAP_TYPE_LRU_HASH = 9,
  BPF_MAP_TYPE_LRU_PERCPU_HASH = 10,
  BPF_MAP_TYPE_LPM_TRIE = 11,
  BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
  BPF_MAP_TYPE_HASH_OF_MAPS = 13,
  BPF_MAP_TYPE_DEVMAP = 14,
  BPF_MAP_TYPE_QUEUE = 22,
  BPF_MAP_TYPE_STACK = 23,
  BPF_MAP_TYPE_DEVMAP_HASH = 25,
  BPF_MAP_TYPE_RINGBUF = 27,
  BPF_MAP_TYPE_BLOOM_FILTER = 30,
};

enum { BPF_F_NO_PREALLOC = 1, BPF_F_NO_COMMON_LRU = 2 }; /* map_flags; an LPM trie must have the first */
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_EXIST = 2 }; /* bpf_map_update_elem */

#define BPF_F_CURRENT_CPU 0xffffffffull /* bpf_perf_event_output */

enum xdp_action { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };

struct xdp_md {
  __u32 data;
  __u32 data_end;
  __u32 data_meta;
  __u32 ingress_ifindex;
  __u32 rx_queue_index;
  __u32 egress_ifindex;
};

/* A context field that is a packet address. */
#define PACKET(field) ((void*)(long)(field))

#ifdef KILN_NATIVE
#include "native.h"
#else
static void* (*const bpf_map_lookup_elem)(void* map, const void* key) = (void*)1;
static long (*const bpf_map_update_elem)(void* map, const void* key, const void* value,
                                         __u64 flags) = (void*)2;
static long (*const bpf_map_delete_elem)(void* map, const void* key) = (void*)3;
static __u64 (*const bpf_ktime_get_ns)(void) = (void*)5;
static __u32 (*const bpf_get_prandom_u32)(void) = (void*)7;
static __u32 (*const bpf_get_smp_processor_id)(void) = (void*)8;
static long (*const bpf_tail_call)(void* ctx, void* prog_array, __u32 index) = (void*)12;
static long (*const bpf_redirect)(__u32 ifindex, __u64 flags) = (void*)23;
static long (*const bpf_perf_event_output)(void* ctx, void* map, __u64 flags, const void* data,
                                           __u64 size) = (void*)25;
static __s64 (*const bpf_csum_diff)(const void* from, __u32 from_size, const void* to,
                                    __u32 to_size, __u32 seed) = (void*)28;
static long (*const bpf_xdp_adjust_head)(struct xdp_md* ctx, int delta) = (void*)44;
static long (*const bpf_redirect_map)(void* map, __u64 key, __u64 flags) = (void*)51;
static long (*const bpf_xdp_adjust_meta)(struct xdp_md* ctx, int delta) = (void*)54;
static long (*const bpf_xdp_adjust_tail)(struct xdp_md* ctx, int delta) = (void*)65;
static long (*const bpf_map_push_elem)(void* map, const void* value, __u64 flags) = (void*)87;
static long (*const bpf_map_pop_elem)(void* map, void* value) = (void*)88;
static long (*const bpf_map_peek_elem)(void* map, void* value) = (void*)89;
static __u64 (*const bpf_jiffies64)(void) = (void*)118;
static __u64 (*const bpf_ktime_get_boot_ns)(void) = (void*)125;
static long (*const bpf_ringbuf_output)(void* ring, const void* data, __u64 size, __u64 flags) = (void*)130;
static void* (*const bpf_ringbuf_reserve)(void* ring, __u64 size, __u64 flags) = (void*)131;
static void (*const bpf_ringbuf_submit)(void* record, __u64 flags) = (void*)132;
static void (*const bpf_ringbuf_discard)(void* record, __u64 flags) = (void*)133;
static __u64 (*const bpf_ktime_get_coarse_ns)(void) = (void*)160;
static __u64 (*const bpf_xdp_get_buff_len)(struct xdp_md* ctx) = (void*)188;
static long (*const bpf_xdp_load_bytes)(struct xdp_md* ctx, __u32 offset, void* to, __u32 size) = (void*)189;
static long (*const bpf_xdp_store_bytes)(struct xdp_md* ctx, __u32 offset, const void* from, __u32 size) = (void*)190;
#endif

/* Constants and variables between host and network byte order. */
#define HTONS(x) ((__u16)__builtin_bswap16((__u16)(x)))
#define NTOHS(x) HTONS(x)
#define HTONL(x) ((__u32)__builtin_bswap32((__u32)(x)))

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
