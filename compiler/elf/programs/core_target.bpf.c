// SPDX-License-Identifier: Apache-2.0
//
// The types that core.bpf.c meets: moved, grown, nested otherwise. Only their BTF is used.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct part {
  __u64 before;
  int b, a;
};

struct sample {
  __u8 lead[20];
  struct {
    union {
      int deep;
      char other;
    };
    __u32 small;
  };
  __u64 grown;
  __s64 signed_grown;
  struct part parts[3];
  unsigned int flag_b : 7;
  unsigned int flag_a : 9;
  int negative : 2;
  int list[8];
  struct part part;
  __u64 id;
  void *pointer;
};

typedef struct sample sample_t;
enum color { GREEN = 200, RED = -1 };

struct sample a_sample;
sample_t another_sample;
enum color a_color;

struct task_struct {
  long pad[10];
  int tgid, pid;
  struct task_struct *real_parent;
  char comm[32];
} a_task;

SEC("xdp")
int nothing(struct xdp_md *ctx) {
  return a_sample.id + another_sample.id + a_color + a_task.pid;
}

char _license[] SEC("license") = "GPL";
