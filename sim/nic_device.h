// SPDX-License-Identifier: Apache-2.0
//
// Maps, clock and random numbers of a running NIC, as a program that the host goes on with needs them:
// every operation is a request to the NIC's own services, through registers, so that it is atomic to what
// the cores do.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include <kiln/device.h>

#include "nic_driver.h"

namespace kiln::sim {

class NicDevice final : public Device {
 public:
  /// REQUIRES: `port` outlives the object.
  explicit NicDevice(RegisterPort& port) : driver_(port) {}

  /// \param maps  where fetched bytes go; the same set of maps as in the NIC. Outlives the use.
  void attach(MapSet& maps) { maps_ = &maps; }
  /// Map memory of the host's own, where the map engine and it hand values over.
  void set_stage(std::uint32_t offset, std::uint32_t bytes) {
    stage_ = offset;
    stage_bytes_ = bytes;
  }

  bool holds(std::size_t map) const override;
  bool holds_rings() const override { return nic_has_map_type(MapType::kRingbuf); }
  std::optional<std::uint32_t> lookup(std::size_t map, std::span<const std::byte> key, std::uint32_t cpu) override;
  std::int64_t update(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value,
                      std::uint64_t flags, std::uint32_t cpu) override;
  std::int64_t erase(std::size_t map, std::span<const std::byte> key) override;
  std::int64_t push(std::size_t map, std::span<const std::byte> value, std::uint64_t flags) override;
  std::int64_t pop(std::size_t map, std::span<std::byte> value, bool keep) override;
  std::optional<std::uint32_t> ring_reserve(std::size_t map, std::uint64_t size) override;
  void fetch(std::uint32_t offset, std::uint32_t bytes) override;
  void store(std::uint32_t offset, std::uint32_t bytes) override;
  std::uint64_t atomic(std::int32_t operation, std::uint32_t offset, std::uint32_t bytes, std::uint64_t operand,
                       std::uint64_t compare) override;
  void alone_with(std::size_t map, const std::function<void()>& work) override;
  std::uint64_t clock_ns() override { return driver_.clock(); }
  std::uint32_t random() override;

 private:
  /// Whether the map engine has the operation on this map; else the host does it alone.
  bool engine_updates(std::size_t map) const;
  std::uint64_t map_request(Service service, std::size_t map, std::span<const std::byte> key, std::uint64_t data);
  std::int64_t alone(std::size_t map, const std::function<std::int64_t()>& operation);

  NicDriver driver_;
  MapSet* maps_ = nullptr;
  std::uint32_t stage_ = 0, stage_bytes_ = 0;
};

}  // namespace kiln::sim
