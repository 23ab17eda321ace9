// SPDX-License-Identifier: Apache-2.0
//
// Kernel functions about dynptrs: made of a packet; a slice as an address; cut, cloned, copied, filled.
//
// A slice of a packet is the packet itself where its bytes lie together, and else a copy in the caller's buffer.
// Source: kernel/bpf/helpers.c (bpf_dynptr_slice), net/core/filter.c (bpf_dynptr_from_xdp), Linux 6.18.
#include <cerrno>
#include <cstring>

#include "dynptr.h"
#include "kfuncs.h"

namespace kiln {
namespace {

/// Programs that may not store to the packet get a dynptr that is read only. (may_access_direct_pkt_data())
bool writes_packets(ProgramType type) {
  return type == ProgramType::kSchedCls || type == ProgramType::kSchedAct || type == ProgramType::kLwtXmit ||
         type == ProgramType::kSkSkb;
}

/// Where packet bytes [offset, offset + size) lie together; 0: nowhere.
std::uint64_t packet_address(HelperRuntime& m, std::uint64_t offset, std::uint32_t size) {
  constexpr std::uint32_t kFarthest = 0xffff;
  const std::uint64_t linear = m.frame.position.end - m.frame.position.data;
  if (m.skb) {
    return offset + size <= linear ? m.frame.window_address + m.frame.position.data + offset : 0;
  }
  if (offset > kFarthest || size > kFarthest || offset + size > m.packet_length()) {
    return 0;
  }
  if (offset < linear || m.frame.rest == nullptr || m.frame.rest->pieces.empty()) {
    return offset + size <= linear ? m.frame.window_address + m.frame.position.data + offset : 0;
  }
  offset -= linear;
  for (std::size_t piece = 0; piece < m.frame.rest->pieces.size(); ++piece) {
    const std::uint64_t bytes = m.frame.rest->pieces[piece].size();
    if (offset < bytes) {
      return offset + size <= bytes ? m.memory.piece(piece) + offset : 0;
    }
    offset -= bytes;
  }
  return 0;
}

/// bpf_dynptr_slice() without a buffer. \return an address, or 0.
std::uint64_t slice_address(HelperRuntime& m, const Dynptr& dynptr, std::uint32_t offset, std::uint32_t size) {
  if (dynptr.is_null() || !dynptr.holds(offset, size)) {
    return 0;
  }
  switch (dynptr.kind) {
    case DynptrKind::kLocal:
    case DynptrKind::kRingbuf:
      return dynptr.data + dynptr.offset + offset;
    case DynptrKind::kSkb:
    case DynptrKind::kXdp:
      return packet_address(m, std::uint64_t{dynptr.offset} + offset, size);
    case DynptrKind::kNone:
      break;
  }
  return 0;
}

std::uint64_t slice(HelperRuntime& m, std::uint64_t address, std::uint64_t offset, std::uint64_t buffer,
                    std::uint64_t bytes, bool writes) {
  const auto from = static_cast<std::uint32_t>(offset), size = static_cast<std::uint32_t>(bytes);
  const std::optional<Dynptr> dynptr = read_dynptr(m, address);
  if (!dynptr || (writes && dynptr->read_only)) {
    return 0;
  }
  if (const std::uint64_t at = slice_address(m, *dynptr, from, size); at != 0 || buffer == 0) {
    return at;
  }
  const bool packet = dynptr->kind == DynptrKind::kSkb || dynptr->kind == DynptrKind::kXdp;
  if (!packet || dynptr->is_null() || !dynptr->holds(from, size)) {
    return 0;
  }
  std::byte* to = m.write(buffer, size);
  if (to == nullptr) {
    return 0;
  }
  const std::int64_t error = load_dynptr(m, *dynptr, from, {to, size});
  return error != 0 && dynptr->kind == DynptrKind::kSkb ? 0 : buffer;
}

/// __bpf_dynptr_write() and _read().
std::int64_t write_part(HelperRuntime& m, const Dynptr& to, std::uint32_t offset, std::span<const std::byte> bytes) {
  return to.is_null() || to.read_only ? -EINVAL : store_dynptr(m, to, offset, bytes, 0);
}
std::int64_t read_part(HelperRuntime& m, const Dynptr& from, std::uint32_t offset, std::span<std::byte> bytes) {
  return from.is_null() ? -EINVAL : load_dynptr(m, from, offset, bytes);
}

std::uint64_t from_packet(MachineState* machine, std::uint64_t flags, std::uint64_t address, const Dynptr& dynptr) {
  write_dynptr(runtime(machine), address, flags != 0 ? Dynptr{} : dynptr);
  return as_int(flags != 0 ? -EINVAL : 0);
}

std::int64_t copy(HelperRuntime& m, const Dynptr& to, std::uint32_t to_offset, const Dynptr& from,
                  std::uint32_t from_offset, std::uint32_t size) {
  const std::uint64_t source = slice_address(m, from, from_offset, size);
  const std::uint64_t target = to.read_only ? 0 : slice_address(m, to, to_offset, size);
  const std::byte* read = source == 0 ? nullptr : m.read(source, size);
  std::byte* written = target == 0 ? nullptr : m.write(target, size);
  if (m.faulted != 0) {
    return 0;
  }
  if (source != 0 && target != 0) {
    std::memmove(written, read, size);
    return 0;
  }
  if (source != 0) {
    return write_part(m, to, to_offset, {read, size});
  }
  if (target != 0) {
    return read_part(m, from, from_offset, {written, size});
  }
  if (!to.holds(to_offset, size) || !from.holds(from_offset, size)) {
    return -E2BIG;
  }
  constexpr std::uint32_t kChunk = 256;  // overlapping parts are copied as Linux does, chunk after chunk
  std::byte buffer[kChunk];
  for (std::uint32_t done = 0; done < size;) {
    const std::uint32_t step = std::min(kChunk, size - done);
    std::int64_t error = read_part(m, from, from_offset + done, {buffer, step});
    error = error != 0 ? error : write_part(m, to, to_offset + done, {buffer, step});
    if (error != 0) {
      return error;
    }
    done += step;
  }
  return 0;
}

}  // namespace

KILN_DEFINE_KFUNC(bpf_dynptr_from_xdp) {
  const auto size = static_cast<std::uint32_t>(runtime(machine).packet_length());
  return from_packet(machine, r2, r3, {.data = 1, .size = size, .kind = DynptrKind::kXdp});
}

KILN_DEFINE_KFUNC(bpf_dynptr_from_skb) {
  HelperRuntime& m = runtime(machine);
  if (!m.skb) {
    return m.fault("bpf_dynptr_from_skb() where the packet is no struct sk_buff");
  }
  return from_packet(machine, r2, r3, {.data = 1, .size = m.skb->length(), .kind = DynptrKind::kSkb,
                                       .read_only = !writes_packets(m.type)});
}

KILN_DEFINE_KFUNC(bpf_dynptr_slice) { return slice(runtime(machine), r1, r2, r3, r4, false); }
KILN_DEFINE_KFUNC(bpf_dynptr_slice_rdwr) { return slice(runtime(machine), r1, r2, r3, r4, true); }

KILN_DEFINE_KFUNC(bpf_dynptr_adjust) {
  HelperRuntime& m = runtime(machine);
  const auto start = static_cast<std::uint32_t>(r2), end = static_cast<std::uint32_t>(r3);
  std::optional<Dynptr> dynptr = read_dynptr(m, r1);
  if (!dynptr) {
    return 0;
  }
  if (dynptr->is_null() || start > end) {
    return as_int(-EINVAL);
  }
  if (end > dynptr->size) {
    return as_int(-ERANGE);
  }
  dynptr->offset += start;
  dynptr->size = end - start;
  write_dynptr(m, r1, *dynptr);
  return 0;
}

KILN_DEFINE_KFUNC(bpf_dynptr_is_null) {
  const std::optional<Dynptr> dynptr = read_dynptr(runtime(machine), r1);
  return dynptr && dynptr->is_null() ? 1 : 0;
}

KILN_DEFINE_KFUNC(bpf_dynptr_is_rdonly) {
  const std::optional<Dynptr> dynptr = read_dynptr(runtime(machine), r1);
  return dynptr && !dynptr->is_null() && dynptr->read_only ? 1 : 0;
}

KILN_DEFINE_KFUNC(bpf_dynptr_size) {
  const std::optional<Dynptr> dynptr = read_dynptr(runtime(machine), r1);
  return !dynptr || dynptr->is_null() ? as_int(-EINVAL) : dynptr->size;
}

KILN_DEFINE_KFUNC(bpf_dynptr_clone) {
  HelperRuntime& m = runtime(machine);
  const std::optional<Dynptr> dynptr = read_dynptr(m, r1);
  if (!dynptr) {
    return 0;
  }
  write_dynptr(m, r2, dynptr->is_null() ? Dynptr{} : *dynptr);
  return as_int(dynptr->is_null() ? -EINVAL : 0);
}

KILN_DEFINE_KFUNC(bpf_dynptr_copy) {
  HelperRuntime& m = runtime(machine);
  const std::optional<Dynptr> to = read_dynptr(m, r1), from = read_dynptr(m, r3);
  return !to || !from ? 0 : as_int(copy(m, *to, static_cast<std::uint32_t>(r2), *from, static_cast<std::uint32_t>(r4),
                                        static_cast<std::uint32_t>(r5)));
}

KILN_DEFINE_KFUNC(bpf_dynptr_memset) {
  HelperRuntime& m = runtime(machine);
  const auto offset = static_cast<std::uint32_t>(r2), size = static_cast<std::uint32_t>(r3);
  const auto fill = static_cast<std::byte>(r4);
  const std::optional<Dynptr> dynptr = read_dynptr(m, r1);
  if (!dynptr) {
    return 0;
  }
  if (dynptr->read_only) {
    return as_int(-EINVAL);
  }
  if (const std::uint64_t at = slice_address(m, *dynptr, offset, size); at != 0) {
    if (std::byte* to = m.write(at, size)) {
      std::memset(to, std::to_integer<int>(fill), size);
    }
    return 0;
  }
  if (!dynptr->holds(offset, size)) {
    return as_int(-E2BIG);
  }
  const std::vector<std::byte> bytes(size, fill);
  return size == 0 ? 0 : as_int(write_part(m, *dynptr, offset, bytes));
}

}  // namespace kiln
