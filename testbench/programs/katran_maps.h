/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of the balancer in katran.bpf.c, and the layout of what lies in them.
 */
#pragma once

#include "net.h"

enum {
  MAX_VIPS = 16,
  MAX_REALS = 256,
  RING_SIZE = 4099, /* slots per VIP, a prime; Katran's default is 65537 */
  MAX_CONNECTIONS = 4096,
  /* Entries of `statistics` behind the VIPs' own. */
  STATS_LRU = MAX_VIPS,          /* packets to VIPs; packets not found in the connection table */
  STATS_LRU_MISS = MAX_VIPS + 1, /* TCP misses: new connections; others */
  STATS_SIZE = 2 * MAX_VIPS,
};

enum { VIP_NO_SOURCE_PORT = 1, VIP_NO_LRU = 2, VIP_HASH_PORT_ONLY = 8 };
enum { REAL_IPV6 = 1 };

/* IPv4 addresses stand in the first word, the others are 0. */
struct flow {
  __u32 source[4];
  __u32 destination[4];
  __u16 source_port;
  __u16 destination_port;
  __u8 protocol;
  __u8 zero[3];
};

struct vip {
  __u32 address[4];
  __u16 port; /* 0: every port that has no entry of its own */
  __u8 protocol;
  __u8 zero;
};

struct vip_info {
  __u32 flags;
  __u32 number;
};

struct destination {
  __u32 real;
  __u32 zero;
  __u64 last_used; /* UDP: ns, as bpf_ktime_get_ns() */
};

struct real {
  __u32 address[4];
  __u8 flags;
  __u8 zero[3];
};

struct statistics {
  __u64 first;
  __u64 second;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_VIPS);
  __type(key, struct vip);
  __type(value, struct vip_info);
} vips SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, MAX_CONNECTIONS);
  __type(key, struct flow);
  __type(value, struct destination);
} connections SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_VIPS* RING_SIZE);
  __type(key, __u32);
  __type(value, __u32);
} rings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, MAX_REALS);
  __type(key, __u32);
  __type(value, struct real);
} reals SEC(".maps");

/* Entry 0: the MAC address of the router that everything goes out through. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, __u64);
} control SEC(".maps");

/* Per VIP packets and bytes, then the counters above. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, STATS_SIZE);
  __type(key, __u32);
  __type(value, struct statistics);
} statistics SEC(".maps");

/* Per real packets and bytes. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, MAX_REALS);
  __type(key, __u32);
  __type(value, struct statistics);
} real_statistics SEC(".maps");
