// SPDX-License-Identifier: Apache-2.0
//
// bpf_csum_diff: one's complement sums of 32-bit words, unrolled where sizes are constant.
//
// CSUM adds without losing carries, so a sum is kept in 64 bits and folded at the end. That gives the
// kernel's result to the bit, zero included: a folded sum is 0 only if every word was, as with
// carries added back at each step; otherwise it is the residue in 1..2^32-1 (or 1..2^16-1).
// Source: net/core/filter.c (bpf_csum_diff), include/net/checksum.h, Linux 6.18.
#include "gen.h"

namespace kiln::lowering {
namespace {

constexpr std::uint32_t kMaxUnrolled = 128;  // bytes
constexpr std::int32_t kTurn = 32;           // bytes in one turn of the loop

/// One of the two byte ranges.
struct Range {
  const Operand& at;
  std::optional<std::uint32_t> size;
  unsigned size_reg;

  bool never() const { return size && *size == 0; }
  bool always() const { return size && *size != 0; }
};

void add(Gen& gen, unsigned sum) { gen.e.emit(core(CoreOp::CSUM, sum, kScratch0, 0, 0)); }

/// sum += the 0..7 bytes at [base + off], as one little-endian number each 4 bytes.
void add_tail(Gen& gen, unsigned sum, unsigned base, std::int32_t off, std::uint32_t bytes) {
  for (unsigned shift = 0; bytes > 0;) {
    const unsigned size = chunk(bytes);
    gen.e.emit(load(size, kScratch0, base, off));
    if (shift != 0) {
      gen.e.emit(reg_imm(Op::LSH64_IMM, kScratch0, static_cast<std::int32_t>(shift)));
    }
    gen.e.emit(reg_reg(Op::ADD64_REG, sum, kScratch0));
    shift = (shift + 8 * size) % 32;
    off += static_cast<std::int32_t>(size);
    bytes -= size;
  }
}

void add_constant_size(Gen& gen, unsigned sum, const Range& range) {
  unsigned base = range.at.reg;
  std::int32_t off = range.at.offset;
  std::uint32_t bytes = *range.size;
  if (bytes > kMaxUnrolled) {
    const auto turns = static_cast<std::int32_t>(bytes / kTurn * kTurn);
    gen.e.emit(reg_reg(Op::MOV64_REG, kScratch2, base));
    if (off != 0) {
      gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch2, off));
    }
    // The size's own register is free: its value is known.
    gen.e.emit(reg_reg(Op::MOV64_REG, range.size_reg, kScratch2));
    gen.e.emit(reg_imm(Op::ADD64_IMM, range.size_reg, turns));
    const Label again = gen.e.here();
    for (std::int32_t at = 0; at < kTurn; at += 8) {
      gen.e.emit(load(8, kScratch0, kScratch2, at));
      add(gen, sum);
    }
    gen.e.emit(reg_imm(Op::ADD64_IMM, kScratch2, kTurn));
    gen.e.branch(jump_reg(Op::JLT64_REG, kScratch2, range.size_reg), again);
    base = kScratch2;
    off = 0;
    bytes %= kTurn;
  }
  for (; bytes >= 8; bytes -= 8, off += 8) {
    gen.e.emit(load(8, kScratch0, base, off));
    add(gen, sum);
  }
  add_tail(gen, sum, base, off, bytes);
}

/// The pointer and size registers are used up.
void add_any_size(Gen& gen, unsigned sum, const Range& range) {
  const unsigned base = range.at.reg;
  const unsigned size = range.size_reg;
  gen.e.emit(reg_reg(Op::MOV32_REG, size, size));
  const Label rest = gen.e.make_label();
  gen.e.branch(jump_imm(Op::JLT64_IMM, size, 8), rest);
  const Label again = gen.e.here();
  gen.e.emit(load(8, kScratch0, base, 0));
  add(gen, sum);
  gen.e.emit(reg_imm(Op::ADD64_IMM, base, 8));
  gen.e.emit(reg_imm(Op::ADD64_IMM, size, -8));
  gen.e.branch(jump_imm(Op::JGE64_IMM, size, 8), again);
  gen.e.bind(rest);
  const auto skip_unless = [&gen, size](std::int32_t bits, Label to) {
    gen.e.emit(reg_reg(Op::MOV64_REG, kScratch2, size));
    gen.e.emit(reg_imm(Op::AND64_IMM, kScratch2, bits));
    gen.e.branch(jump_imm(Op::JEQ64_IMM, kScratch2, 0), to);
  };
  const Label no_word = gen.e.make_label();
  skip_unless(4, no_word);
  add_tail(gen, sum, base, 0, 4);
  gen.e.emit(reg_imm(Op::ADD64_IMM, base, 4));
  gen.e.bind(no_word);
  const Label no_half = gen.e.make_label();
  const Label done = gen.e.make_label();
  skip_unless(2, no_half);
  const Label only_half = gen.e.make_label();
  skip_unless(1, only_half);
  add_tail(gen, sum, base, 0, 3);
  gen.e.jump(done);
  gen.e.bind(only_half);
  add_tail(gen, sum, base, 0, 2);
  gen.e.jump(done);
  gen.e.bind(no_half);
  skip_unless(1, done);
  add_tail(gen, sum, base, 0, 1);
  gen.e.bind(done);
}

void add_range(Gen& gen, unsigned sum, const Range& range) {
  if (range.size) {
    add_constant_size(gen, sum, range);
  } else {
    add_any_size(gen, sum, range);
  }
}

/// 64 bits to 32. \param words  32-bit numbers that were added up, at most; 0: unknown.
void fold_to_32(Gen& gen, unsigned sum, std::uint32_t words) {
  if (words == 1) {
    return;
  }
  gen.e.emit(reg_imm(Op::MOV64_IMM, kScratch0, 0));
  gen.e.emit(core(CoreOp::CSUM, kScratch0, sum, 0, 0));
  gen.e.emit(reg_imm(Op::MOV64_IMM, sum, 0));
  gen.e.emit(core(CoreOp::CSUM, sum, kScratch0, 0, 0));
}

/// 32 bits to 16: the upper half of x + (x rotated by 16), whose carry is added back in.
void fold_to_16(Gen& gen) {
  gen.e.emit(reg_reg(Op::MOV64_REG, kScratch0, 0));
  gen.e.emit(reg_imm(Op::RSH64_IMM, kScratch0, 16));
  gen.e.emit(reg_imm(Op::MUL32_IMM, 0, 0x10001));
  gen.e.emit(reg_reg(Op::ADD32_REG, 0, kScratch0));
  gen.e.emit(reg_imm(Op::RSH32_IMM, 0, 16));
}

std::uint32_t words(const Range& range) { return range.size ? (*range.size + 3) / 4 : 0; }

class CsumDiff {
 public:
  CsumDiff(Gen& gen, const CallPlan& plan)
      : gen_(gen), plan_(plan), from_{plan.key, size(2), 2}, to_{plan.value, size(4), 4} {}

  void run() {
    const Label done = gen_.e.make_label();
    if (from_.never()) {
      push();
    } else if (from_.always() && to_.always()) {
      replace();
    } else if (from_.always() && to_.never()) {
      pull();
    } else {
      choose(done);
    }
    gen_.e.bind(done);
    fold_to_16(gen_);
  }

 private:
  std::optional<std::uint32_t> size(unsigned reg) const {
    const auto known = plan_.constant[reg];
    return known ? std::optional(static_cast<std::uint32_t>(*known)) : std::nullopt;
  }

  void seed() {
    if (plan_.constant[5]) {
      gen_.e.constant(0, static_cast<std::uint32_t>(*plan_.constant[5]));
    } else {
      gen_.e.emit(reg_reg(Op::MOV32_REG, 0, 5));
    }
  }

  // Each leaves a 32-bit sum in R0.

  void push() {
    seed();
    if (to_.never()) {
      return;
    }
    add_range(gen_, 0, to_);
    const std::uint32_t seeds = plan_.constant[5] == std::uint64_t{0} ? 0 : 1;
    fold_to_32(gen_, 0, to_.size ? words(to_) + seeds : 0);
  }

  void pull() {
    seed();
    gen_.e.emit(reg_imm(Op::XOR32_IMM, 0, -1));
    add_range(gen_, 0, from_);
    fold_to_32(gen_, 0, from_.size ? words(from_) + 1 : 0);
    gen_.e.emit(reg_imm(Op::XOR32_IMM, 0, -1));
  }

  void replace() {
    gen_.e.constant(kScratch1, 0);
    add_range(gen_, kScratch1, from_);
    fold_to_32(gen_, kScratch1, words(from_));
    gen_.e.emit(reg_imm(Op::XOR32_IMM, kScratch1, -1));
    seed();
    add_range(gen_, 0, to_);
    gen_.e.emit(reg_reg(Op::ADD64_REG, 0, kScratch1));
    fold_to_32(gen_, 0, 0);
  }

  /// Sizes that are known only now.
  void choose(Label done) {
    const Label pushes = gen_.e.make_label();
    const Label pulls = gen_.e.make_label();
    if (!from_.size) {
      gen_.e.branch(jump_imm(Op::JEQ32_IMM, from_.size_reg, 0), pushes);
    }
    if (!to_.size) {
      gen_.e.branch(jump_imm(Op::JEQ32_IMM, to_.size_reg, 0), pulls);
    }
    if (to_.never()) {
      pull();
    } else {
      replace();
    }
    gen_.e.jump(done);
    if (!from_.size) {
      gen_.e.bind(pushes);  // to_size may be 0 as well: then nothing is added
      push();
      gen_.e.jump(done);
    }
    if (!to_.size) {
      gen_.e.bind(pulls);
      pull();
      gen_.e.jump(done);
    }
  }

  Gen& gen_;
  const CallPlan& plan_;
  Range from_, to_;
};

}  // namespace

void gen_csum_diff(Gen& gen, const CallPlan& plan) { CsumDiff(gen, plan).run(); }

}  // namespace kiln::lowering
