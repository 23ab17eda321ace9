/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernel functions that the feature programs call, and the structs they work on, in our own words. The loader
 * finds them by name in the kernel's BTF. Linux lets only programs whose licence fits the GPL call them.
 */
#pragma once

#include "feature.h"

#define KSYM __attribute__((section(".ksyms")))
#define LICENSE_FOR_KFUNCS LICENSE("Dual BSD/GPL")

struct bpf_iter_num {
  __u64 opaque;
} __attribute__((aligned(8)));
struct bpf_iter_bits {
  __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_dynptr {
  __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_spin_lock {
  __u32 val;
};
struct bpf_res_spin_lock {
  __u32 val;
};

extern int bpf_iter_num_new(struct bpf_iter_num* it, int start, int end) KSYM;
extern int* bpf_iter_num_next(struct bpf_iter_num* it) KSYM;
extern void bpf_iter_num_destroy(struct bpf_iter_num* it) KSYM;
extern int bpf_iter_bits_new(struct bpf_iter_bits* it, const __u64* words, __u32 count) KSYM;
extern int* bpf_iter_bits_next(struct bpf_iter_bits* it) KSYM;
extern void bpf_iter_bits_destroy(struct bpf_iter_bits* it) KSYM;

extern int bpf_dynptr_from_xdp(struct xdp_md* ctx, __u64 flags, struct bpf_dynptr* made) KSYM;
extern void* bpf_dynptr_slice(const struct bpf_dynptr* p, __u32 offset, void* buffer, __u32 size) KSYM;
extern void* bpf_dynptr_slice_rdwr(const struct bpf_dynptr* p, __u32 offset, void* buffer, __u32 size) KSYM;
extern int bpf_dynptr_adjust(const struct bpf_dynptr* p, __u32 start, __u32 end) KSYM;
/* They return bool: on x86-64 the low byte counts, and Linux leaves what it likes in the others. */
extern __u32 bpf_dynptr_is_null(const struct bpf_dynptr* p) KSYM;
extern __u32 bpf_dynptr_is_rdonly(const struct bpf_dynptr* p) KSYM;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr* p) KSYM;
extern int bpf_dynptr_clone(const struct bpf_dynptr* p, struct bpf_dynptr* made) KSYM;
extern int bpf_dynptr_copy(struct bpf_dynptr* to, __u32 to_offset, struct bpf_dynptr* from, __u32 from_offset,
                           __u32 size) KSYM;
extern int bpf_dynptr_memset(struct bpf_dynptr* p, __u32 offset, __u32 size, __u8 value) KSYM;

extern int bpf_strcmp(const char* a, const char* b) KSYM;
extern int bpf_strcasecmp(const char* a, const char* b) KSYM;
extern int bpf_strchr(const char* s, char c) KSYM;
extern int bpf_strchrnul(const char* s, char c) KSYM;
extern int bpf_strnchr(const char* s, __u64 count, char c) KSYM;
extern int bpf_strrchr(const char* s, int c) KSYM;
extern int bpf_strlen(const char* s) KSYM;
extern int bpf_strnlen(const char* s, __u64 count) KSYM;
extern int bpf_strspn(const char* s, const char* accept) KSYM;
extern int bpf_strcspn(const char* s, const char* reject) KSYM;
extern int bpf_strstr(const char* s, const char* wanted) KSYM;
extern int bpf_strnstr(const char* s, const char* wanted, __u64 count) KSYM;

extern void bpf_rcu_read_lock(void) KSYM;
extern void bpf_rcu_read_unlock(void) KSYM;
extern void bpf_preempt_disable(void) KSYM;
extern void bpf_preempt_enable(void) KSYM;
extern void bpf_local_irq_save(unsigned long* flags) KSYM;
extern void bpf_local_irq_restore(unsigned long* flags) KSYM;
extern int bpf_res_spin_lock(struct bpf_res_spin_lock* lock) KSYM;
extern void bpf_res_spin_unlock(struct bpf_res_spin_lock* lock) KSYM;

extern void* bpf_obj_new_impl(__u64 type, void* meta) KSYM;
extern void bpf_obj_drop_impl(void* object, void* meta) KSYM;

static long (*const bpf_spin_lock)(struct bpf_spin_lock* lock) = (void*)93;
static long (*const bpf_spin_unlock)(struct bpf_spin_lock* lock) = (void*)94;
static long (*const bpf_for_each_map_elem)(void* map, void* callback, void* context, __u64 flags) = (void*)164;
static long (*const bpf_loop)(__u32 rounds, void* callback, void* context, __u64 flags) = (void*)181;
static long (*const bpf_dynptr_from_mem)(void* data, __u32 size, __u64 flags, struct bpf_dynptr* made) = (void*)197;
static long (*const bpf_dynptr_read)(void* to, __u32 size, const struct bpf_dynptr* from, __u32 offset,
                                     __u64 flags) = (void*)201;
static long (*const bpf_dynptr_write)(const struct bpf_dynptr* to, __u32 offset, void* from, __u32 size,
                                      __u64 flags) = (void*)202;
