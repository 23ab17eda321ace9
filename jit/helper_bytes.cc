// SPDX-License-Identifier: Apache-2.0
//
// XDP: bytes of the frame by offset, where they lie linear and where they are pieces behind it.
//
// Source: net/core/filter.c (bpf_xdp_pointer, bpf_xdp_copy_buf, bpf_xdp_load_bytes), Linux 6.18.
#include <cerrno>
#include <cstring>

#include "helper_runtime.h"

namespace kiln {
namespace {

/// Calls `copy(at, bytes)` for the parts of [offset, offset + size). REQUIRES: it is inside the frame.
template <typename Copy>
void each_part(FrameMemory& frame, std::uint64_t offset, std::uint64_t size, Copy&& copy) {
  const auto part = [&](std::byte* at, std::uint64_t bytes) {
    if (offset >= bytes) {
      offset -= bytes;
      return;
    }
    const std::uint64_t take = std::min(size, bytes - offset);
    copy(at + offset, take);
    offset = 0;
    size -= take;
  };
  part(frame.window + frame.position.data, frame.position.end - frame.position.data);
  for (std::size_t i = 0; frame.rest != nullptr && size != 0 && i < frame.rest->pieces.size(); ++i) {
    part(frame.rest->pieces[i].data(), frame.rest->pieces[i].size());
  }
}

/// bpf_xdp_pointer()'s checks. \return 0 or a negative errno.
std::int64_t check_range(const HelperRuntime& m, std::uint32_t offset, std::uint32_t size) {
  if (offset > 0xffff || size > 0xffff) {
    return -EFAULT;
  }
  return std::uint64_t{offset} + size > m.packet_length() ? -EINVAL : 0;
}

}  // namespace

std::uint64_t HelperRuntime::packet_length() const {
  std::uint64_t bytes = frame.position.end - frame.position.data;
  if (frame.rest != nullptr) {
    bytes += frame.rest->bytes();
  }
  return bytes;
}

std::int64_t HelperRuntime::load_packet(std::uint32_t offset, std::span<std::byte> to) {
  if (const std::int64_t error = check_range(*this, offset, static_cast<std::uint32_t>(to.size())); error != 0) {
    return error;
  }
  std::byte* next = to.data();
  each_part(frame, offset, to.size(), [&](const std::byte* at, std::uint64_t bytes) {
    std::memcpy(next, at, bytes);
    next += bytes;
  });
  return 0;
}

std::int64_t HelperRuntime::store_packet(std::uint32_t offset, std::span<const std::byte> from) {
  if (const std::int64_t error = check_range(*this, offset, static_cast<std::uint32_t>(from.size())); error != 0) {
    return error;
  }
  const std::byte* next = from.data();
  each_part(frame, offset, from.size(), [&](std::byte* at, std::uint64_t bytes) {
    std::memmove(at, next, bytes);
    next += bytes;
  });
  return 0;
}

KILN_DEFINE_HELPER(xdp_get_buff_len) { return runtime(machine).packet_length(); }

KILN_DEFINE_HELPER(xdp_load_bytes) {
  HelperRuntime& m = runtime(machine);
  const auto size = static_cast<std::uint32_t>(r4);
  std::byte* to = m.write(r3, size);
  return to == nullptr ? 0 : static_cast<std::uint64_t>(m.load_packet(static_cast<std::uint32_t>(r2), {to, size}));
}

KILN_DEFINE_HELPER(xdp_store_bytes) {
  HelperRuntime& m = runtime(machine);
  const auto size = static_cast<std::uint32_t>(r4);
  const std::byte* from = m.read(r3, size);
  return from == nullptr ? 0 : static_cast<std::uint64_t>(m.store_packet(static_cast<std::uint32_t>(r2), {from, size}));
}

}  // namespace kiln
