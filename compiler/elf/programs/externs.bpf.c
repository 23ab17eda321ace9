// SPDX-License-Identifier: Apache-2.0
//
// What a program expects from the kernel: weak, it is absent; with -DSTRONG_KCONFIG, -DSTRONG_KSYM or
// -DUNDEFINED the object can't be loaded.
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#ifdef VERSION
extern unsigned int LINUX_KERNEL_VERSION __kconfig;
#elif defined(STRONG_KCONFIG)
extern unsigned int CONFIG_NOTHING_SETS __kconfig;
#define LINUX_KERNEL_VERSION CONFIG_NOTHING_SETS
#else
extern unsigned int CONFIG_NOTHING_SETS __kconfig __weak;
#define LINUX_KERNEL_VERSION CONFIG_NOTHING_SETS
#endif
extern long CONFIG_ALSO_UNSET __kconfig __weak;
#ifdef STRONG_KSYM
extern const int no_such_symbol __ksym;
#define HAS_SYMBOL 1
#else
extern const int no_such_symbol __ksym __weak;
#define HAS_SYMBOL (&no_such_symbol != 0)
#endif
extern int no_such_function(int x) __ksym __weak;
#ifdef UNDEFINED
int defined_elsewhere(int x);
#else
#define defined_elsewhere(x) (x)
#endif

SEC("xdp")
int use_externs(struct xdp_md *ctx) {
  int out = LINUX_KERNEL_VERSION + CONFIG_ALSO_UNSET;
  if (HAS_SYMBOL) {
    out += no_such_symbol;
  }
  if (no_such_function) {
    out += no_such_function(out);
  }
  return defined_elsewhere(out);
}

char _license[] SEC("license") = "GPL";
