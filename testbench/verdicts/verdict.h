/* SPDX-License-Identifier: Apache-2.0
 *
 * What programs that are only verified need: sections, tags, kernel functions and structures of the kernel, in our own
 * words. A program is preceded by a line "// accept" or "// reject WORDS", which verdicts_test.py holds against Kiln
 * and the running kernel.
 */
#pragma once

#include "../programs/bpf.h"

#define KSYM __attribute__((section(".ksyms")))
#define TAG(text) __attribute__((btf_decl_tag(text)))
#if __clang_major__ < 15
#define NO_TYPE_TAGS /* in BTF: what needs them is left out */
#endif
#define KPTR __attribute__((btf_type_tag("kptr")))
#define PERCPU_KPTR __attribute__((btf_type_tag("percpu_kptr")))
#define GLOBAL NOINLINE
#define STATIC static NOINLINE
#define RELOCATED __attribute__((preserve_access_index))
#define HELPER(result, number, ...) ((result(*)(__VA_ARGS__))number)
#define NULL ((void*)0)
/* So that a compiler knows nothing of a value. */
#define HIDE(x) __asm__ volatile("" : "+r"(x))

#define task_of_now HELPER(struct task_struct*, 158, void)
#define lookup HELPER(void*, 1, void*, const void*)
#define spin_lock HELPER(long, 93, void*)
#define spin_unlock HELPER(long, 94, void*)
#define seq_write HELPER(long, 127, struct seq_file*, const void*, __u32)
#define copy_from_user HELPER(long, 148, void*, __u32, const void*)
#define kptr_xchg HELPER(void*, 194, void*, void*)
#define tail_call HELPER(long, 12, void*, void*, __u32)
#define loop HELPER(long, 181, __u32, void*, void*, __u64)

struct bpf_spin_lock {
  __u32 val;
};
struct bpf_list_head {
  __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_list_node {
  __u64 opaque[3];
} __attribute__((aligned(8)));
struct bpf_rb_root {
  __u64 opaque[2];
} __attribute__((aligned(8)));
struct bpf_rb_node {
  __u64 opaque[4];
} __attribute__((aligned(8)));
struct bpf_refcount {
  __u32 opaque[1];
} __attribute__((aligned(4)));

struct seq_file;
struct file;
struct cgroup;
struct mm_struct {
  struct file* exe_file;
} RELOCATED;
struct task_struct {
  int pid;
  struct task_struct* group_leader;
  struct task_struct* last_wakee;
  struct mm_struct* mm;
} RELOCATED;
struct bpf_iter_meta {
  struct seq_file* seq;
} RELOCATED;

extern struct task_struct* bpf_task_acquire(struct task_struct* p) KSYM;
extern void bpf_task_release(struct task_struct* p) KSYM;
extern void bpf_rcu_read_lock(void) KSYM;
extern void bpf_rcu_read_unlock(void) KSYM;

extern void* bpf_obj_new_impl(__u64 type, void* meta) KSYM;
extern void bpf_obj_drop_impl(void* object, void* meta) KSYM;
extern void* bpf_percpu_obj_new_impl(__u64 type, void* meta) KSYM;
extern void bpf_percpu_obj_drop_impl(void* object, void* meta) KSYM;
extern void* bpf_refcount_acquire_impl(void* object, void* meta) KSYM;
extern int bpf_list_push_back_impl(struct bpf_list_head* head, struct bpf_list_node* node, void* meta, __u64 off) KSYM;
extern struct bpf_list_node* bpf_list_pop_front(struct bpf_list_head* head) KSYM;
extern struct bpf_list_node* bpf_list_front(struct bpf_list_head* head) KSYM;
typedef _Bool less_function(struct bpf_rb_node* a, const struct bpf_rb_node* b);
extern int bpf_rbtree_add_impl(struct bpf_rb_root* root, struct bpf_rb_node* node, less_function* less, void* meta,
                               __u64 off) KSYM;
extern struct bpf_rb_node* bpf_rbtree_first(struct bpf_rb_root* root) KSYM;
extern struct bpf_rb_node* bpf_rbtree_remove(struct bpf_rb_root* root, struct bpf_rb_node* node) KSYM;
extern void bpf_throw(__u64 cookie) KSYM;

#define NEW(type) ((type*)bpf_obj_new_impl(__builtin_btf_type_id(*(type*)0, 0), NULL))
#define NEW_PERCPU(type) ((type PERCPU_KPTR*)bpf_percpu_obj_new_impl(__builtin_btf_type_id(*(type*)0, 0), NULL))
#define CONTAINER(node, type, member) ((type*)((char*)(node) - __builtin_offsetof(type, member)))
