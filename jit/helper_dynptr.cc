// SPDX-License-Identifier: Apache-2.0
#include "dynptr.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kiln {
namespace {

constexpr std::uint32_t kSizeMask = Dynptr::kMaxSize, kKindShift = 28, kReadOnly = 1u << 31;

}  // namespace

std::optional<Dynptr> read_dynptr(HelperRuntime& m, std::uint64_t address) {
  const std::byte* at = m.read(address, Dynptr::kBytes);
  if (at == nullptr) {
    return std::nullopt;
  }
  Dynptr dynptr;
  std::uint32_t word = 0;
  std::memcpy(&dynptr.data, at, 8);
  std::memcpy(&word, at + 8, 4);
  std::memcpy(&dynptr.offset, at + 12, 4);
  dynptr.size = word & kSizeMask;
  dynptr.kind = static_cast<DynptrKind>(word >> kKindShift & 7);
  dynptr.read_only = (word & kReadOnly) != 0;
  return dynptr;
}

void write_dynptr(HelperRuntime& m, std::uint64_t address, const Dynptr& dynptr) {
  std::byte* at = m.write(address, Dynptr::kBytes);
  if (at == nullptr) {
    return;
  }
  const std::uint32_t word = dynptr.size | static_cast<std::uint32_t>(dynptr.kind) << kKindShift |
                             (dynptr.read_only ? kReadOnly : 0);
  std::memcpy(at, &dynptr.data, 8);
  std::memcpy(at + 8, &word, 4);
  std::memcpy(at + 12, &dynptr.offset, 4);
}

std::int64_t load_dynptr(HelperRuntime& m, const Dynptr& dynptr, std::uint64_t offset, std::span<std::byte> to) {
  if (!dynptr.holds(offset, to.size())) {
    return -E2BIG;
  }
  const std::uint64_t from = dynptr.offset + offset;
  switch (dynptr.kind) {
    case DynptrKind::kLocal:
    case DynptrKind::kRingbuf: {
      const std::byte* at = m.read(dynptr.data + from, to.size());
      if (at != nullptr && !to.empty()) {
        std::memmove(to.data(), at, to.size());
      }
      return 0;
    }
    case DynptrKind::kSkb:
      if (from + to.size() > m.skb->length()) {
        return -EFAULT;
      }
      std::copy_n(m.skb->data() + from, to.size(), to.data());
      return 0;
    case DynptrKind::kXdp:
      return m.load_packet(static_cast<std::uint32_t>(from), to);
    case DynptrKind::kNone:
      break;
  }
  return -EFAULT;
}

std::int64_t store_dynptr(HelperRuntime& m, const Dynptr& dynptr, std::uint64_t offset,
                          std::span<const std::byte> bytes, std::uint64_t flags) {
  if (!dynptr.holds(offset, bytes.size())) {
    return -E2BIG;
  }
  const std::uint64_t to = dynptr.offset + offset;
  switch (dynptr.kind) {
    case DynptrKind::kLocal:
    case DynptrKind::kRingbuf: {
      if (flags != 0) {
        return -EINVAL;
      }
      std::byte* at = m.write(dynptr.data + to, bytes.size());
      if (at != nullptr && !bytes.empty()) {
        std::memmove(at, bytes.data(), bytes.size());
      }
      return 0;
    }
    case DynptrKind::kSkb:
      if ((flags & ~std::uint64_t{3}) != 0) {
        return -EINVAL;
      }
      if (to + bytes.size() > m.skb->length()) {
        return -EFAULT;
      }
      std::copy(bytes.begin(), bytes.end(), m.skb->data() + to);
      return 0;
    case DynptrKind::kXdp:
      return flags != 0 ? -EINVAL : m.store_packet(static_cast<std::uint32_t>(to), bytes);
    case DynptrKind::kNone:
      break;
  }
  return -EFAULT;
}

KILN_DEFINE_HELPER(dynptr_from_mem) {
  HelperRuntime& m = runtime(machine);
  const auto size = static_cast<std::uint32_t>(r2);
  std::int64_t error = 0;
  Dynptr dynptr;
  if (size > Dynptr::kMaxSize) {
    error = -E2BIG;
  } else if (r3 != 0) {
    error = -EINVAL;
  } else {
    dynptr = {.data = r1, .size = size, .offset = 0, .kind = DynptrKind::kLocal};
  }
  write_dynptr(m, r4, dynptr);
  return static_cast<std::uint64_t>(error);
}

KILN_DEFINE_HELPER(dynptr_read) {
  HelperRuntime& m = runtime(machine);
  const std::optional<Dynptr> dynptr = read_dynptr(m, r3);
  std::byte* to = r2 == 0 ? nullptr : m.write(r1, r2);
  if (m.faulted != 0) {
    return 0;
  }
  if (dynptr->is_null() || r5 != 0) {
    return negative(EINVAL);
  }
  return static_cast<std::uint64_t>(load_dynptr(m, *dynptr, r4, {to, r2}));
}

KILN_DEFINE_HELPER(dynptr_write) {
  HelperRuntime& m = runtime(machine);
  const std::optional<Dynptr> dynptr = read_dynptr(m, r1);
  const std::byte* from = r4 == 0 ? nullptr : m.read(r3, r4);
  if (m.faulted != 0) {
    return 0;
  }
  if (dynptr->is_null() || dynptr->read_only) {
    return negative(EINVAL);
  }
  return static_cast<std::uint64_t>(store_dynptr(m, *dynptr, r2, {from, r4}, r5));
}

KILN_DEFINE_HELPER(dynptr_data) {
  const std::optional<Dynptr> dynptr = read_dynptr(runtime(machine), r1);
  const bool in_memory = dynptr && (dynptr->kind == DynptrKind::kLocal || dynptr->kind == DynptrKind::kRingbuf);
  if (!in_memory || dynptr->is_null() || dynptr->read_only || !dynptr->holds(r2, r3)) {
    return 0;
  }
  return dynptr->data + dynptr->offset + r2;
}

}  // namespace kiln
