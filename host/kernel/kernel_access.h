// SPDX-License-Identifier: Apache-2.0
//
// What every part of the kernel engine needs: descriptors, errors, availability, one processor.
#pragma once

#include <sched.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <kiln/result.h>

namespace kiln::kernel {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// "No such file or directory".
std::string errno_text(int error);

/// A name that BPF_MAP_CREATE and BPF_PROG_LOAD take: 15 letters, digits, '_' and '.'.
std::string kernel_name(std::string_view name);

/// Whether maps can be made and XDP programs loaded here. \errors kUnavailable with the reason.
Result<void> check_available();

/// `r0 = XDP_DROP; exit`: what running a program costs before it does anything.
Result<Fd> load_empty_program();

/// Processors that the kernel keeps per-CPU values for.
std::uint32_t possible_cpus();

/// The processor that programs run on: 0, or the first that this thread may use.
std::uint32_t choose_cpu();

/// Keeps the calling thread on one processor for as long as it lives.
class PinnedTo {
 public:
  explicit PinnedTo(std::uint32_t cpu);
  ~PinnedTo();
  PinnedTo(const PinnedTo&) = delete;
  PinnedTo& operator=(const PinnedTo&) = delete;

 private:
  cpu_set_t before_;
  bool changed_ = false;
};

}  // namespace kiln::kernel
