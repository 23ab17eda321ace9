/* SPDX-License-Identifier: Apache-2.0
 *
 * Pointers kept in map values: loaded, stored, exchanged; per-CPU objects.
 */
#include "verdict.h"

#ifndef NO_TYPE_TAGS

LICENSE("GPL");

#define per_cpu_ptr HELPER(void*, 153, const void*, __u32)
#define this_cpu_ptr HELPER(void*, 154, const void*)

struct pair {
  __u64 a, b;
};
struct kept {
  struct task_struct KPTR* task;
  struct pair KPTR* pair;
  struct pair PERCPU_KPTR* parts;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct kept);
} values SEC(".maps");
static __u32 zero;

// accept
SEC("tp_btf/sched_switch") int task_exchanged(unsigned long long* ctx) {
  struct kept* v = lookup(&values, &zero);
  struct task_struct* task = v ? bpf_task_acquire((struct task_struct*)ctx[1]) : NULL;
  if (!task) {
    return 0;
  }
  task = kptr_xchg(&v->task, task);
  if (task) {
    bpf_task_release(task);
  }
  return 0;
}

// reject Unreleased reference
SEC("tp_btf/sched_switch") int old_task_forgotten(unsigned long long* ctx) {
  struct kept* v = lookup(&values, &zero);
  if (v) {
    kptr_xchg(&v->task, NULL);
  }
  return 0;
}

// reject R2 must be referenced when passed to release function
SEC("tp_btf/sched_switch") int borrowed_task_exchanged(unsigned long long* ctx) {
  struct kept* v = lookup(&values, &zero);
  if (v) {
    kptr_xchg(&v->task, (void*)ctx[1]);
  }
  return 0;
}

// reject invalid kptr access, R2 type=ptr_task_struct expected=ptr_pair
SEC("tp_btf/sched_switch") int task_for_a_pair(unsigned long long* ctx) {
  struct kept* v = lookup(&values, &zero);
  struct task_struct* task = v ? bpf_task_acquire((struct task_struct*)ctx[1]) : NULL;
  if (task) {
    kptr_xchg(&v->pair, task);
  }
  return 0;
}

// reject off=4 doesn't point to kptr
SEC("tp_btf/sched_switch") int between_two(unsigned long long* ctx) {
  struct kept* v = lookup(&values, &zero);
  if (v) {
    kptr_xchg((char*)v + 4, NULL);
  }
  return 0;
}

// reject store to referenced kptr disallowed
SEC("tc") int stored(void* ctx) {
  struct kept* v = lookup(&values, &zero);
  if (v) {
    v->task = NULL;
  }
  return 0;
}

// accept
SEC("tp_btf/sched_switch") int task_loaded(unsigned long long* ctx) {
  struct kept* v = lookup(&values, &zero);
  struct task_struct* task = v ? v->task : NULL;
  if (task) {
    task = bpf_task_acquire(task);
    if (task) {
      bpf_task_release(task);
    }
  }
  return 0;
}

// reject R1 must be a rcu pointer
SEC("syscall") int task_loaded_outside(void* ctx) {
  struct kept* v = lookup(&values, &zero);
  struct task_struct* task = v ? v->task : NULL;
  if (task) {
    task = bpf_task_acquire(task);
    if (task) {
      bpf_task_release(task);
    }
  }
  return 0;
}

// accept
SEC("tc") int pair_exchanged(void* ctx) {
  struct kept* v = lookup(&values, &zero);
  struct pair* pair = v ? NEW(struct pair) : NULL;
  if (!pair) {
    return 0;
  }
  pair->a = 1;
  pair = kptr_xchg(&v->pair, pair);
  if (pair) {
    bpf_obj_drop_impl(pair, NULL);
  }
  return 0;
}

// reject arg#0 expected for bpf_percpu_obj_drop_impl()
SEC("syscall") int wrong_drop(void* ctx) {
  struct pair PERCPU_KPTR* parts = NEW_PERCPU(struct pair);
  if (parts) {
    bpf_obj_drop_impl((void*)parts, NULL);
  }
  return 0;
}

// accept
SEC("syscall") int parts_kept_and_read(void* ctx) {
  struct kept* v = lookup(&values, &zero);
  if (!v) {
    return 0;
  }
  struct pair PERCPU_KPTR* parts = NEW_PERCPU(struct pair);
  if (!parts) {
    return 0;
  }
  bpf_rcu_read_lock();
  struct pair PERCPU_KPTR* old = kptr_xchg(&v->parts, (void*)parts);
  parts = v->parts;
  struct pair* own = parts ? this_cpu_ptr((void*)parts) : NULL;
  if (own) {
    own->a = 1;
  }
  bpf_rcu_read_unlock();
  if (old) {
    bpf_percpu_obj_drop_impl((void*)old, NULL);
  }
  return 0;
}

// reject access percpu memory
SEC("syscall") int parts_read_directly(void* ctx) {
  struct pair PERCPU_KPTR* parts = NEW_PERCPU(struct pair);
  int a = 0;
  if (parts) {
    a = (int)((struct pair*)parts)->a;
    bpf_percpu_obj_drop_impl((void*)parts, NULL);
  }
  return a;
}

#endif
