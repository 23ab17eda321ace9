// SPDX-License-Identifier: Apache-2.0
//
// Memory for the many lists of a compilation. While a CompileMemory lives, lists of its thread get theirs from it: pieces of a power of two
// bytes, cut from chunks and kept for reuse when they are given back. Without one, lists use the heap.
//
// A thread keeps up to 4 MiB of chunks for its next compilation: fresh pages cost more than what is done on them.
// REQUIRES: lists that were filled while a CompileMemory lived are gone before it is, and are its thread's. Under AddressSanitizer all is
// heap, so that nothing hides from it.
#pragma once

#include <algorithm>
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
  CompileMemory() noexcept : outer_(current_), next_(outer_ != nullptr ? outer_->next_ : 0) { current_ = this; }
  ~CompileMemory() {
    current_ = outer_;
    if (outer_ == nullptr) {
      keep_some();
    }
  }
  CompileMemory(const CompileMemory&) = delete;
  CompileMemory& operator=(const CompileMemory&) = delete;

  static void* allocate(std::size_t bytes) {
    CompileMemory* const memory = current_;
    return memory == nullptr || !kFromChunks ? ::operator new(bytes) : memory->take(bytes);
  }
  static void release(void* piece, std::size_t bytes) noexcept {
    CompileMemory* const memory = current_;
    if (memory == nullptr || !kFromChunks) {
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
  struct Chunk {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };
#if defined(__SANITIZE_ADDRESS__)
  static constexpr bool kFromChunks = false;
#else
  static constexpr bool kFromChunks = true;
#endif
  static constexpr std::size_t kLeast = 16, kChunk = std::size_t{256} << 10, kKept = std::size_t{4} << 20;
  static std::size_t size_class(std::size_t bytes) { return bytes <= kLeast ? 4 : static_cast<std::size_t>(std::bit_width(bytes - 1)); }

  void* take(std::size_t bytes) {
    const std::size_t c = size_class(bytes);
    if (Free* const piece = free_[c]; piece != nullptr) {
      free_[c] = piece->next;
      return piece;
    }
    const std::size_t size = std::size_t{1} << c;
    if (left_ < size) {
      open_chunk(size);
    }
    std::byte* const piece = at_;
    at_ += size;
    left_ -= size;
    return piece;
  }
  /// The next one of the thread that has the room, or a new one.
  void open_chunk(std::size_t size) {
    while (next_ < chunks_.size() && chunks_[next_].size < size) {
      ++next_;
    }
    if (next_ == chunks_.size()) {
      const std::size_t room = std::max(size, kChunk);
      chunks_.push_back({std::make_unique_for_overwrite<std::byte[]>(room), room});
    }
    at_ = chunks_[next_].bytes.get();
    left_ = chunks_[next_].size;
    ++next_;
  }
  static void keep_some() {
    std::size_t kept = 0;
    std::erase_if(chunks_, [&](const Chunk& chunk) {
      kept += chunk.size;
      return kept > kKept;
    });
  }

  static inline thread_local constinit CompileMemory* current_ = nullptr;
  static inline thread_local std::vector<Chunk> chunks_;  ///< of the thread, in use up to the innermost CompileMemory's next_
  CompileMemory* outer_;
  std::size_t next_;
  std::array<Free*, 64> free_{};  ///< by size class
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
