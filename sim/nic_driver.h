// SPDX-License-Identifier: Apache-2.0
//
// The driver: loads images and maps and reads results back, through the AXI4-Lite registers alone.
//
// It knows no clock. A RegisterPort carries its accesses: the harness steps a model for each, the
// SystemC platform turns them into TLM transactions, a real driver would use PCIe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <kiln/core_image.h>
#include <kiln/core_isa.h>
#include <kiln/map_set.h>
#include <kiln/result.h>

namespace kiln::sim {

/// 32-bit register accesses at the byte offsets of nic_registers.def.
class RegisterPort {
 public:
  virtual ~RegisterPort() = default;
  virtual void write(std::uint16_t offset, std::uint32_t value) = 0;
  virtual std::uint32_t read(std::uint16_t offset) = 0;
};

enum NicRegister : std::uint16_t {
#define KILN_REG(name, offset, access, meaning) kReg##name = offset,
#include <kiln/nic_registers.def>
};

struct NicIdentity {
  std::uint32_t cores, threads, imem_words, map_bytes, window_bytes, data_width;
};

class NicDriver {
 public:
  explicit NicDriver(RegisterPort& port) : port_(port) {}

  /// \errors kInternal if it is no Kiln NIC or another version of the register map.
  Result<NicIdentity> identify();
  void load_image(const CoreImage& image);
  /// Zeroes the arena in the NIC, then writes what is not zero, and the descriptors.
  void load_maps(const MapSet& maps);
  /// Reads the maps that the NIC holds back over `maps`, which must be the set that was loaded.
  void read_maps(MapSet& maps);
  /// Bytes of map memory, row by row, whatever the alignment. No row is torn.
  void read_memory(std::uint32_t offset, std::span<std::byte> bytes);
  /// Writes the rows in which `now` differs from `before`. REQUIRES: offset and size are multiples of 8.
  void write_changes(std::uint32_t offset, std::span<const std::byte> before, std::span<const std::byte> now);

  /// A request to the services, as cores make them (core_services.def).
  struct Request {
    Service service{};
    std::uint32_t bytes = 8;  ///< LOAD, STORE, ATOMIC
    std::uint32_t addr = 0;
    std::uint32_t imm = 0;
    std::uint64_t data = 0;
    std::vector<std::uint64_t> key{};  ///< at most 8 words
  };
  std::uint64_t request(const Request& request);
  /// While held, requests of the cores wait. Returns when none is under way any more.
  void hold(bool on);
  std::uint64_t clock();
  /// Whether the NIC has more events to send of frames that have left.
  bool sends_events();

  void set_clock(std::uint64_t ns, std::uint32_t step_q16);
  void set_random(std::uint64_t seed);
  /// \param cores, threads  how many of them may run, from number 0 up.
  void enable(std::uint32_t cores, std::uint32_t threads);
  void start(std::uint32_t entry, std::uint32_t max_in_flight);
  void stop();
  std::uint64_t counter(NicRegister low);

 private:
  void write64(NicRegister high, NicRegister low, std::uint64_t value);
  RegisterPort& port_;
};

}  // namespace kiln::sim
