// SPDX-License-Identifier: Apache-2.0
//
// bpf_xdp_adjust_head, _tail, _meta: moving the frame's ends within its window.
//
// Bytes that come into the frame at its head are zero the first time (the window's headroom holds
// whatever an earlier frame left); kCtxZeroLow remembers how far down bytes are defined. Stores that
// zero may overshoot to below the new start, or beyond the new end: those bytes are undefined or
// zeroed when they are exposed, and the reserves of the window (address.h) keep them inside it.
// Source: net/core/filter.c, include/net/xdp.h (xdp_metalen_invalid), Linux 6.18.
#include <cerrno>

#include "gen.h"

namespace kiln::lowering {
namespace {

constexpr std::int32_t kMinFrame = 14;  // ETH_HLEN
constexpr std::int32_t kMaxMeta = 255;  // skb_shared_info::meta_len is a u8
constexpr std::int32_t kLowest = static_cast<std::int32_t>(address::kPacket + address::kHeadReserved);
constexpr std::int32_t kUnrolledHead = 40;  // bytes zeroed without a loop: no more than the head reserve
constexpr std::int32_t kUnrolledTail = 64;

/// The offset argument as the C int that it is, where it is known.
std::optional<std::int32_t> offset_of(const CallPlan& plan) {
  const auto offset = plan.constant[2];
  return offset ? std::optional(static_cast<std::int32_t>(*offset)) : std::nullopt;
}

class Adjust {
 public:
  Adjust(Gen& gen, const CallPlan& plan) : gen_(gen), plan_(plan), done_(gen.e.make_label()) {}

  void head() {
    const auto offset = offset_of(plan_);
    if (offset && *offset == 0) {
      gen_.e.constant(0, 0);
    } else if (gen_.image.adjusts_meta) {
      head_with_meta(offset);
    } else if (offset) {
      *offset < 0 ? grow_head(*offset) : shrink_head(*offset);
    } else {
      any_head();
    }
    gen_.e.bind(done_);
  }

  void tail() {
    const auto offset = offset_of(plan_);
    if (offset && *offset == 0) {
      gen_.e.constant(0, 0);
    } else if (offset) {
      *offset > 0 ? grow_tail(*offset) : shrink_tail(*offset);
    } else {
      any_tail();
    }
    gen_.e.bind(done_);
  }

  void meta() {
    set_context();
    load_offset(3, offset_of(plan_));
    word_to(4, address::kCtxDataMeta);
    word_to(5, address::kCtxData);
    emit(reg_reg(Op::ADD64_REG, 4, 3));
    gen_error(gen_, EINVAL);
    leave_if(jump_imm(Op::JSLT64_IMM, 4, kLowest));
    leave_if(jump_reg(Op::JSGT64_REG, 4, 5));
    emit(reg_reg(Op::SUB64_REG, 5, 4));
    gen_error(gen_, EACCES);
    leave_if(jump_imm(Op::JSET64_IMM, 5, 3));
    leave_if(jump_imm(Op::JGT64_IMM, 5, kMaxMeta));
    word_from(address::kCtxDataMeta, 4);
    gen_.e.constant(0, 0);
    zero_head(4, std::nullopt);
    gen_.e.bind(done_);
  }

 private:
  void emit(const Insn& word) { gen_.e.emit(word); }
  void leave_if(const Insn& branch) { gen_.e.branch(branch, done_); }

  /// From here on context_ is a register that stays: the plan's, R11, or R1.
  void set_context() { context_ = context_base(gen_, plan_, 1); }
  void word_to(unsigned reg, std::uint32_t word) {
    emit(load(4, reg, context_.reg, context_.bias + static_cast<std::int32_t>(word)));
  }
  void word_from(std::uint32_t word, unsigned reg) {
    emit(store(4, context_.reg, context_.bias + static_cast<std::int32_t>(word), reg));
  }

  void load_offset(unsigned reg, std::optional<std::int32_t> offset) {
    if (offset) {
      gen_.e.constant(reg, sign_extended(*offset));
    } else {
      emit(reg_reg(Op::MOVSX64_32, reg, 2));
    }
  }

  /// Zeroes what lies between the new start in `low` and the lowest byte ever defined, and lowers that.
  /// \param most  no more bytes than this (at most kUnrolledHead), if known. Changes R12.
  void zero_head(unsigned low, std::optional<std::int32_t> most) {
    word_to(kScratch0, address::kCtxZeroLow);
    leave_zero_ = gen_.e.make_label();
    gen_.e.branch(jump_reg(Op::JGE64_REG, low, kScratch0), leave_zero_);
    word_from(address::kCtxZeroLow, low);
    if (most) {
      for (std::int32_t at = -8; at > -*most - 8; at -= 8) {
        emit(store_imm(8, kScratch0, at, 0));
      }
    } else {
      const Label again = gen_.e.here();
      emit(store_imm(8, kScratch0, -8, 0));
      emit(store_imm(8, kScratch0, -16, 0));
      emit(reg_imm(Op::ADD64_IMM, kScratch0, -16));
      gen_.e.branch(jump_reg(Op::JGT64_REG, kScratch0, low), again);
    }
    gen_.e.bind(leave_zero_);
  }

  void set_data(unsigned reg) {
    word_from(address::kCtxData, reg);
    if (gen_.image.reads_meta) {
      word_from(address::kCtxDataMeta, reg);  // there is no metadata: it goes with data
    }
  }

  void grow_head(std::int32_t offset) {
    set_context();
    word_to(kScratch1, address::kCtxData);
    gen_error(gen_, EINVAL);
    emit(reg_imm(Op::ADD64_IMM, kScratch1, offset));
    leave_if(jump_imm(Op::JSLT64_IMM, kScratch1, kLowest));
    set_data(kScratch1);
    gen_.e.constant(0, 0);
    zero_head(kScratch1, offset >= -kUnrolledHead ? std::optional(-offset) : std::nullopt);
  }

  void shrink_head(std::int32_t offset) {
    set_context();
    word_to(kScratch1, address::kCtxData);
    word_to(kScratch0, address::kCtxDataEnd);
    gen_error(gen_, EINVAL);
    emit(reg_imm(Op::ADD64_IMM, kScratch1, offset));
    emit(reg_imm(Op::ADD64_IMM, kScratch0, -kMinFrame));
    leave_if(jump_reg(Op::JSGT64_REG, kScratch1, kScratch0));
    set_data(kScratch1);
    gen_.e.constant(0, 0);
  }

  void any_head() {
    set_context();
    word_to(kScratch1, address::kCtxData);
    word_to(kScratch0, address::kCtxDataEnd);
    load_offset(kScratch2, std::nullopt);
    gen_error(gen_, EINVAL);
    emit(reg_reg(Op::ADD64_REG, kScratch1, kScratch2));
    emit(reg_imm(Op::ADD64_IMM, kScratch0, -kMinFrame));
    leave_if(jump_imm(Op::JSLT64_IMM, kScratch1, kLowest));
    leave_if(jump_reg(Op::JSGT64_REG, kScratch1, kScratch0));
    set_data(kScratch1);
    gen_.e.constant(0, 0);
    zero_head(kScratch1, std::nullopt);
  }

  /// Metadata lies in front of the frame and moves along, four bytes at a time, from the end that
  /// does not overwrite what is still to be moved.
  void head_with_meta(std::optional<std::int32_t> offset) {
    set_context();
    load_offset(3, offset);
    word_to(4, address::kCtxDataMeta);
    word_to(5, address::kCtxData);
    word_to(kScratch0, address::kCtxDataEnd);
    gen_error(gen_, EINVAL);
    emit(reg_reg(Op::MOV64_REG, kScratch1, 4));
    emit(reg_reg(Op::ADD64_REG, kScratch1, 3));
    leave_if(jump_imm(Op::JSLT64_IMM, kScratch1, kLowest));
    emit(reg_reg(Op::MOV64_REG, kScratch2, 5));
    emit(reg_reg(Op::ADD64_REG, kScratch2, 3));
    emit(reg_imm(Op::ADD64_IMM, kScratch0, -kMinFrame));
    leave_if(jump_reg(Op::JSGT64_REG, kScratch2, kScratch0));
    word_from(address::kCtxDataMeta, kScratch1);
    word_from(address::kCtxData, kScratch2);
    gen_.e.constant(0, 0);
    zero_head(kScratch1, std::nullopt);
    leave_if(jump_reg(Op::JEQ64_REG, 4, 5));
    const Label up = gen_.e.make_label();
    gen_.e.branch(jump_imm(Op::JSGT64_IMM, 3, 0), up);
    const Label down = gen_.e.here();
    move_word();
    emit(reg_imm(Op::ADD64_IMM, 4, 4));
    emit(reg_imm(Op::ADD64_IMM, kScratch1, 4));
    gen_.e.branch(jump_reg(Op::JLT64_REG, 4, 5), down);
    gen_.e.jump(done_);
    gen_.e.bind(up);
    const Label again = gen_.e.here();
    emit(reg_imm(Op::ADD64_IMM, 5, -4));
    emit(reg_imm(Op::ADD64_IMM, kScratch2, -4));
    emit(load(4, kScratch0, 5, 0));
    emit(store(4, kScratch2, 0, kScratch0));
    gen_.e.branch(jump_reg(Op::JGT64_REG, 5, 4), again);
  }

  void move_word() {
    emit(load(4, kScratch0, 4, 0));
    emit(store(4, kScratch1, 0, kScratch0));
  }

  std::int32_t highest() const {
    return static_cast<std::int32_t>(address::kPacket + gen_.image.window_bytes - address::kTailReserved);
  }

  void grow_tail(std::int32_t offset) {
    set_context();
    word_to(kScratch1, address::kCtxDataEnd);
    gen_error(gen_, EINVAL);
    emit(reg_reg(Op::MOV64_REG, kScratch0, kScratch1));
    emit(reg_imm(Op::ADD64_IMM, kScratch0, offset));
    leave_if(jump_imm(Op::JSGT64_IMM, kScratch0, highest()));
    word_from(address::kCtxDataEnd, kScratch0);
    gen_.e.constant(0, 0);
    if (offset <= kUnrolledTail) {
      for (std::int32_t at = 0; at < offset; at += 8) {
        emit(store_imm(8, kScratch1, at, 0));
      }
    } else {
      zero_tail();
    }
  }

  /// Zeroes [R13, R12), at least one byte.
  void zero_tail() {
    const Label again = gen_.e.here();
    emit(store_imm(8, kScratch1, 0, 0));
    emit(store_imm(8, kScratch1, 8, 0));
    emit(reg_imm(Op::ADD64_IMM, kScratch1, 16));
    gen_.e.branch(jump_reg(Op::JLT64_REG, kScratch1, kScratch0), again);
  }

  void shrink_tail(std::int32_t offset) {
    set_context();
    word_to(kScratch0, address::kCtxDataEnd);
    word_to(kScratch1, address::kCtxData);
    gen_error(gen_, EINVAL);
    emit(reg_imm(Op::ADD64_IMM, kScratch0, offset));
    emit(reg_imm(Op::ADD64_IMM, kScratch1, kMinFrame));
    leave_if(jump_reg(Op::JSLT64_REG, kScratch0, kScratch1));
    word_from(address::kCtxDataEnd, kScratch0);
    gen_.e.constant(0, 0);
  }

  void any_tail() {
    set_context();
    load_offset(3, std::nullopt);
    word_to(kScratch1, address::kCtxDataEnd);
    word_to(kScratch2, address::kCtxData);
    gen_error(gen_, EINVAL);
    emit(reg_reg(Op::MOV64_REG, kScratch0, kScratch1));
    emit(reg_reg(Op::ADD64_REG, kScratch0, 3));
    leave_if(jump_imm(Op::JSGT64_IMM, kScratch0, highest()));
    emit(reg_imm(Op::ADD64_IMM, kScratch2, kMinFrame));
    leave_if(jump_reg(Op::JSLT64_REG, kScratch0, kScratch2));
    word_from(address::kCtxDataEnd, kScratch0);
    gen_.e.constant(0, 0);
    leave_if(jump_reg(Op::JSGE64_REG, kScratch1, kScratch0));
    zero_tail();
  }

  Gen& gen_;
  const CallPlan& plan_;
  Label done_;
  Label leave_zero_ = kNoLabel;
  ContextBase context_{};
};

}  // namespace

void gen_adjust_head(Gen& gen, const CallPlan& plan) { Adjust(gen, plan).head(); }
void gen_adjust_tail(Gen& gen, const CallPlan& plan) { Adjust(gen, plan).tail(); }
void gen_adjust_meta(Gen& gen, const CallPlan& plan) { Adjust(gen, plan).meta(); }

}  // namespace kiln::lowering
