// SPDX-License-Identifier: Apache-2.0
//
// Constructors of native words: BPF rows by their name in isa.def, and the core's own.
//
// Nothing here knows an opcode; the tables do. A row's selector field (MOVSX64_8's `off`, an
// atomic's `imm`) is filled in from the table.
#pragma once

#include <cstdint>

#include <kiln/core_isa.h>
#include <kiln/isa.h>

namespace kiln::lowering {

// Native registers beyond R10 (core_image.h has R11 and R15).
inline constexpr unsigned kScratch0 = 12;
inline constexpr unsigned kScratch1 = 13;
inline constexpr unsigned kScratch2 = 14;

/// The row `op` with these fields.
Insn bpf(Op op, unsigned dst, unsigned src, std::int32_t off, std::int32_t imm);
Insn core(CoreOp op, unsigned dst, unsigned src, std::int32_t off, std::int32_t imm);

inline Insn reg_imm(Op op, unsigned dst, std::int32_t imm) { return bpf(op, dst, 0, 0, imm); }
inline Insn reg_reg(Op op, unsigned dst, unsigned src) { return bpf(op, dst, src, 0, 0); }
inline Insn jump_imm(Op op, unsigned reg, std::int32_t imm) { return bpf(op, reg, 0, 0, imm); }
inline Insn jump_reg(Op op, unsigned left, unsigned right) { return bpf(op, left, right, 0, 0); }
/// Zero-extending load, store of a register, store of an immediate; `bytes` is 1, 2, 4 or 8.
Insn load(unsigned bytes, unsigned dst, unsigned base, std::int32_t off);
Insn store(unsigned bytes, unsigned base, std::int32_t off, unsigned src);
Insn store_imm(unsigned bytes, unsigned base, std::int32_t off, std::int32_t imm);
Insn service(Service service, unsigned dst, unsigned src, std::int32_t imm);

/// The largest of 8, 4, 2, 1 that is not more than `bytes`. REQUIRES: bytes > 0.
constexpr unsigned chunk(std::uint32_t bytes) {
  return bytes >= 8 ? 8 : bytes >= 4 ? 4 : bytes >= 2 ? 2 : 1;
}

constexpr bool fits_off(std::int64_t value) { return value >= -32768 && value <= 32767; }
constexpr bool fits_imm(std::uint64_t value) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<std::int32_t>(value))) == value;
}

}  // namespace kiln::lowering
