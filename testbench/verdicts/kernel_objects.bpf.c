/* SPDX-License-Identifier: Apache-2.0
 *
 * Structures of the kernel: iterators' arguments, what the fields of a valid structure are good for, sleeping.
 */
#include "verdict.h"

LICENSE("GPL");

struct bpf_iter__task {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
};
struct bpf_iter__bpf_map_elem {
  struct bpf_iter_meta* meta;
  void* map;
  __u32* key;
  __u64* value;
};

struct sock_common;
struct bpf_iter__tcp {
  struct bpf_iter_meta* meta;
  struct sock_common* sk_common;
};
extern int bpf_sock_destroy(struct sock_common* sk) KSYM;
extern int bpf_strlen(const char* s) KSYM __attribute__((weak));

// accept
SEC("iter/task") int iterator_writes(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (!task) {
    return 0;
  }
  int pid = task->pid;
  return seq_write(ctx->meta->seq, &pid, sizeof pid) != 0;
}

// reject invalid mem access 'trusted_ptr_or_null_'
SEC("iter/task") int iterator_at_its_end(struct bpf_iter__task* ctx) { return ctx->task->pid & 1; }

// reject should have been in [0, 1]
SEC("iter/task") int iterator_returns_2(struct bpf_iter__task* ctx) { return 2; }

// accept
SEC("iter/bpf_map_elem") int element_changed(struct bpf_iter__bpf_map_elem* ctx) {
  if (ctx->key && ctx->value) {
    *ctx->value = *ctx->key;
  }
  return 0;
}

// reject cannot write into rdonly_buf
SEC("iter/bpf_map_elem") int key_changed(struct bpf_iter__bpf_map_elem* ctx) {
  if (ctx->key) {
    *ctx->key = 0;
  }
  return 0;
}

// reject invalid rdwr buffer access: off=-8, size=8
SEC("iter/bpf_map_elem") int before_the_element(struct bpf_iter__bpf_map_elem* ctx) {
  if (ctx->value) {
    ctx->value[-1] = 0;
  }
  return 0;
}

// reject invalid mem access 'buf_or_null'
SEC("iter/bpf_map_elem") int no_element(struct bpf_iter__bpf_map_elem* ctx) {
  *ctx->value = 0;
  return 0;
}

// accept
SEC("iter/tcp") int socket_destroyed(struct bpf_iter__tcp* ctx) {
  if (ctx->sk_common) {
    bpf_sock_destroy(ctx->sk_common);
  }
  return 0;
}

// reject calling kernel function bpf_sock_destroy is not allowed
SEC("tp_btf/tcp_destroy_sock") int destroyed_elsewhere(unsigned long long* ctx) {
  bpf_sock_destroy((struct sock_common*)ctx[0]);
  return 0;
}

// accept
SEC("tp_btf/sched_switch") int leader_acquired(unsigned long long* ctx) {
  struct task_struct* task = bpf_task_acquire(((struct task_struct*)ctx[1])->group_leader);
  if (task) {
    bpf_task_release(task);
  }
  return 0;
}

// reject R1 must be a rcu pointer
SEC("tp_btf/sched_switch") int last_wakee_acquired(unsigned long long* ctx) {
  struct task_struct* task = bpf_task_acquire(((struct task_struct*)ctx[1])->last_wakee);
  if (task) {
    bpf_task_release(task);
  }
  return 0;
}

// accept
SEC("syscall") int leader_in_section(void* ctx) {
  bpf_rcu_read_lock();
  struct task_struct* task = bpf_task_acquire(task_of_now()->group_leader);
  bpf_rcu_read_unlock();
  if (task) {
    bpf_task_release(task);
  }
  return 0;
}

// reject R1 must be a rcu pointer
SEC("syscall") int leader_behind_section(void* ctx) {
  struct task_struct* task = bpf_task_acquire(task_of_now()->group_leader);
  if (task) {
    bpf_task_release(task);
  }
  return 0;
}

// accept
SEC("syscall") int sleeps(void* ctx) {
  __u64 word;
  copy_from_user(&word, sizeof word, NULL);
  return 0;
}

// reject sleepable helper bpf_copy_from_user#148 in rcu_read_lock region
SEC("syscall") int sleeps_in_section(void* ctx) {
  __u64 word;
  bpf_rcu_read_lock();
  copy_from_user(&word, sizeof word, NULL);
  bpf_rcu_read_unlock();
  return 0;
}

GLOBAL int reads_user(int x) {
  __u64 word = 0;
  copy_from_user(&word, sizeof word, NULL);
  return (int)word + x;
}

// accept
SEC("syscall") int calls_what_sleeps(void* ctx) { return reads_user(1); }

// reject global functions that may sleep are not allowed in non-sleepable context
SEC("syscall") int calls_what_sleeps_in_section(void* ctx) {
  bpf_rcu_read_lock();
  int result = reads_user(1);
  bpf_rcu_read_unlock();
  return result;
}

struct bpf_map {
  __u32 max_entries;
  struct bpf_map* inner_map_meta;
} RELOCATED;
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 3);
  __type(key, __u32);
  __type(value, __u32);
} three SEC(".maps");

// accept
SEC("tc") int entries_of_a_map(void* ctx) { return (int)((struct bpf_map*)&three)->max_entries; }

// reject only read from bpf_array is supported
SEC("tc") int entries_changed(void* ctx) {
  ((struct bpf_map*)&three)->max_entries = 4;
  return 0;
}

// reject access beyond struct bpf_array
SEC("tc") int far_behind_a_map(void* ctx) { return ((volatile int*)&three)[8000]; }

struct bpf_nf_ctx {
  void* state;
  struct sk_buff* skb;
};
struct sk_buff {
  unsigned int len;
} RELOCATED;

// accept
SEC("netfilter") int long_frames(struct bpf_nf_ctx* ctx) { return ctx->skb->len > 100; }

// reject should have been in [0, 1]
SEC("netfilter") int stolen(struct bpf_nf_ctx* ctx) { return 2; }

// reject only read is supported
SEC("netfilter") int frame_changed(struct bpf_nf_ctx* ctx) {
  ctx->skb->len = 0;
  return 1;
}

// reject invalid bpf_context access off=8 size=4
SEC("netfilter") int half_a_pointer(struct bpf_nf_ctx* ctx) { return *(int*)&ctx->skb & 1; }

// accept
SEC("tc") int function_is_there(void* ctx) { return bpf_strlen ? 1 : 2; }

// reject R8 invalid mem access 'map_value_or_null'
SEC("tc") int equal_to_a_pointer_of_the_kernel(void* ctx) {
  __u32 key = (__u32)((struct bpf_map*)&three)->max_entries;
  struct bpf_map* inner = ((struct bpf_map*)&three)->inner_map_meta; /* NULL, and so is the value then */
  void* value = lookup(&three, &key);
  int result = 0;
  __asm__ volatile("r8 = %1\nr9 = %2\nif r8 != r9 goto +1\n%0 = *(u32 *)(r8 + 0)\n" : "+r"(result) : "r"(value), "r"(inner) : "r8", "r9");
  return result & 1;
}
