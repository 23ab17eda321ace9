// SPDX-License-Identifier: Apache-2.0
//
// From an address in a program's register to bytes of the host: the one memory interface of both CPU engines
// and of every helper.
//
// Each region has a base in the program's address space: the tags of address.h for the interpreter, the
// host's own addresses for the JIT. Checked, an access must lie inside one region: context (read only), stack,
// packet from data_meta to data_end, or the value of one map entry. Trusted (the program was verified, and its
// addresses are the host's), at() is a cast.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kiln/map_set.h>

#include "frame_memory.h"

namespace kiln {

enum class Access : std::uint8_t { kRead, kWrite };

enum class AddressSpaceKind : std::uint8_t {
  kTagged,       ///< the addresses of address.h, every access checked
  kHost,         ///< host addresses, every access checked
  kHostTrusted,  ///< host addresses of verified programs, no checks
};

class AddressSpace {
 public:
  AddressSpace(FrameMemory& frame, MapSet& maps, AddressSpaceKind kind);

  /// \return nullptr if the access is not allowed; then explain() says why.
  std::byte* at(std::uint64_t address, std::uint64_t size, Access access) {
    if (trusted_) {
      return reinterpret_cast<std::byte*>(address);  // NOLINT(performance-no-int-to-ptr): a host address it is
    }
    return checked(address, size, access);
  }
  std::byte* checked(std::uint64_t address, std::uint64_t size, Access access) {
    if (inside(address, size, stack_, address::kStackBytes)) {
      return frame_->stack + (address - stack_);
    }
    const FramePosition& position = frame_->position;
    if (inside(address, size, frame_->window_address + position.meta, position.end - position.meta)) {
      return frame_->window + (address - frame_->window_address);
    }
    const MapValue& last = last_value_[access == Access::kWrite];
    if (inside(address, size, last.address, last.bytes)) {
      return last.at + (address - last.address);
    }
    return checked_elsewhere(address, size, access);
  }

  /// With a device behind the maps (device.h): bytes given out for writing go there now, all of them, or
  /// of long ones what has changed. To be called after every instruction and helper.
  void flush() {
    if (!pending_.empty()) {
      write_back();
    }
  }
  /// The arena offset of an address that the device holds, or nullopt. REQUIRES: checked() allowed it.
  std::optional<std::uint32_t> in_device(std::uint64_t address) const;
  /// DeviceMaps::atomic(), instead of a flush.
  std::uint64_t atomic_in_device(std::int32_t operation, std::uint32_t offset, std::uint32_t bytes,
                                 std::uint64_t operand, std::uint64_t compare);

  /// "outside the packet [0x30000100, 0x3000014a)": why an access is refused.
  std::string explain(std::uint64_t address, std::uint64_t size, Access access) const;

  std::uint64_t context() const {
    return tagged_ ? address::kContext : reinterpret_cast<std::uintptr_t>(frame_->context);
  }
  std::uint64_t stack_top() const { return stack_ + address::kStackBytes; }  ///< R10 of the first function
  std::uint64_t map_value(std::uint32_t arena_offset) const { return arena_ + arena_offset; }
  /// Memory that helpers hand out. \param memory  stays where it is. \param writable_from  programs may store from there on.
  void set_objects(std::span<std::byte> memory, std::size_t writable_from);
  std::uint64_t object(std::size_t offset) const { return objects_ + offset; }
  /// Where the first byte of FrameRest::pieces[number] is. REQUIRES: the frame has that piece.
  std::uint64_t piece(std::size_t number) const;
  /// Raw runs have no context: R1 points at the packet.
  void without_context() { context_bytes_ = 0; }

 private:
  /// [address, address + size) inside [base, base + bytes), without overflow. `size` is at most 4 GiB.
  static bool inside(std::uint64_t address, std::uint64_t size, std::uint64_t base, std::uint64_t bytes) {
    const std::uint64_t offset = address - base;
    return offset <= bytes && size <= bytes - offset;
  }

  /// A value of a map: where programs find it, where it is, and which map's it is.
  struct MapValue {
    std::uint64_t address = 0;
    std::uint64_t bytes = 0;
    std::byte* at = nullptr;
    std::size_t map = 0;
  };

  std::byte* checked_elsewhere(std::uint64_t address, std::uint64_t size, Access access);
  /// The one that has arena bytes [offset, offset + size), if `access` may touch it.
  std::optional<MapValue> map_value_at(std::uint64_t offset, std::uint64_t size, Access access) const;
  std::byte* in_piece(std::uint64_t address, std::uint64_t size) const;
  void fetch(std::uint32_t offset, std::uint32_t size, Access access);
  void write_back();

  /// Given out for writing, and what was there then.
  struct Pending {
    std::uint32_t offset = 0;
    std::vector<std::byte> before;
  };

  FrameMemory* frame_;
  MapSet* maps_;
  bool tagged_;
  bool trusted_;
  std::uint32_t context_bytes_;
  bool context_is_writable_;
  std::span<std::byte> object_memory_;
  std::uint64_t objects_ = 0;
  std::size_t writable_objects_ = 0;
  std::uint64_t stack_ = 0;
  std::uint64_t arena_ = 0;
  std::vector<Pending> pending_;
  /// What was read and what was written last, of maps that no device holds: programs keep to one for a while, and
  /// where values are never changes.
  std::array<MapValue, 2> last_value_{};
};

}  // namespace kiln
