// SPDX-License-Identifier: Apache-2.0
//
// Helpers that tell about the task the program runs for, and reads of memory by any address.
//
// The task is the Environment's. Addresses that are the program's own can be read (context, stack, packet, map
// values, objects); at any other there is nothing: -EFAULT, as the kernel says of an address that is not mapped.
// Source: kernel/bpf/helpers.c, kernel/trace/bpf_trace.c, Linux 6.18.
#include <cerrno>
#include <cstring>

#include "helper_runtime.h"

namespace kiln {
namespace {

/// Copies up to the zero byte, at most `room` bytes, and ends with one. \return bytes with it, or -EFAULT.
std::int64_t copy_string(HelperRuntime& m, std::byte* to, std::uint32_t room, std::uint64_t from) {
  for (std::uint32_t i = 0; i < room; ++i) {
    const std::byte* at = m.memory.checked(from + i, 1, Access::kRead);
    if (at == nullptr) {
      return -EFAULT;
    }
    to[i] = *at;
    if (*at == std::byte{0}) {
      return i + 1;
    }
  }
  if (room != 0) {
    to[room - 1] = std::byte{0};
  }
  return room;
}

std::uint64_t probe(MachineState* machine, std::uint64_t to_address, std::uint64_t size, std::uint64_t from) {
  HelperRuntime& m = runtime(machine);
  const auto bytes = static_cast<std::uint32_t>(size);
  std::byte* to = m.write(to_address, bytes);
  if (to == nullptr) {
    return 0;
  }
  const std::byte* at = bytes == 0 ? to : m.memory.checked(from, bytes, Access::kRead);
  if (at == nullptr) {
    std::memset(to, 0, bytes);
    return negative(EFAULT);
  }
  std::memmove(to, at, bytes);
  return 0;
}

std::uint64_t probe_string(MachineState* machine, std::uint64_t to_address, std::uint64_t size, std::uint64_t from) {
  HelperRuntime& m = runtime(machine);
  const auto bytes = static_cast<std::uint32_t>(size);
  std::byte* to = m.write(to_address, bytes);
  if (to == nullptr) {
    return 0;
  }
  const std::int64_t result = copy_string(m, to, bytes, from);
  if (result < 0) {
    std::memset(to, 0, bytes);
  }
  return static_cast<std::uint64_t>(result);
}

}  // namespace

KILN_DEFINE_HELPER(get_current_pid_tgid) {
  const Task& task = runtime(machine).environment.task;
  return std::uint64_t{task.tgid} << 32 | task.pid;
}

KILN_DEFINE_HELPER(get_current_uid_gid) {
  const Task& task = runtime(machine).environment.task;
  return std::uint64_t{task.gid} << 32 | task.uid;
}

KILN_DEFINE_HELPER(get_current_comm) {
  constexpr std::size_t kCommBytes = 15;  // TASK_COMM_LEN - 1
  HelperRuntime& m = runtime(machine);
  const auto size = static_cast<std::uint32_t>(r2);
  std::byte* to = m.write(r1, size);
  if (to == nullptr) {
    return 0;
  }
  std::memset(to, 0, size);
  const std::string_view comm = std::string_view(m.environment.task.comm).substr(0, kCommBytes);
  std::memcpy(to, comm.data(), std::min<std::size_t>(comm.size(), size == 0 ? 0 : size - 1));
  return 0;
}

KILN_DEFINE_HELPER(get_current_cgroup_id) { return runtime(machine).environment.task.cgroup_id; }

KILN_DEFINE_HELPER(probe_read) { return probe(machine, r1, r2, r3); }
KILN_DEFINE_HELPER(probe_read_user) { return probe(machine, r1, r2, r3); }
KILN_DEFINE_HELPER(probe_read_kernel) { return probe(machine, r1, r2, r3); }
KILN_DEFINE_HELPER(probe_read_str) { return probe_string(machine, r1, r2, r3); }
KILN_DEFINE_HELPER(probe_read_user_str) { return probe_string(machine, r1, r2, r3); }
KILN_DEFINE_HELPER(probe_read_kernel_str) { return probe_string(machine, r1, r2, r3); }

/// No other task's memory is here, and none that could be written.
KILN_DEFINE_HELPER(probe_write_user) {
  HelperRuntime& m = runtime(machine);
  return m.read(r2, static_cast<std::uint32_t>(r3)) == nullptr ? 0 : negative(EPERM);
}

/// One frame deep: the address that the program is attached to is the Environment's function address, 0 without one.
KILN_DEFINE_HELPER(get_func_ip) { return 0; }
KILN_DEFINE_HELPER(get_attach_cookie) { return 0; }

KILN_DEFINE_HELPER(get_stackid) {
  constexpr std::uint64_t kSkip = 0xff, kUser = 1 << 8, kCompareHash = 1 << 9, kReuse = 1 << 10;
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(r2);
  if (!map) {
    return 0;
  }
  if ((r3 & ~(kSkip | kUser | kCompareHash | kReuse)) != 0) {
    return negative(EINVAL);
  }
  const std::vector<std::uint64_t>& stack = m.environment.task.stack;
  const std::uint64_t skip = r3 & kSkip;
  if (skip >= stack.size()) {
    return negative(EFAULT);
  }
  return static_cast<std::uint64_t>(put_stack_trace(m.maps.view(*map), std::span(stack).subspan(skip), r3));
}

KILN_DEFINE_HELPER(get_stack) {
  constexpr std::uint64_t kSkip = 0xff, kUser = 1 << 8, kBuildId = 1 << 11;
  HelperRuntime& m = runtime(machine);
  const auto size = static_cast<std::uint32_t>(r3);
  std::byte* to = m.write(r2, size);
  if (to == nullptr) {
    return 0;
  }
  std::memset(to, 0, size);
  if ((r4 & ~(kSkip | kUser | kBuildId)) != 0 || ((r4 & kBuildId) != 0 && (r4 & kUser) == 0) || size % 8 != 0) {
    return negative(EINVAL);
  }
  const std::vector<std::uint64_t>& stack = m.environment.task.stack;
  const std::uint64_t skip = r4 & kSkip;
  if (skip >= stack.size()) {
    return negative(EFAULT);
  }
  const std::size_t bytes = std::min<std::size_t>((stack.size() - skip) * 8, size);
  std::memcpy(to, stack.data() + skip, bytes);
  return bytes;
}

}  // namespace kiln
