// SPDX-License-Identifier: Apache-2.0
//
// Locks in map values: bpf_spin_lock(), and bpf_res_spin_lock(), which gives up rather than wait for ever.
//
// The word is 1 while somebody holds it, as for updates with BPF_F_LOCK (maps/value.h). Several threads may run on
// the same maps. Source: kernel/bpf/helpers.c (__bpf_spin_lock), kernel/bpf/rqspinlock.c, Linux 6.18.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "kfuncs.h"

namespace kiln {
namespace {

constexpr std::uint64_t kLockBytes = 4;  // struct bpf_spin_lock, struct bpf_res_spin_lock
constexpr std::uint32_t kQuickTries = 1000;
constexpr std::uint32_t kTries = 1 << 20;  // after the quick ones, giving the processor away each time

/// nullptr after fault().
std::uint32_t* lock_word(HelperRuntime& m, std::uint64_t address) {
  std::byte* at = m.write(address, kLockBytes);
  if (at != nullptr && reinterpret_cast<std::uintptr_t>(at) % kLockBytes != 0) {
    m.fault("a lock at an odd address");
    return nullptr;
  }
  return reinterpret_cast<std::uint32_t*>(at);
}

bool take(std::uint32_t* word) {
  const std::atomic_ref<std::uint32_t> lock(*word);
  for (std::uint32_t i = 0; i < kQuickTries + kTries; ++i) {
    if (lock.load(std::memory_order_relaxed) == 0 && lock.exchange(1, std::memory_order_acquire) == 0) {
      return true;
    }
    if (i >= kQuickTries) {
      std::this_thread::yield();
    }
  }
  return false;
}

/// \return the word that is free now, or nullptr after fault().
const std::uint32_t* give(HelperRuntime& m, std::uint64_t address) {
  std::uint32_t* word = lock_word(m, address);
  if (word != nullptr) {
    std::atomic_ref<std::uint32_t>(*word).store(0, std::memory_order_release);
  }
  return word;
}

std::uint64_t take_or_give_up(HelperRuntime& m, std::uint64_t address) {
  std::uint32_t* word = lock_word(m, address);
  if (word == nullptr) {
    return 0;
  }
  if (std::find(m.res_locks.begin(), m.res_locks.end(), word) != m.res_locks.end()) {
    return as_int(-EDEADLK);
  }
  if (!take(word)) {
    return as_int(-ETIMEDOUT);
  }
  m.res_locks.push_back(word);
  return 0;
}

void give_back(HelperRuntime& m, std::uint64_t address) {
  std::erase(m.res_locks, give(m, address));
}

}  // namespace

KILN_DEFINE_HELPER(spin_lock) {
  HelperRuntime& m = runtime(machine);
  std::uint32_t* word = lock_word(m, r1);
  if (word != nullptr && !take(word)) {
    m.fault("bpf_spin_lock() waits for a lock that nobody gives back");
  }
  return 0;
}

KILN_DEFINE_HELPER(spin_unlock) {
  give(runtime(machine), r1);
  return 0;
}

KILN_DEFINE_KFUNC(bpf_res_spin_lock) { return take_or_give_up(runtime(machine), r1); }
KILN_DEFINE_KFUNC(bpf_res_spin_unlock) {
  give_back(runtime(machine), r1);
  return 0;
}
KILN_DEFINE_KFUNC(bpf_res_spin_lock_irqsave) { return take_or_give_up(runtime(machine), r1); }
KILN_DEFINE_KFUNC(bpf_res_spin_unlock_irqrestore) {
  give_back(runtime(machine), r1);
  return 0;
}

}  // namespace kiln
