// SPDX-License-Identifier: Apache-2.0
#include <kiln/isa.h>

#include <cstring>

namespace kiln {
namespace {

constexpr std::array kTable = {
#define KILN_INSN(name, opcode, selector, value, group, form, text) \
  InsnInfo{Op::name, #name, opcode, Selector::selector, value, Group::group, Form::form, text},
#include <kiln/isa.def>
};

std::int32_t selected(const Insn& insn, Selector selector) {
  switch (selector) {
    case Selector::kOff:
      return insn.off;
    case Selector::kImm:
      return insn.imm;
    case Selector::kSrc:
      return insn.src;
    case Selector::kNone:
      break;
  }
  return 0;
}

/// First row of each opcode, or kTable.size().
constexpr std::array<std::uint16_t, 256> first_rows() {
  std::array<std::uint16_t, 256> first{};
  first.fill(static_cast<std::uint16_t>(kTable.size()));
  for (std::size_t i = kTable.size(); i-- > 0;) {
    first[kTable[i].opcode] = static_cast<std::uint16_t>(i);
  }
  return first;
}
constexpr auto kFirstRow = first_rows();

/// Which fields a form leaves reserved.
struct Reserved {
  bool dst = false, src = false, off = false, imm = false;
};

Reserved reserved_fields(Form form) {
  switch (form) {
    case Form::kAluImm:
      return {.src = true, .off = true};
    case Form::kAluReg:
    case Form::kMovSx:
      return {.off = true, .imm = true};
    case Form::kNeg:
      return {.src = true, .off = true, .imm = true};
    case Form::kEnd:
      return {.src = true, .off = true};
    case Form::kJmpImm:
      return {.src = true};
    case Form::kJmpReg:
      return {.imm = true};
    case Form::kJa:
      return {.dst = true, .src = true, .imm = true};
    case Form::kJa32:
      return {.dst = true, .src = true, .off = true};
    case Form::kCall:
      return {.dst = true, .off = true};
    case Form::kCallx:
      return {.src = true, .off = true, .imm = true};
    case Form::kExit:
      return {.dst = true, .src = true, .off = true, .imm = true};
    case Form::kLoad:
    case Form::kStoreReg:
      return {.imm = true};
    case Form::kStoreImm:
      return {.src = true};
    case Form::kAtomic:
    case Form::kAtomicFetch:
      return {};
    case Form::kLd64:
      return {.off = true};
    case Form::kLdPacket:
      return {.dst = true, .off = true};
    case Form::kMayGoto:
      return {.dst = true, .src = true, .imm = true};
    case Form::kLoadAcquire:
    case Form::kStoreRelease:
      return {};
    case Form::kAddrSpaceCast:
      return {.off = true};
  }
  return {};
}

}  // namespace

std::uint64_t encode(const Insn& insn) {
  return std::uint64_t{insn.opcode} | std::uint64_t{insn.dst & 0xfu} << 8 |
         std::uint64_t{insn.src & 0xfu} << 12 |
         std::uint64_t{static_cast<std::uint16_t>(insn.off)} << 16 |
         std::uint64_t{static_cast<std::uint32_t>(insn.imm)} << 32;
}

Insn decode(std::uint64_t word) {
  return Insn{.opcode = static_cast<std::uint8_t>(word),
              .dst = static_cast<std::uint8_t>(word >> 8 & 0xf),
              .src = static_cast<std::uint8_t>(word >> 12 & 0xf),
              .off = static_cast<std::int16_t>(word >> 16),
              .imm = static_cast<std::int32_t>(word >> 32)};
}

Result<std::vector<Insn>> decode_all(std::span<const std::byte> bytes) {
  if (bytes.size() % 8 != 0) {
    return Error{Errc::kInput, "program size " + std::to_string(bytes.size()) +
                                   " is not a multiple of 8 bytes"};
  }
  std::vector<Insn> insns;
  insns.reserve(bytes.size() / 8);
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    insns.push_back(decode(word));
  }
  return insns;
}

std::vector<std::uint64_t> encode_all(std::span<const Insn> insns) {
  std::vector<std::uint64_t> words;
  words.reserve(insns.size());
  for (const Insn& insn : insns) {
    words.push_back(encode(insn));
  }
  return words;
}

std::span<const InsnInfo> isa_table() { return kTable; }

const InsnInfo* find_insn(const Insn& insn) {
  for (std::size_t i = kFirstRow[insn.opcode]; i < kTable.size(); ++i) {
    const InsnInfo& row = kTable[i];
    if (row.opcode == insn.opcode &&
        (row.selector == Selector::kNone || row.value == selected(insn, row.selector))) {
      return &row;
    }
  }
  return nullptr;
}

const char* malformed(const Insn& insn) {
  const InsnInfo* info = find_insn(insn);
  if (info == nullptr) {
    return kFirstRow[insn.opcode] == kTable.size() ? "unknown opcode" : "uses reserved fields";
  }
  Reserved reserved = reserved_fields(info->form);
  // The field that selects the row has been matched already.
  reserved.off &= info->selector != Selector::kOff;
  reserved.src &= info->selector != Selector::kSrc;
  reserved.src |= info->op == Op::LD_ABSW || info->op == Op::LD_ABSH || info->op == Op::LD_ABSB;
  const bool bad = (reserved.dst && insn.dst != 0) || (reserved.src && insn.src != 0) ||
                   (reserved.off && insn.off != 0) || (reserved.imm && insn.imm != 0);
  return bad ? "uses reserved fields" : nullptr;
}

}  // namespace kiln
