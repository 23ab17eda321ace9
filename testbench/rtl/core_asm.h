// SPDX-License-Identifier: Apache-2.0
//
// Builds native instruction words for the core's tests. Opcodes come from the tables; nothing here
// knows what an instruction does.
#pragma once

#include <cstdint>
#include <vector>

namespace kiln::core_test {

/// Every opcode of BPF and of the core, by the name of its row.
enum Opcode : std::uint8_t {
#define KILN_INSN(name, opcode, ...) k##name = opcode,
#include <kiln/isa.def>
#define KILN_CORE_INSN(name, opcode, meaning) kNative##name = opcode,
#include <kiln/core_isa.def>
};

/// Service request numbers.
enum Service : std::uint8_t {
#define KILN_SERVICE(name, number, fields, result) kSvc##name = number,
#include <kiln/core_services.def>
};

constexpr std::uint64_t word(unsigned opcode, unsigned dst, unsigned src, int off,
                             std::int64_t imm) {
  return static_cast<std::uint64_t>(opcode) | static_cast<std::uint64_t>(dst) << 8 |
         static_cast<std::uint64_t>(src) << 12 |
         static_cast<std::uint64_t>(static_cast<std::uint16_t>(off)) << 16 |
         static_cast<std::uint64_t>(static_cast<std::uint32_t>(imm)) << 32;
}

/// A program under construction.
struct Code {
  std::vector<std::uint64_t> words;

  void add(unsigned opcode, unsigned dst, unsigned src = 0, int off = 0, std::int64_t imm = 0) {
    words.push_back(word(opcode, dst, src, off, imm));
  }
  /// dst = value, in two words: MOV32 clears the upper half, MOVHI sets it.
  void load64(unsigned dst, std::uint64_t value) {
    add(kMOV32_IMM, dst, 0, 0, static_cast<std::int32_t>(value));
    add(kNativeMOVHI, dst, 0, 0, static_cast<std::int32_t>(value >> 32));
  }
  void exit(unsigned src) { add(kNativeEXIT, 0, src); }
  /// The end of a program that is not about its verdict.
  void pass() {
    add(kMOV64_IMM, 0, 0, 0, 2);
    exit(0);
  }
};

}  // namespace kiln::core_test
