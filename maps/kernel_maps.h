// SPDX-License-Identifier: Apache-2.0
//
// For tests: a map in the real kernel, used from user space and from a program, one call at a time.
//
// The program takes its request from a one-element array: operation, flags, key, value.
#pragma once

#include <linux/bpf.h>

#include <map>
#include <random>
#include <string>

#include "test_maps.h"

namespace kiln::test {

struct ByBytes {
  bool operator()(const ByteVector& a, const ByteVector& b) const {
    return std::memcmp(a.data(), b.data(), std::min(a.size(), b.size())) < 0;  // all of one size
  }
};
using Contents = std::map<ByteVector, ByteVector, ByBytes>;

/// Empty, or why the kernel can't be asked (no bpf(2), no permission).
std::string why_no_kernel();

/// Operations of one comparison: few in a test run, or what KILN_MAP_STEPS in the environment says.
int steps_of_a_comparison();
ByteVector random_bytes(std::size_t size, std::mt19937& random);

/// Runs on one processor from here on, and tells which.
std::uint32_t pin_to_one_cpu();

class KernelMap {
 public:
  explicit KernelMap(const MapSpec& spec, int inner_fd = -1);
  ~KernelMap();
  KernelMap(const KernelMap&) = delete;
  KernelMap& operator=(const KernelMap&) = delete;

  int fd() const { return fd_; }
  int user_update(const ByteVector& key, const ByteVector& value, std::uint64_t flags) const;
  int user_erase(const ByteVector& key) const;
  int user_read(const ByteVector& key, ByteVector& value, std::uint64_t flags) const;
  int user_read_and_erase(const ByteVector& key, ByteVector& value, std::uint64_t flags) const;
  std::optional<ByteVector> user_lookup(const ByteVector& key) const;

  // From a program. REQUIRES: the verifier lets programs do this to the map.
  int update(const ByteVector& key, const ByteVector& value, std::uint64_t flags);
  int erase(const ByteVector& key);
  bool lookup(const ByteVector& key);
  // Maps without keys; `value` is read and written.
  int push(const ByteVector& value, std::uint64_t flags);
  int pop(ByteVector& value);
  int peek(ByteVector& value);
  // Ring buffers: bpf_ringbuf_output(), bpf_ringbuf_query(), and reserve + submit or discard of `size` bytes.
  int ring_output(const ByteVector& record, std::uint64_t flags);
  int ring_query(std::uint64_t what);

  /// All elements; padding of per-CPU values zeroed, LPM keys masked.
  Contents contents() const;

 private:
  enum Operation : std::uint32_t { kUpdate = 1, kErase = 2, kLookup = 3, kPush = 1, kPop = 2, kPeek = 3, kOutput = 1, kQuery = 2 };
  int call(Operation operation, const ByteVector& key, const ByteVector& value, std::uint64_t flags,
           ByteVector* value_after = nullptr);
  void load_program();

  MapSpec spec_;
  int fd_ = -1;
  int request_fd_ = -1;
  int program_fd_ = -1;
  std::uint32_t value_at_ = 0;      ///< offset of the value in a request
  std::uint32_t request_bytes_ = 0;
  std::uint32_t value_bytes_ = 0;   ///< of a request
  std::size_t user_value_bytes_ = 0;
};

}  // namespace kiln::test
