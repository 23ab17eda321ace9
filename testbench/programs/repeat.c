/* SPDX-License-Identifier: Apache-2.0
 *
 * Another program of this folder, 64 times for each frame, so that what a run costs beside the program hardly counts
 * (kiln bench --repeated). Compiled with -DSOURCE="NAME.bpf.c" -DNAME=NAME_once -DONCE=NAME_once -DREPEATED=NAME_64, for programs that
 * may run again on the frame that they leave. The verdict is that of the last time.
 */
#include SOURCE

SEC("xdp")
__attribute__((flatten)) int REPEATED(struct xdp_md* ctx) {
  int verdict = XDP_ABORTED;
  for (int i = 0; i < 64; i++) {
    verdict = ONCE(ctx);
    __asm__ volatile("" : "+r"(verdict) : : "memory"); /* nothing is known from one time to the next */
  }
  return verdict;
}
