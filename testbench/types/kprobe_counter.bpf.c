/* SPDX-License-Identifier: Apache-2.0
 *
 * The classic first kprobe: how often each process calls a function, its name, and the first argument.
 */
#include "../programs/bpf.h"

static __u64 (*const bpf_get_current_pid_tgid)(void) = (void*)14;
static long (*const bpf_get_current_comm)(void* to, __u32 size) = (void*)16;
static long (*const bpf_probe_read_kernel)(void* to, __u32 size, const void* from) = (void*)113;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
} calls SEC(".maps");

struct {
  __uint(type, 27); /* BPF_MAP_TYPE_RINGBUF */
  __uint(max_entries, 4096);
} records SEC(".maps");

struct pt_regs {
  __u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs, eflags, rsp, ss;
};

SEC("kprobe/vfs_read")
int kprobe_counter(struct pt_regs* ctx) {
  __u32 pid = bpf_get_current_pid_tgid() >> 32;
  __u64 one = 1;
  __u64* count = bpf_map_lookup_elem(&calls, &pid);
  if (count) {
    __sync_fetch_and_add(count, 1);
  } else {
    bpf_map_update_elem(&calls, &pid, &one, BPF_ANY);
  }
  struct {
    __u64 first, word;
    long unmapped;
    char comm[16];
  } record = {ctx->rdi, 0, 0, ""};
  bpf_get_current_comm(record.comm, sizeof(record.comm));
  bpf_probe_read_kernel(&record.word, sizeof(record.word), &ctx->rdi);
  record.unmapped = bpf_probe_read_kernel(&record.word, 4, (void*)8);
  bpf_ringbuf_output(&records, &record, sizeof(record), 0);
  return 0;
}

LICENSE("GPL");
