// SPDX-License-Identifier: Apache-2.0
//
// Holding a map's lock, and words of the arena that several threads touch.
#pragma once

#include <cstddef>
#include <cstdint>

#include <kiln/map_lock.h>

namespace kiln::detail {

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

inline void acquire(std::atomic<std::uint32_t>& word) {
  while (word.exchange(1, std::memory_order_acquire) != 0) {
    while (word.load(std::memory_order_relaxed) != 0) {
      cpu_relax();
    }
  }
}

/// Holds a map's lock while it lives; without one (nullptr) it does nothing.
class Guard {
 public:
  explicit Guard(MapLock* lock) : lock_(lock) {
    if (lock_ != nullptr) {
      acquire(lock_->held);
      lock_->version.fetch_add(1, std::memory_order_acq_rel);
    }
  }
  ~Guard() {
    if (lock_ != nullptr) {
      lock_->version.fetch_add(1, std::memory_order_release);
      lock_->held.store(0, std::memory_order_release);
    }
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  MapLock* lock_;
};

/// The same for who only looks: nobody's structure changes meanwhile, and nobody is told of a change.
class ReadGuard {
 public:
  explicit ReadGuard(MapLock* lock) : lock_(lock) {
    if (lock_ != nullptr) {
      acquire(lock_->held);
    }
  }
  ~ReadGuard() {
    if (lock_ != nullptr) {
      lock_->held.store(0, std::memory_order_release);
    }
  }
  ReadGuard(const ReadGuard&) = delete;
  ReadGuard& operator=(const ReadGuard&) = delete;

 private:
  MapLock* lock_;
};

// Words that other threads may read or write meanwhile. On x86-64 these are plain loads and stores.
// `aliased` because values of the arena have no type of their own.
template <typename Word>
struct Aliased {
  typedef Word type __attribute__((may_alias));
};

template <typename Word>
Word load_shared(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const typename Aliased<Word>::type*>(at), __ATOMIC_RELAXED);
}
template <typename Word>
Word load_acquire(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const typename Aliased<Word>::type*>(at), __ATOMIC_ACQUIRE);
}
template <typename Word>
void store_shared(std::byte* at, Word word) {
  __atomic_store_n(reinterpret_cast<typename Aliased<Word>::type*>(at), word, __ATOMIC_RELAXED);
}
template <typename Word>
void store_release(std::byte* at, Word word) {
  __atomic_store_n(reinterpret_cast<typename Aliased<Word>::type*>(at), word, __ATOMIC_RELEASE);
}

}  // namespace kiln::detail
