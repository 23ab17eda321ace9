// SPDX-License-Identifier: Apache-2.0
//
// Relocation types of BPF. Source: Documentation/bpf/llvm_reloc.rst.
#pragma once

#include <cstdint>

namespace kiln::elf {

inline constexpr std::uint32_t kRelNone = 0;
inline constexpr std::uint32_t kRelWide = 1;      ///< R_BPF_64_64: LD_IMM64, addend in imm
inline constexpr std::uint32_t kRelAbs64 = 2;     ///< R_BPF_64_ABS64: 64-bit data
inline constexpr std::uint32_t kRelAbs32 = 3;     ///< R_BPF_64_ABS32: 32-bit data (DWARF)
inline constexpr std::uint32_t kRelNodyld32 = 4;  ///< R_BPF_64_NODYLD32: 32-bit data (BTF, BTF.ext)
inline constexpr std::uint32_t kRelCall = 10;     ///< R_BPF_64_32: call, addend in imm

}  // namespace kiln::elf
