// SPDX-License-Identifier: Apache-2.0
//
// Helpers that tell what Environment injects: clocks, random numbers, processor.
//
// Clocks stand still during a frame. Source for what each clock is: kernel/bpf/helpers.c, Linux 6.18.
#include "helper_runtime.h"

namespace kiln {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t monotonic(const HelperRuntime& m) {
  return m.environment.clock_ns + m.frame_number * m.environment.clock_step_ns;
}

}  // namespace

std::uint64_t HelperRuntime::jiffies() const {
  const std::uint64_t now = monotonic(*this), hz = environment.hz;
  return now / kSecond * hz + now % kSecond * hz / kSecond;
}

std::uint64_t helper_ktime_get_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                  MachineState* machine) {
  return monotonic(runtime(machine));
}

std::uint64_t helper_ktime_get_boot_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                       MachineState* machine) {
  return monotonic(runtime(machine)) + runtime(machine).environment.boot_offset_ns;
}

/// What the clock was at the last tick.
std::uint64_t helper_ktime_get_coarse_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                         MachineState* machine) {
  const HelperRuntime& m = runtime(machine);
  return monotonic(m) - monotonic(m) % (kSecond / m.environment.hz);
}

std::uint64_t helper_ktime_get_tai_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                      MachineState* machine) {
  return monotonic(runtime(machine)) + runtime(machine).environment.tai_offset_ns;
}

std::uint64_t helper_jiffies64(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                               MachineState* machine) {
  return runtime(machine).jiffies();
}

std::uint64_t helper_get_prandom_u32(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                     MachineState* machine) {
  return next_random(runtime(machine).random);
}

std::uint64_t helper_get_smp_processor_id(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                          MachineState* machine) {
  return runtime(machine).environment.cpu;
}

std::uint64_t helper_get_numa_node_id(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                      MachineState* machine) {
  return runtime(machine).environment.numa_node;
}

}  // namespace kiln
