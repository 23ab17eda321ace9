// SPDX-License-Identifier: Apache-2.0
//
// What one hardware thread should do, instruction by instruction: the reference that the core's
// retire port is checked against. Written from RFC 9669, core_isa.def and rtl/core.md; it shares
// no code with the engines.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace kiln::core_test {

/// A request on the service port, as the core should make it.
struct Request {
  unsigned op = 0;
  unsigned size = 0;  ///< BPF size code; only for LOAD, STORE, ATOMIC
  std::uint32_t addr = 0;
  std::uint64_t data = 0;
  std::uint32_t imm = 0;
  std::vector<std::uint64_t> keys;
};

/// What an instruction does to the outside of the thread, in the terms of the retire port.
struct Step {
  bool rd_we = false;
  unsigned rd = 0;
  std::uint64_t rd_data = 0;
  std::uint16_t next_pc = 0;
  bool mem_we = false;
  bool mem_re = false;
  std::uint32_t addr = 0;
  unsigned size = 0;
  std::uint64_t data = 0;
  bool exit = false;
  std::uint32_t code = 0;
  std::uint8_t trap = 0;
};

/// A byte array that says which bytes the reference knows; the others it learns from the core.
class Memory {
 public:
  explicit Memory(std::size_t size) : bytes_(size), known_(size) {}
  std::uint64_t load(std::uint32_t addr, unsigned size, std::uint64_t seen);
  void store(std::uint32_t addr, unsigned size, std::uint64_t value);
  void set(std::uint32_t addr, std::uint8_t value) { store(addr, 1, value); }
  std::uint8_t at(std::uint32_t addr) const { return bytes_[addr % bytes_.size()]; }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<bool> known_;
};

class CoreRef {
 public:
  CoreRef(unsigned thread, std::uint32_t cpu, std::uint32_t window)
      : thread_(thread), cpu_(cpu), window_(window), packet_(window) {}

  /// A frame has been received into this thread.
  void start(std::uint16_t entry, const std::vector<std::uint8_t>& frame, std::uint32_t user);

  /// The request that the instruction makes at this point, if it makes one.
  std::optional<Request> request(std::uint64_t insn) const;

  /// Executes one instruction. \param response  to its request; \param seen  what the core says it
  /// loaded, for bytes that nobody has written yet.
  Step step(std::uint64_t insn, std::uint64_t response, std::uint64_t seen);

  /// The frame as it would be sent now.
  std::vector<std::uint8_t> frame() const;

  std::uint32_t context_word(std::uint32_t offset) const;
  std::uint16_t pc() const { return pc_; }
  std::uint32_t insns() const { return insns_; }

 private:
  Memory& region(std::uint32_t addr);
  void memory_step(std::uint64_t insn, std::uint64_t response, std::uint64_t seen, Step& s);
  void jump_step(std::uint64_t insn, std::uint64_t response, Step& s);
  void write(Step& s, unsigned rd, std::uint64_t value);

  unsigned thread_;
  std::uint32_t cpu_;
  std::uint32_t window_;
  std::uint16_t pc_ = 0;
  std::uint32_t insns_ = 0;
  std::array<std::uint64_t, 16> regs_{};
  std::vector<std::uint64_t> keys_;
  Memory packet_;
  Memory stack_{512};
  Memory context_{512};
};

}  // namespace kiln::core_test
