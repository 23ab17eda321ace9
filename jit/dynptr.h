// SPDX-License-Identifier: Apache-2.0
//
// struct bpf_dynptr on a program's stack: 16 bytes that only helpers read and write.
//
//     byte 0  data: the program's address of the memory; for a packet 1 (it has no one address); 0: null
//          8  bits 23:0 size in bytes, 30:28 kind, 31 read only
//         12  offset of the window in the memory
// Source: include/linux/bpf.h (struct bpf_dynptr_kern), kernel/bpf/helpers.c, Linux 6.18.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "helper_runtime.h"

namespace kiln {

enum class DynptrKind : std::uint32_t { kNone, kLocal, kRingbuf, kSkb, kXdp };

struct Dynptr {
  static constexpr std::size_t kBytes = 16;
  static constexpr std::uint64_t kMaxSize = (1u << 24) - 1;  ///< DYNPTR_MAX_SIZE

  std::uint64_t data = 0;
  std::uint32_t size = 0;
  std::uint32_t offset = 0;
  DynptrKind kind = DynptrKind::kNone;
  bool read_only = false;

  bool is_null() const { return data == 0; }
  /// Whether [from, from + length) lies inside.
  bool holds(std::uint64_t from, std::uint64_t length) const { return length <= size && from <= size - length; }
};

/// nullopt after fault().
std::optional<Dynptr> read_dynptr(HelperRuntime& machine, std::uint64_t address);
void write_dynptr(HelperRuntime& machine, std::uint64_t address, const Dynptr& dynptr);

/// bpf_dynptr_read() and _write() between host memory and a dynptr. \return 0 or a negative errno.
std::int64_t load_dynptr(HelperRuntime& machine, const Dynptr& dynptr, std::uint64_t offset, std::span<std::byte> to);
std::int64_t store_dynptr(HelperRuntime& machine, const Dynptr& dynptr, std::uint64_t offset,
                          std::span<const std::byte> from, std::uint64_t flags);

}  // namespace kiln
