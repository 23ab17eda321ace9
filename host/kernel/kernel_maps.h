// SPDX-License-Identifier: Apache-2.0
//
// An object's maps in the kernel: created, filled from a MapSet, read back into one.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <kiln/engine.h>
#include <kiln/map_set.h>

#include "event_rings.h"
#include "kernel_access.h"

namespace kiln::kernel {

class KernelMaps {
 public:
  /// \param specs  outlive it. \param btf  descriptor of the object's BTF, or -1: what locks and timers in
  ///        values need. \errors kUnsupported naming the map that the kernel does not make.
  static Result<KernelMaps> create(std::span<const MapSpec> specs, int btf = -1);

  /// Descriptors by map index, for fd_array.
  std::span<const int> fds() const { return fds_; }

  /// Puts the object's read-only data in place and freezes it, so that the verifier knows its
  /// values.
  Result<void> fill_readonly();

  /// Puts everything else in place, but for prog arrays.
  /// \param cpu  processor whose per-CPU values are those of processor 0 of `maps`.
  /// \errors kUnsupported for devices, sockets and processors that are not here.
  Result<void> fill(const MapSet& maps, std::uint32_t cpu);

  /// \param program_fd  descriptor of a loaded program.
  Result<void> fill_prog_slot(std::size_t map, std::uint32_t key, int program_fd);

  /// Records that came since the last time: of perf events by slot, then of ring buffers.
  void drain(std::vector<Event>& events);
  bool has_rings() const { return !ring_buffers_.empty(); }
  void empty_rings();  ///< reads them, and forgets what was read

  /// Writes what programs can change into `maps`, which has the rest already.
  Result<void> read_back(MapSet& maps, std::uint32_t cpu) const;

 private:
  Result<void> create_one(std::size_t map, int btf);
  Result<void> fill_one(const MapSet& maps, std::size_t map, std::uint32_t cpu);
  Result<void> put_slot(std::size_t map, std::span<const std::byte> key,
                        std::span<const std::byte> value, std::uint32_t cpu);
  Result<void> open_socket(std::size_t map, std::span<const std::byte> key);
  Result<void> open_perf_event(std::size_t map, std::span<const std::byte> key, std::uint32_t cpu);
  Error error(std::size_t map, std::string_view what, int code) const;

  std::span<const MapSpec> specs_;
  std::vector<Fd> owned_;  ///< maps by index, then sockets and perf events
  std::vector<PerfRing> perf_rings_;
  std::vector<RingBuffer> ring_buffers_;
  std::vector<int> fds_;
};

}  // namespace kiln::kernel
