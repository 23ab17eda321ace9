/* SPDX-License-Identifier: Apache-2.0
 *
 * Exceptions: what may be held when one is thrown, where from, and what catches it.
 */
#include "verdict.h"

LICENSE("GPL");

struct locked {
  struct bpf_spin_lock lock;
  __u32 times;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct locked);
} values SEC(".maps");

GLOBAL int catches(__u64 cookie) { return (int)cookie & 1; }
GLOBAL int catches_two(__u64 cookie, __u64 more) { return (int)(cookie + more) & 1; }
GLOBAL int catches_all(__u64 cookie) { return (int)cookie; }
STATIC int throws(int x) {
  HIDE(x);
  if (x) {
    bpf_throw(5);
  }
  return x;
}
static int callback(__u32 i, void* data) {
  bpf_throw(i);
  return 0;
}

// accept
SEC("tc") int thrown(void* ctx) {
  bpf_throw(1);
  return 0;
}

// accept
SEC("tc") int thrown_below(void* ctx) { return throws(1); }

// reject R1 has smin=7 smax=7 should have been in [0, 1]
SEC("cgroup_skb/ingress") int cookie_is_the_result(void* ctx) {
  bpf_throw(7);
  return 0;
}

// accept
SEC("cgroup_skb/ingress") TAG("exception_callback:catches") int cookie_is_caught(void* ctx) {
  bpf_throw(7);
  return 0;
}

// reject R0 has unknown scalar value should have been in [0, 1]
SEC("cgroup_skb/ingress") TAG("exception_callback:catches_all") int catcher_returns_anything(void* ctx) {
  bpf_throw(7);
  return 0;
}

// reject exception cb only supports single integer argument
SEC("tc") TAG("exception_callback:catches_two") int catcher_of_two(void* ctx) {
  bpf_throw(7);
  return 0;
}

// reject cannot call exception cb directly
SEC("tc") TAG("exception_callback:catches") int catcher_called(void* ctx) { return catches(1); }

// reject Unreleased reference
SEC("tp_btf/sched_switch") int thrown_with_a_task(unsigned long long* ctx) {
  struct task_struct* task = bpf_task_acquire((struct task_struct*)ctx[1]);
  if (task) {
    throws(1);
    bpf_task_release(task);
  }
  return 0;
}

// reject bpf_throw cannot be used inside bpf_rcu_read_lock-ed region
SEC("tc") int thrown_in_section(void* ctx) {
  bpf_rcu_read_lock();
  throws(1);
  bpf_rcu_read_unlock();
  return 0;
}

// reject function calls are not allowed while holding a lock
SEC("tc") int thrown_under_lock(void* ctx) {
  __u32 zero = 0;
  struct locked* v = lookup(&values, &zero);
  if (!v) {
    return 0;
  }
  spin_lock(&v->lock);
  bpf_throw(1);
  spin_unlock(&v->lock);
  return 0;
}

// reject cannot be called from callback subprog
SEC("tc") int thrown_by_a_callback(void* ctx) {
  loop(3, callback, NULL, 0);
  return 0;
}
