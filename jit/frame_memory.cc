// SPDX-License-Identifier: Apache-2.0
#include "frame_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "skb.h"

namespace kiln {

namespace {

/// Below 2 GiB, or MAP_FAILED.
void* map_low(std::size_t bytes) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS;
#if defined(MAP_32BIT)
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags | MAP_32BIT, -1, 0);
#else
  // Elsewhere Linux has no such flag: ask for one place after another.
  constexpr std::uintptr_t kFirst = 256u << 20, kEnd = 2048u << 20, kStep = 1u << 20;
  for (std::uintptr_t place = kFirst; place + bytes <= kEnd; place += kStep) {
    void* wanted = reinterpret_cast<void*>(place);  // NOLINT(performance-no-int-to-ptr)
    void* at = ::mmap(wanted, bytes, PROT_READ | PROT_WRITE, kFlags | MAP_FIXED_NOREPLACE, -1, 0);
    if (at == wanted) {
      return at;
    }
    if (at != MAP_FAILED) {
      ::munmap(at, bytes);  // kernels before 4.17 take the address as a hint
    }
  }
  return MAP_FAILED;
#endif
}

}  // namespace

Result<LowPages> LowPages::map(std::size_t bytes) {
  void* at = map_low(bytes);
  if (at == MAP_FAILED) {
    return Error{Errc::kUnavailable,
                 fmt::format("no {} bytes of memory below 2 GiB for packet buffers: {}", bytes, std::strerror(errno))};
  }
  LowPages pages;
  pages.data_ = static_cast<std::byte*>(at);
  pages.bytes_ = bytes;
  return pages;
}

LowPages::LowPages(LowPages&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

LowPages& LowPages::operator=(LowPages&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

LowPages::~LowPages() {
  if (data_ != nullptr) {
    ::munmap(data_, bytes_);
  }
}

void FrameMemory::publish_skb() {
  context[SkbField::kData / 4] = static_cast<std::uint32_t>(window_address + position.data);
  context[SkbField::kDataEnd / 4] = static_cast<std::uint32_t>(window_address + position.end);
  context[SkbField::kDataMeta / 4] = static_cast<std::uint32_t>(window_address + position.meta);
}

void FrameMemory::begin(const Frame& frame) {
  const std::size_t linear = std::min<std::size_t>(frame.data.size(), max_frame(window_bytes));
  position = {};
  position.end += static_cast<std::uint32_t>(linear);
  std::memcpy(window + position.data, frame.data.data(), linear);
  if (rest != nullptr) {
    rest->pieces.clear();
    for (std::size_t at = linear; at < frame.data.size(); at += FrameRest::kPieceBytes) {
      const std::size_t bytes = std::min(FrameRest::kPieceBytes, frame.data.size() - at);
      rest->pieces.emplace_back(frame.data.begin() + static_cast<std::ptrdiff_t>(at),
                                frame.data.begin() + static_cast<std::ptrdiff_t>(at + bytes));
    }
  }
  publish();
  context[address::kCtxIngressIfindex / 4] = frame.ingress_ifindex;
  context[address::kCtxRxQueueIndex / 4] = frame.rx_queue;
  context[address::kCtxEgressIfindex / 4] = 0;
}

Result<void> check_length(const Frame& frame, std::size_t longest) {
  if (frame.data.size() < kMinFrame || frame.data.size() > longest) {
    return Error{Errc::kInput, fmt::format("frame of {} bytes: an engine takes {} to {}", frame.data.size(), kMinFrame,
                                           longest)};
  }
  return {};
}

}  // namespace kiln
