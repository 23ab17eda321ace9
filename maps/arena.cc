// SPDX-License-Identifier: Apache-2.0
//
// The arena's block comes from mmap: zero, page-aligned, and only there once touched. Below 2 GiB where there is room, so that
// machine code can name an address in 32 bits.
#include <sys/mman.h>

#include <cstring>
#include <utility>

#include <kiln/arena.h>
#include <kiln/result.h>

namespace kiln {

Arena::Arena(std::size_t bytes) : size_(bytes) {
  if (bytes == 0) {
    return;
  }
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* block = MAP_FAILED;
#if defined(MAP_32BIT)
  constexpr std::size_t kMostBelow = 64u << 20;  // leaves room for others
  if (bytes <= kMostBelow) {
    block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags | MAP_32BIT, -1, 0);
  }
#endif
  if (block == MAP_FAILED) {
    block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  }
  KILN_CHECK(block != MAP_FAILED);
  data_ = static_cast<std::byte*>(block);
}

Arena::~Arena() {
  if (data_ != nullptr) {
    munmap(data_, size_);
  }
}

Arena::Arena(const Arena& other) : Arena(other.size_) {
  // Pages that are zero on both sides stay untouched on this one.
  constexpr std::size_t kPage = 4096;
  for (std::size_t at = 0; at < size_; at += kPage) {
    const std::size_t bytes = std::min(kPage, size_ - at);
    const std::byte* from = other.data_ + at;
    const bool zero = from[0] == std::byte{0} && std::memcmp(from, from + 1, bytes - 1) == 0;
    if (!zero) {
      std::memcpy(data_ + at, from, bytes);
    }
  }
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Arena& Arena::operator=(const Arena& other) {
  if (this != &other) {
    *this = Arena(other);
  }
  return *this;
}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace kiln
