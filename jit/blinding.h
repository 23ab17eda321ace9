// SPDX-License-Identifier: Apache-2.0
//
// Constants of a program that must not stand in its machine code: whoever writes the program could put instructions of his own there, to be jumped
// into. They are loaded combined with a random number, and taken apart again. Only the JIT's own .cc files include this header.
//
// Constants of one byte are let through. Flags are changed, registers other than the target are not.
#pragma once

#include <cstdint>
#include <random>

#include <asmjit/x86.h>

namespace kiln {

class Blinder {
 public:
  /// \param on  false: nothing is hidden.
  explicit Blinder(bool on) : on_(on) {}

  bool hides(std::int64_t value) const { return on_ && (value < -0x80 || value > 0x7f); }

  /// The constant into all 64 bits of a register.
  void load(asmjit::x86::Assembler& as, const asmjit::x86::Gp& to, std::uint64_t value) {
    using asmjit::imm;
    if (value <= 0xffff'ffff) {
      if (!hides(static_cast<std::int64_t>(value))) {
        as.mov(to.r32(), imm(value));
        return;
      }
      const std::uint32_t key = random_();
      as.mov(to.r32(), imm(static_cast<std::uint32_t>(value) ^ key));
      as.xor_(to.r32(), imm(static_cast<std::int32_t>(key)));
      return;
    }
    if (!hides(static_cast<std::int64_t>(value))) {
      as.mov(to.r64(), imm(value));
      return;
    }
    // Two halves, since xor takes 32 bits, sign-extended: the low one last.
    const std::uint64_t low = extended(random_()), high = extended(random_());
    const std::uint64_t turned = (value ^ low) << 32 | (value ^ low) >> 32;
    as.mov(to.r64(), imm(turned ^ high));
    as.xor_(to.r64(), imm(static_cast<std::int64_t>(high)));
    as.rol(to.r64(), 32);
    as.xor_(to.r64(), imm(static_cast<std::int64_t>(low)));
  }

 private:
  static std::uint64_t extended(std::uint32_t word) {
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(word)));
  }

  bool on_;
  std::random_device random_;
};

}  // namespace kiln
