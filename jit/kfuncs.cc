// SPDX-License-Identifier: Apache-2.0
//
// The table of kernel functions by row, and those that are about nothing but where the program stands: sections
// without preemption, interrupts or RCU's reclaiming. One run on one thread is in all of them already.
#include "kfuncs.h"

#include <array>

namespace kiln {

HelperFunction kfunc_function(std::uint32_t row) {
  static constexpr auto kFunctions = std::to_array<HelperFunction>({
#define KILN_KFUNC(name, engines, ...) [] {                      \
      if constexpr (((engines) & (kInterp | kJit)) != 0) {       \
        return &kfunc_##name;                                    \
      } else {                                                   \
        return HelperFunction{nullptr};                          \
      }                                                          \
    }(),
#include <kiln/kfuncs.def>
  });
  return kFunctions[row];
}

KILN_DEFINE_KFUNC(bpf_rcu_read_lock) { return 0; }
KILN_DEFINE_KFUNC(bpf_rcu_read_unlock) { return 0; }
KILN_DEFINE_KFUNC(bpf_preempt_disable) { return 0; }
KILN_DEFINE_KFUNC(bpf_preempt_enable) { return 0; }

// What is saved nobody may read but the function that restores it.
KILN_DEFINE_KFUNC(bpf_local_irq_save) { return 0; }
KILN_DEFINE_KFUNC(bpf_local_irq_restore) { return 0; }

}  // namespace kiln
