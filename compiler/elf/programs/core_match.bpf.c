// SPDX-License-Identifier: Apache-2.0
//
// Types whose names end in ___l: core_test.cc asks whether those of core_match_target.bpf.c match.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

struct same___l {
  int a;
  __u64 b[4];
} same;

struct fewer___l {
  int a;
} fewer;

struct more___l {
  int a, b;
} more;

struct other_sign___l {
  int a;
} other_sign;

struct other_size___l {
  int a;
} other_size;

struct other_length___l {
  int a[3];
} other_length;

struct pointee;

struct by_pointer___l {
  struct pointee *p;
} by_pointer;

struct callback___l {
  int (*call)(int, struct pointee *);
} callback;

struct other_callback___l {
  int (*call)(int);
} other_callback;

enum kinds___l { KIND_A___l = 1, KIND_B___l = 2 };
struct enums___l {
  enum kinds___l kind;
} enums;

enum more_kinds___l { MORE_A___l, MORE_B___l, MORE_C___l };
struct more_enums___l {
  enum more_kinds___l kind;
} more_enums;

struct list___l {
  struct list___l *next, *previous;
} list;

typedef int (*function_t___l)(int, long);
typedef int (*short_function_t___l)(int);
function_t___l function;
short_function_t___l short_function;

SEC("xdp")
int nothing(struct xdp_md *ctx) { return same.a + enums.kind; }

char _license[] SEC("license") = "GPL";
