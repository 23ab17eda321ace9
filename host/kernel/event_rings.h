// SPDX-License-Identifier: Apache-2.0
//
// Buffers that the kernel writes records for user space into: those of perf events and BPF ring buffers.
//
// Both are read after each run. What a program wrote beyond a perf buffer's size in one run is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>

namespace kiln::kernel {

using RecordVisitor = std::function<void(std::span<const std::byte>)>;

/// Memory mapped from a file descriptor.
class Mapping {
 public:
  Mapping() = default;
  /// May fail: look at operator bool.
  Mapping(int fd, std::size_t bytes, int protection, std::size_t offset);
  Mapping(Mapping&& other) noexcept : at_(std::exchange(other.at_, nullptr)), bytes_(other.bytes_) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping();
  explicit operator bool() const { return at_ != nullptr; }
  std::byte* at() const { return at_; }

 private:
  std::byte* at_ = nullptr;
  std::size_t bytes_ = 0;
};

/// The buffer of a perf event with PERF_SAMPLE_RAW. The kernel overwrites the oldest, so nothing fails for lack of room.
class PerfRing {
 public:
  /// \param map, index  where the event is: of a perf event array, as the MapSet counts.
  PerfRing(int perf_event, std::size_t map, std::uint32_t index);
  explicit operator bool() const { return static_cast<bool>(pages_); }
  /// The raw data of what came since the last time, with the kernel's padding.
  void drain(const RecordVisitor& visit);

  std::size_t map = 0;
  std::uint32_t index = 0;

 private:
  Mapping pages_;
  std::uint64_t seen_ = 0;
};

/// A BPF_MAP_TYPE_RINGBUF.
class RingBuffer {
 public:
  RingBuffer(int map_fd, std::size_t map, std::size_t bytes);
  explicit operator bool() const { return consumer_ && producer_; }
  void drain(const RecordVisitor& visit);

  std::size_t map = 0;

 private:
  Mapping consumer_, producer_;
  std::uint64_t mask_;
};

}  // namespace kiln::kernel
