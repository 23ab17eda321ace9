// SPDX-License-Identifier: Apache-2.0
//
// One decoded BPF instruction slot, and look-ups in the instruction table (isa.def).
//
// It says what an instruction is, never what it does: each engine does that.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <kiln/result.h>

namespace kiln {

/// One 8-byte slot. LD_IMM64 takes two: the second has opcode 0 and the upper half in imm, so that
/// slot indices and jump offsets are those of the encoded program.
struct Insn {
  std::uint8_t opcode = 0;
  std::uint8_t dst = 0;
  std::uint8_t src = 0;
  std::int16_t off = 0;
  std::int32_t imm = 0;
  bool operator==(const Insn&) const = default;

  std::uint8_t cls() const { return opcode & 0x07; }
  bool is_wide() const { return opcode == 0x18; }
};

/// Little-endian wire form, as in ELF and bpf(2) (RFC 9669 section 3).
std::uint64_t encode(const Insn& insn);
Insn decode(std::uint64_t word);

/// \param bytes  a whole number of 8-byte slots. \errors kInput otherwise.
Result<std::vector<Insn>> decode_all(std::span<const std::byte> bytes);
std::vector<std::uint64_t> encode_all(std::span<const Insn> insns);

/// One enumerator per row of isa.def.
enum class Op : std::uint8_t {
#define KILN_INSN(name, ...) name,
#include <kiln/isa.def>
  kCount
};

/// Which field tells rows of one opcode apart.
enum class Selector : std::uint8_t { kNone, kOff, kImm, kSrc };

/// RFC 9669 conformance groups, and `extended`: instructions of Linux beyond it.
enum class Group : std::uint8_t { base32, base64, divmul32, divmul64, atomic32, atomic64, callx, packet, extended };

/// Which fields are used, and the shape in disassembly.
enum class Form : std::uint8_t {
  kAluImm,       ///< dst op= imm
  kAluReg,       ///< dst op= src
  kMovSx,        ///< dst = (sN)src
  kNeg,          ///< dst = -dst
  kEnd,          ///< dst = beN dst
  kJmpImm,       ///< if dst op imm goto off
  kJmpReg,       ///< if dst op src goto off
  kJa,           ///< goto off
  kJa32,         ///< gotol imm
  kCall,         ///< call imm
  kCallx,        ///< callx dst
  kExit,         ///< exit
  kLoad,         ///< dst = *(T*)(src + off)
  kStoreImm,     ///< *(T*)(dst + off) = imm
  kStoreReg,     ///< *(T*)(dst + off) = src
  kAtomic,       ///< lock *(T*)(dst + off) op= src
  kAtomicFetch,  ///< src (or r0) = atomic_op((T*)(dst + off), src)
  kLd64,         ///< dst = imm64 ll
  kLdPacket,     ///< r0 = *(T*)skb[imm] or [src + imm]
  kMayGoto,      ///< may_goto off
  kLoadAcquire,  ///< dst = load_acquire((T*)(src + off))
  kStoreRelease,  ///< store_release((T*)(dst + off), src)
  kAddrSpaceCast,  ///< dst = addr_space_cast(src, to, from), both in imm
};

struct InsnInfo {
  Op op;
  std::string_view name;
  std::uint8_t opcode;
  Selector selector;
  std::int32_t value;
  Group group;
  Form form;
  std::string_view text;
};

/// The whole table, in isa.def's order, indexed by Op.
std::span<const InsnInfo> isa_table();

/// The row of an instruction, or nullptr: no such instruction. Reserved fields are not checked.
const InsnInfo* find_insn(const Insn& insn);

/// nullptr if the instruction is valid with all its reserved fields zero, else what is wrong
/// ("unknown opcode 8f", "BPF_MOV uses reserved fields": the kernel's words).
const char* malformed(const Insn& insn);

inline constexpr unsigned kRegisters = 11;  ///< R0..R10
inline constexpr unsigned kFramePointer = 10;

/// Access width in bytes of a load, store, atomic or packet access: 1, 2, 4 or 8.
constexpr unsigned access_bytes(std::uint8_t opcode) {
  constexpr std::array<unsigned, 4> kBytes = {4, 2, 1, 8};
  return kBytes[(opcode >> 3) & 3];
}

}  // namespace kiln
