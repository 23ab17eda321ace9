// SPDX-License-Identifier: Apache-2.0
//
// A functional model of the NIC's core, for tests: native words, one at a time, no pipeline, no cycles.
//
// It lets lowered programs be compared with the interpreter without RTL, and catches what RTL would
// do silently: everything undefined (registers at start, headroom, window) holds a pattern, and an
// access outside a region, a PUSHM of map memory or a read of a register never written is an error.
// Services are the C++ map operations. One thread; the same retire records as the RTL's.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <kiln/core_image.h>
#include <kiln/engine.h>
#include <kiln/nic_engine.h>

namespace kiln::cosim {

struct ModelOptions {
  std::uint32_t cpu = 0;    ///< processor number that programs see
  bool busy = false;        ///< every other MAP_PREPARE finds no free entry and has to be repeated
  std::uint64_t max_words = 20'000'000;  ///< per frame, then kFault
};

/// Map memory behind the maps, as LowerOptions::stage says it.
inline constexpr std::uint32_t kStageBytes = 8192;
inline std::uint32_t stage_offset(const MapSet& maps) { return static_cast<std::uint32_t>((maps.arena().size() + 63) / 64 * 64); }

class CoreModel {
 public:
  CoreModel(CoreImage image, MapSet maps, const Environment& environment, const ModelOptions& options);

  /// Runs one frame. \param records  what retired is appended. \errors kFault with the word's address.
  Result<Outcome> run(const Frame& frame, std::vector<RetireRecord>& records);
  const MapSet& maps() const { return maps_; }
  std::uint64_t r0() const { return regs_[0]; }
  /// Cause of a TRAP that ended the last frame, or 0.
  std::uint32_t trap() const { return trap_; }

 private:
  static constexpr unsigned kRegs = kCoreRegisters;

  void begin(const Frame& frame);
  Outcome finish();
  void step();
  void core_word(const Insn& word);
  void service(const Insn& word);
  void map_service(const Insn& word);
  void keyless_service(const Insn& word);
  void alu(const Insn& word, const InsnInfo& row);
  void unary(const Insn& word, const InsnInfo& row);
  bool taken(const Insn& word, const InsnInfo& row);
  void load_store(const Insn& word, const InsnInfo& row);
  void atomic(const Insn& word, const InsnInfo& row);

  std::uint64_t read(unsigned reg);
  void write(unsigned reg, std::uint64_t value);
  /// The bytes at an address, or nullptr after fault().
  std::byte* at(std::uint64_t address, std::uint32_t bytes);
  std::uint64_t load(std::uint64_t address, std::uint32_t bytes);
  void store(std::uint64_t address, std::uint32_t bytes, std::uint64_t value);
  void push(std::uint64_t value);
  void fault(const std::string& what);
  std::uint32_t context(std::uint32_t offset) const;
  void set_context(std::uint32_t offset, std::uint32_t value);

  CoreImage image_;
  MapSet maps_;
  Environment environment_;
  ModelOptions options_;
  std::uint64_t frame_number_ = 0;
  std::uint64_t random_;
  bool was_busy_ = false;

  std::array<std::uint64_t, kRegs> regs_{};
  std::bitset<kRegs> written_;
  std::array<std::byte, address::kCtxEnd> context_{};
  std::array<std::byte, address::kStackBytes> stack_{};
  std::vector<std::byte> stage_ = std::vector<std::byte>(kStageBytes);  ///< map memory behind the maps
  std::vector<std::byte> window_;
  std::vector<std::uint64_t> key_;
  std::uint32_t pc_ = 0, next_ = 0;
  bool done_ = false;
  std::uint32_t verdict_ = 0, trap_ = 0;
  std::string fault_;
  RetireRecord record_{};
};

}  // namespace kiln::cosim
