// SPDX-License-Identifier: Apache-2.0
//
// CO-RE relocations of every kind. The types of core_target.bpf.c are those with the same names,
// without what follows "___"; task_struct and others are the kernel's.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define CORE __attribute__((preserve_access_index))

struct part {
  int a, b;
} CORE;

struct sample___old {
  __u32 id;
  __u16 small;
  void *pointer;
  int list[4];
  struct {
    int deep;
  };
  struct part part;
  struct part parts[3];
  unsigned int flag_a : 3;
  unsigned int flag_b : 5;
  int negative : 4;
  __u64 grown;
  __s32 signed_grown;
} CORE;

struct sample___gone {
  int not_there;
} CORE;

struct missing {
  int x;
} CORE;

enum color___local { RED___local = 1, GREEN___local = 2, PURPLE___local = 9 };
typedef struct sample___old sample_t___x;

struct task_struct___mine {
  int pid;
  int tgid;
  char comm[16];
  struct task_struct___mine *real_parent;
  int no_such_member;
} CORE;

__u64 out[64];
volatile __u64 pointer;

SEC("xdp")
int offsets(struct xdp_md *ctx) {
  struct sample___old *s = (void *)pointer;
  out[0] = __builtin_preserve_field_info(s->id, BPF_FIELD_BYTE_OFFSET);
  out[1] = __builtin_preserve_field_info(s->list[2], BPF_FIELD_BYTE_OFFSET);
  out[2] = __builtin_preserve_field_info(s->deep, BPF_FIELD_BYTE_OFFSET);
  out[3] = __builtin_preserve_field_info(s->parts[1].b, BPF_FIELD_BYTE_OFFSET);
  out[4] = __builtin_preserve_field_info(s->flag_b, BPF_FIELD_BYTE_OFFSET);
  out[5] = __builtin_preserve_field_info(s->flag_b, BPF_FIELD_LSHIFT_U64);
  out[6] = __builtin_preserve_field_info(s->flag_b, BPF_FIELD_RSHIFT_U64);
  out[7] = __builtin_preserve_field_info(s->negative, BPF_FIELD_SIGNED);
  out[8] = __builtin_preserve_field_info(s->flag_a, BPF_FIELD_SIGNED);
  out[9] = __builtin_preserve_field_info(s->grown, BPF_FIELD_BYTE_SIZE);
  out[10] = bpf_core_field_exists(s->part.b);
  out[11] = bpf_core_field_exists(((struct sample___gone *)s)->not_there);
  out[12] = bpf_core_field_exists(((struct missing *)s)->x);
  out[13] = (__u64)&s->parts[2].a;
  return XDP_PASS;
}

SEC("xdp")
int types(struct xdp_md *ctx) {
  out[0] = bpf_core_type_exists(struct sample___old);
  out[1] = bpf_core_type_exists(struct missing);
  out[2] = bpf_core_type_size(struct sample___old);
  out[3] = bpf_core_type_size(struct missing);
  out[4] = bpf_core_type_id_local(struct sample___old);
  out[5] = bpf_core_type_id_kernel(struct sample___old);
  out[6] = bpf_core_type_id_kernel(struct missing);
  out[7] = bpf_core_enum_value_exists(enum color___local, GREEN___local);
  out[8] = bpf_core_enum_value_exists(enum color___local, PURPLE___local);
  out[9] = bpf_core_enum_value(enum color___local, GREEN___local);
  out[10] = bpf_core_type_exists(sample_t___x);
  return XDP_PASS;
}

SEC("xdp")
int accesses(struct xdp_md *ctx) {
  // Never run: what counts is how each load and store is patched.
  struct sample___old *s = (void *)(long)ctx;
  out[0] = s->id + s->small + s->grown;
  out[1] = (__u64)s->pointer;
  s->list[1] = 5;
  s->part.b = out[2];
  if (bpf_core_enum_value_exists(enum color___local, PURPLE___local)) {
    out[3] = bpf_core_enum_value(enum color___local, PURPLE___local);
  }
  return XDP_PASS;
}

SEC("xdp")
int unreachable(struct xdp_md *ctx) {
  struct sample___gone *gone = (void *)(long)ctx;
  return bpf_core_field_exists(gone->not_there) ? gone->not_there : XDP_PASS;
}

SEC("xdp")
int signed_load(struct xdp_md *ctx) {
  struct sample___old *s = (void *)(long)ctx;
  return s->signed_grown;  // was 4 bytes, is 8, and signed: no load can stand for it
}

SEC("raw_tp/xdp_exception")
int kernel_types(void *ctx) {
  struct task_struct___mine *task = (void *)bpf_get_current_task();
  out[0] = BPF_CORE_READ(task, pid);
  out[1] = BPF_CORE_READ(task, real_parent, tgid);
  out[2] = bpf_core_field_exists(task->no_such_member);
  out[3] = bpf_core_field_size(task->comm);
  return 0;
}

char _license[] SEC("license") = "GPL";
