// SPDX-License-Identifier: Apache-2.0
#include "call_operands.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "native.h"

namespace kiln::lowering {
namespace {

constexpr std::uint32_t kMaxUnrolledValue = 64;  // longer values are copied by a loop, from memory

}  // namespace

void CallOperands::use_if_unknown(unsigned reg) {
  if (!plan_.constant[reg]) {
    use(reg);
  }
}

void CallOperands::find_context() {
  for (const unsigned reg : {6u, 7u, 8u, 9u, 1u}) {
    if (at_.constant(reg) == std::uint64_t{address::kContext}) {
      plan_.context = static_cast<std::uint8_t>(reg);
      use(reg);
      return;
    }
  }
}

Operand CallOperands::operand(unsigned reg, std::uint32_t bytes) {
  const auto frame = at_.frame_offset(reg);
  if (frame && fits_off(*frame) && fits_off(*frame + bytes)) {
    plan_.stack_reads.push_back({*frame, *frame + bytes});
    return {.reg = kFramePointer, .offset = static_cast<std::int32_t>(*frame), .local = true, .frame = frame};
  }
  constexpr auto kLocal = static_cast<ValueKinds>(
      static_cast<unsigned>(ValueKind::kStack) | static_cast<unsigned>(ValueKind::kPacket) |
      static_cast<unsigned>(ValueKind::kPacketMeta) | static_cast<unsigned>(ValueKind::kContext));
  const ValueKinds kinds = at_.kinds(reg);
  plan_.reads_any_stack |= has(kinds, ValueKind::kStack);
  return {.reg = reg, .offset = 0, .local = (kinds & ~kLocal) == 0 && kinds != 0, .frame = std::nullopt};
}

Operand CallOperands::written(unsigned reg, std::uint64_t bytes) {
  const auto frame = at_.frame_offset(reg);
  plan_.writes_any_stack |= !frame && has(at_.kinds(reg), ValueKind::kStack);
  if (frame) {
    plan_.stack_writes.push_back({*frame, *frame + static_cast<std::int64_t>(bytes)});
  }
  if (frame && fits_off(*frame) && fits_off(*frame + static_cast<std::int64_t>(bytes))) {
    return {.reg = kFramePointer, .offset = static_cast<std::int32_t>(*frame), .local = true, .frame = frame};
  }
  use(reg);
  return {.reg = reg, .offset = 0, .local = false, .frame = std::nullopt};
}

void CallOperands::buffer(unsigned reg, unsigned size_reg) {
  if (const auto size = plan_.constant[size_reg]) {
    plan_.value = operand(reg, static_cast<std::uint32_t>(*size));
    use(plan_.value.reg);
    return;
  }
  use(reg);
  use(size_reg);
  plan_.value = {.reg = reg, .offset = 0, .local = false, .frame = std::nullopt};
  plan_.reads_any_stack |= has(at_.kinds(reg), ValueKind::kStack);
}

bool CallOperands::has_stage(std::uint64_t bytes, std::string_view what) {
  const std::uint32_t stage = at_.view.options().stage_bytes;
  if (bytes > stage) {
    plan_.problem = fmt::format("{} of up to {} bytes; a thread has {} bytes of map memory for it", what, bytes, stage);
  }
  return bytes <= stage;
}

const Word* CallOperands::word(const Operand& operand, std::uint32_t at) const {
  return operand.frame ? at_.state.word(*operand.frame + at) : nullptr;
}

void CallOperands::drop_read(const Operand& operand, std::uint32_t from, std::uint32_t bytes) {
  if (!operand.frame) {
    return;
  }
  for (StackRange& range : plan_.stack_reads) {
    const std::int64_t at = *operand.frame + from;
    if (range.from <= at && at + bytes <= range.to) {
      const StackRange rest{at + bytes, range.to};
      range.to = at;
      plan_.stack_reads.push_back(rest);
      return;
    }
  }
}

bool CallOperands::find_register_piece(const Operand& operand, Piece& piece, bool zero_extended, RegMask forbidden) {
  const Word* low = word(operand, piece.at);
  if (low == nullptr || low->reg == kNoRegister || low->high || (bit(low->reg) & forbidden) != 0) {
    return false;
  }
  if (piece.bytes == 8) {
    const Word* high = word(operand, piece.at + 4);
    const bool zero = high != nullptr && high->is_constant() && high->min == 0 &&
                      at_.max(low->reg) <= std::numeric_limits<std::uint32_t>::max();
    if (high == nullptr || !(zero || (high->reg == low->reg && high->high))) {
      return false;
    }
  } else if (piece.bytes != 4 || (zero_extended && at_.max(low->reg) > std::numeric_limits<std::uint32_t>::max())) {
    return false;
  }
  piece.from = Piece::From::kRegister;
  piece.reg = low->reg;
  return true;
}

bool CallOperands::find_constant_piece(const Operand& operand, Piece& piece) const {
  const Word* low = word(operand, piece.at);
  const Word* high = piece.bytes == 8 ? word(operand, piece.at + 4) : low;
  if (piece.bytes < 4 || low == nullptr || high == nullptr || !low->is_constant() || !high->is_constant()) {
    return false;
  }
  piece.number = low->min | (piece.bytes == 8 ? std::uint64_t{high->min} << 32 : 0);
  piece.from = Piece::From::kConstant;
  return piece.bytes == 4 || fits_imm(piece.number);
}

void CallOperands::use_base(const Operand& operand, const std::vector<Piece>& pieces) {
  const bool reads = std::any_of(pieces.begin(), pieces.end(),
                                 [](const Piece& piece) { return piece.from == Piece::From::kMemory; });
  if (reads || pieces.empty()) {
    use(operand.reg);
  }
}

void CallOperands::key(unsigned reg, std::uint32_t bytes, RegMask forbidden) {
  if (bytes > kMaxKeyBytes) {
    plan_.problem = fmt::format("a key of {} bytes; the NIC takes up to {}", bytes, kMaxKeyBytes);
    return;
  }
  plan_.key = operand(reg, bytes);
  for (std::uint32_t at = 0; at < bytes; at += 8) {
    Piece piece{.bytes = static_cast<std::uint8_t>(std::min(bytes - at, 8u)), .at = at};
    if (find_register_piece(plan_.key, piece, true, forbidden)) {
      use(piece.reg);
      drop_read(plan_.key, at, piece.bytes);
    }
    plan_.key_pieces.push_back(piece);
  }
  use_base(plan_.key, plan_.key_pieces);
}

void CallOperands::array_index(unsigned reg, RegMask forbidden) {
  plan_.key = operand(reg, 4);
  const Word* known = word(plan_.key, 0);
  if (known != nullptr && known->is_constant()) {
    plan_.index.constant = known->min;
  } else if (known != nullptr && known->reg != kNoRegister && !known->high && (bit(known->reg) & forbidden) == 0) {
    plan_.index.reg = known->reg;
    use(known->reg);
  }
  if (plan_.index.constant || plan_.index.reg != kNoRegister) {
    drop_read(plan_.key, 0, 4);
  } else {
    use(plan_.key.reg);
  }
  plan_.index.in_range = known != nullptr && known->max < map().max_entries;
}

void CallOperands::value() {
  const std::uint32_t bytes = map().value_size;
  plan_.value = operand(3, bytes);
  if (bytes > kMaxUnrolledValue) {
    use(plan_.value.reg);
    return;
  }
  for (std::uint32_t at = 0; at < bytes;) {
    Piece piece{.bytes = static_cast<std::uint8_t>(chunk(bytes - at)), .at = at};
    if (find_constant_piece(plan_.value, piece)) {
      drop_read(plan_.value, at, piece.bytes);
    } else if (piece.from = Piece::From::kMemory; find_register_piece(plan_.value, piece, false, bit(0))) {
      use(piece.reg);
      drop_read(plan_.value, at, piece.bytes);
    }
    plan_.value_pieces.push_back(piece);
    at += piece.bytes;
  }
  use_base(plan_.value, plan_.value_pieces);
}

}  // namespace kiln::lowering
