// SPDX-License-Identifier: Apache-2.0
//
// Kernel functions about memory and maps: objects that a program allocates, reads of any address into a dynptr, and
// how many elements a map has.
//
// Objects live until the program gives them back, within its run: nothing could keep them longer. They are zero at
// first. Source: kernel/bpf/helpers.c (bpf_obj_new_impl), kernel/trace/bpf_trace.c (__bpf_dynptr_copy),
// kernel/bpf/map_iter.c, Linux 6.18.
#include <cerrno>

#include <kiln/map_kinds.h>

#include "dynptr.h"
#include "kfuncs.h"

namespace kiln {
namespace {

/// Linux counts the elements of these.
bool counts_elements(MapType type) {
  return type == MapType::kHash || type == MapType::kPercpuHash || is_lru(type) || type == MapType::kHashOfMaps;
}

/// Bytes at any address; empty: they can't be read.
std::vector<std::byte> read_any(HelperRuntime& m, std::uint64_t from, std::uint32_t size) {
  const std::byte* at = m.memory.checked(from, size, Access::kRead);
  return at == nullptr ? std::vector<std::byte>() : std::vector<std::byte>(at, at + size);
}

/// A string with its zero byte; cut, it has one too.
std::vector<std::byte> read_any_text(HelperRuntime& m, std::uint64_t from, std::uint32_t size) {
  std::vector<std::byte> text;
  while (text.size() < size) {
    const std::byte* at = m.memory.checked(from + text.size(), 1, Access::kRead);
    if (at == nullptr) {
      return {};
    }
    text.push_back(text.size() + 1 == size ? std::byte{0} : *at);
    if (text.back() == std::byte{0}) {
      break;
    }
  }
  return text;
}

std::uint64_t probe(MachineState* machine, std::uint64_t dynptr_address, std::uint64_t offset, std::uint64_t bytes,
                    std::uint64_t from, bool is_text) {
  HelperRuntime& m = runtime(machine);
  const auto at = static_cast<std::uint32_t>(offset), size = static_cast<std::uint32_t>(bytes);
  const std::optional<Dynptr> dynptr = read_dynptr(m, dynptr_address);
  if (!dynptr) {
    return 0;
  }
  if (!dynptr->holds(at, size)) {
    return as_int(-E2BIG);
  }
  if (size == 0) {
    return 0;
  }
  const std::vector<std::byte> read = is_text ? read_any_text(m, from, size) : read_any(m, from, size);
  if (read.empty()) {
    return as_int(-EFAULT);
  }
  const std::int64_t error = dynptr->read_only ? -EINVAL : store_dynptr(m, *dynptr, at, read, 0);
  return as_int(error != 0 || !is_text ? error : static_cast<std::int64_t>(read.size()));
}

}  // namespace

KILN_DEFINE_KFUNC(bpf_obj_new_impl) { return runtime(machine).allocate(r1); }
KILN_DEFINE_KFUNC(bpf_obj_drop_impl) {
  runtime(machine).give_object_back();
  return 0;
}

KILN_DEFINE_KFUNC(bpf_probe_read_kernel_dynptr) { return probe(machine, r1, r2, r3, r4, false); }
KILN_DEFINE_KFUNC(bpf_probe_read_user_dynptr) { return probe(machine, r1, r2, r3, r4, false); }
KILN_DEFINE_KFUNC(bpf_probe_read_kernel_str_dynptr) { return probe(machine, r1, r2, r3, r4, true); }
KILN_DEFINE_KFUNC(bpf_probe_read_user_str_dynptr) { return probe(machine, r1, r2, r3, r4, true); }

KILN_DEFINE_KFUNC(bpf_map_sum_elem_count) {
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(r1);
  if (!map || !counts_elements(m.maps.spec(*map).type)) {
    return 0;
  }
  std::uint64_t count = 0;
  m.maps.for_each(*map, [&count](std::span<const std::byte>, std::span<const std::byte>) { ++count; });
  return count;
}

}  // namespace kiln
