// SPDX-License-Identifier: Apache-2.0
//
// What a program shares with a device when the host goes on with it: maps, clock and random numbers that
// live in the device; and the one who goes on.
//
// While cores of the device run, the host must not work on a copy of their maps. A MapSet that is
// attached to a device sends every operation there; its own arena is then only a place for the bytes
// that the host has fetched and not written back yet.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include <kiln/engine.h>
#include <kiln/run_state.h>

namespace kiln {

/// Maps as they are in a device. Offsets are arena offsets. One thread.
class DeviceMaps {
 public:
  virtual ~DeviceMaps() = default;
  /// Whether the device has the map; the others live in the host's arena alone.
  virtual bool holds(std::size_t map) const = 0;
  virtual bool holds_rings() const = 0;  ///< all ring buffers that programs write, or none

  // As MapSet's, atomic to what the device's cores do. A value that is found has been fetched.
  virtual std::optional<std::uint32_t> lookup(std::size_t map, std::span<const std::byte> key, std::uint32_t cpu) = 0;
  virtual std::int64_t update(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value,
                              std::uint64_t flags, std::uint32_t cpu) = 0;
  virtual std::int64_t erase(std::size_t map, std::span<const std::byte> key) = 0;

  // Maps without keys, as MapSet's.
  virtual std::int64_t push(std::size_t map, std::span<const std::byte> value, std::uint64_t flags) = 0;
  virtual std::int64_t pop(std::size_t map, std::span<std::byte> value, bool keep) = 0;
  virtual std::optional<std::uint32_t> ring_reserve(std::size_t map, std::uint64_t size) = 0;

  /// Brings bytes of the device into the host's arena.
  virtual void fetch(std::uint32_t offset, std::uint32_t bytes) = 0;
  /// Writes bytes of the host's arena to the device; up to 8 bytes at once.
  virtual void store(std::uint32_t offset, std::uint32_t bytes) = 0;
  /// One BPF atomic. \param operation  its imm. \param bytes  4 or 8. \return the old value.
  virtual std::uint64_t atomic(std::int32_t operation, std::uint32_t offset, std::uint32_t bytes,
                               std::uint64_t operand, std::uint64_t compare) = 0;
  /// Fetches a whole map, runs `work` on the host's arena, and writes back what it changed, while the
  /// device's cores wait.
  virtual void alone_with(std::size_t map, const std::function<void()>& work) = 0;
};

class Device : public DeviceMaps {
 public:
  virtual std::uint64_t clock_ns() = 0;
  virtual std::uint32_t random() = 0;  ///< the next of the device's sequence
};

/// Goes on with programs that a device hands over (handover.h).
class Continuation {
 public:
  virtual ~Continuation() = default;
  /// As Engine::load(). \param device  outlives the runs; nullptr: maps, clock and random numbers are the
  /// host's own.
  virtual Result<void> load(const VerifiedObject& object, std::size_t entry, MapSet maps,
                            const Environment& environment, Device* device) = 0;
  /// Runs to the end. The outcome counts the instructions run here. \errors kFault.
  virtual Result<Outcome> resume(const RunState& state) = 0;
  /// Maps that the device does not hold are in it; of the others what was fetched last.
  virtual MapSet& maps() = 0;
};

}  // namespace kiln
