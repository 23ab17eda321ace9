// SPDX-License-Identifier: Apache-2.0
//
// Helpers that tell what Environment (or a device, for the monotonic clock and random numbers) injects: clocks, random
// numbers, processor.
//
// Clocks stand still during a frame. Source for what each clock is: kernel/bpf/helpers.c, Linux 6.18.
#include "helper_runtime.h"

namespace kiln {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

}  // namespace

std::uint64_t HelperRuntime::jiffies() const {
  const std::uint64_t now = clock(), hz = environment.hz;
  return now / kSecond * hz + now % kSecond * hz / kSecond;
}

std::uint64_t helper_ktime_get_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                  MachineState* machine) {
  return runtime(machine).clock();
}

std::uint64_t helper_ktime_get_boot_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                       MachineState* machine) {
  return runtime(machine).clock() + runtime(machine).environment.boot_offset_ns;
}

/// What the clock was at the last tick.
std::uint64_t helper_ktime_get_coarse_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                         MachineState* machine) {
  const HelperRuntime& m = runtime(machine);
  const std::uint64_t now = m.clock();
  return now - now % (kSecond / m.environment.hz);
}

std::uint64_t helper_ktime_get_tai_ns(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                      MachineState* machine) {
  return runtime(machine).clock() + runtime(machine).environment.tai_offset_ns;
}

std::uint64_t helper_jiffies64(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                               MachineState* machine) {
  return runtime(machine).jiffies();
}

std::uint64_t helper_get_prandom_u32(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                     MachineState* machine) {
  return runtime(machine).draw_random();
}

std::uint64_t helper_get_smp_processor_id(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                          MachineState* machine) {
  return runtime(machine).cpu();
}

std::uint64_t helper_get_numa_node_id(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t,
                                      MachineState* machine) {
  return runtime(machine).environment.numa_node;
}

}  // namespace kiln
