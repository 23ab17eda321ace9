// SPDX-License-Identifier: Apache-2.0
//
// The types that core_match.bpf.c is compared with.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct same {
  int a;
  __u64 b[4];
} same;

struct fewer {
  char before;
  int a, b;
} fewer;

struct more {
  int a, c;
} more;

struct other_sign {
  unsigned int a;
} other_sign;

struct other_size {
  long a;
} other_size;

struct other_length {
  int a[4];
} other_length;

struct pointee {
  int a;
} pointee;

struct by_pointer {
  struct pointee *p;
} by_pointer;

struct callback {
  int (*call)(int, struct pointee *);
} callback;

struct other_callback {
  int (*call)(int, int);
} other_callback;

enum kinds { KIND_A = 7, KIND_B = 8 };
struct enums {
  enum kinds kind;
} enums;

enum more_kinds { MORE_A, MORE_B, MORE_D };
struct more_enums {
  enum more_kinds kind;
} more_enums;

struct list {
  struct list *next, *previous;
} list;

typedef int (*function_t)(int, long);
typedef int (*short_function_t)(int, int);
function_t function;
short_function_t short_function;

SEC("xdp")
int nothing(struct xdp_md *ctx) { return same.a + enums.kind; }

char _license[] SEC("license") = "GPL";
