// SPDX-License-Identifier: Apache-2.0
//
// Memory for the many short lists of a compilation. While a CompileMemory lives, lists of its thread get theirs from it: pieces of a power of two
// bytes, cut from chunks and kept for reuse when they are given back. Without one, and for large pieces, lists use the heap.
//
// REQUIRES: lists that were filled while a CompileMemory lived are gone before it is, and are its thread's. Under AddressSanitizer all is
// heap, so that nothing hides from it.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

namespace kiln {

class CompileMemory {
 public:
  CompileMemory() noexcept : outer_(current_) { current_ = this; }
  ~CompileMemory() { current_ = outer_; }
  CompileMemory(const CompileMemory&) = delete;
  CompileMemory& operator=(const CompileMemory&) = delete;

  static void* allocate(std::size_t bytes) {
    CompileMemory* const memory = current_;
    return memory == nullptr || bytes > kMostBytes ? ::operator new(bytes) : memory->take(bytes);
  }
  static void release(void* piece, std::size_t bytes) noexcept {
    CompileMemory* const memory = current_;
    if (memory == nullptr || bytes > kMostBytes) {
      ::operator delete(piece);
      return;
    }
    Free* const made = static_cast<Free*>(piece);
    made->next = memory->free_[size_class(bytes)];
    memory->free_[size_class(bytes)] = made;
  }

 private:
  struct Free {
    Free* next;
  };
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t kMostBytes = 0;
#else
  static constexpr std::size_t kMostBytes = 8192;
#endif
  static constexpr std::size_t kLeast = 16, kChunk = 65536;
  static std::size_t size_class(std::size_t bytes) { return bytes <= kLeast ? 4 : static_cast<std::size_t>(std::bit_width(bytes - 1)); }

  void* take(std::size_t bytes) {
    const std::size_t c = size_class(bytes);
    if (Free* const piece = free_[c]; piece != nullptr) {
      free_[c] = piece->next;
      return piece;
    }
    const std::size_t size = std::size_t{1} << c;
    if (left_ < size) {
      chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunk));
      at_ = chunks_.back().get();
      left_ = kChunk;
    }
    std::byte* const piece = at_;
    at_ += size;
    left_ -= size;
    return piece;
  }

  static inline thread_local constinit CompileMemory* current_ = nullptr;
  CompileMemory* outer_;
  std::array<Free*, 14> free_{};  ///< by size class
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::byte* at_ = nullptr;
  std::size_t left_ = 0;
};

template <typename T>
struct CompileAllocator {
  using value_type = T;
  CompileAllocator() = default;
  template <typename U>
  CompileAllocator(const CompileAllocator<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(CompileMemory::allocate(count * sizeof(T))); }
  void deallocate(T* at, std::size_t count) noexcept { CompileMemory::release(at, count * sizeof(T)); }
  template <typename U>
  bool operator==(const CompileAllocator<U>&) const {
    return true;
  }
};

}  // namespace kiln
