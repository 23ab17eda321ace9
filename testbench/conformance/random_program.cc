// SPDX-License-Identifier: Apache-2.0
#include "random_program.h"

#include <array>
#include <random>

namespace kiln::conformance {
namespace {

constexpr std::uint8_t kMemory = 6;             // R6 holds the memory's address throughout
constexpr std::int16_t kStackUsed = 64;         // bytes of stack, written before anything reads them
constexpr std::array<std::uint8_t, 9> kScalars = {0, 1, 2, 3, 4, 5, 7, 8, 9};

class Generator {
 public:
  Generator(std::uint32_t seed, RandomKind kind) : random_(seed), kind_(kind) {}

  std::vector<Insn> make(std::size_t steps) {
    prologue();
    for (std::size_t i = 0; i < steps; ++i) {
      kind_ == RandomKind::kBeyond && below(5) == 0 ? step_beyond() : step();
    }
    resolve_jumps();
    epilogue();
    return std::move(out_);
  }

 private:
  std::uint32_t below(std::uint32_t n) { return random_() % n; }
  std::uint8_t scalar() { return kScalars[below(kScalars.size())]; }
  void emit(Insn insn) { out_.push_back(insn); }
  void emit_wide(std::uint8_t dst, std::uint64_t value) {
    emit({.opcode = 0x18, .dst = dst, .imm = static_cast<std::int32_t>(value)});
    emit({.imm = static_cast<std::int32_t>(value >> 32)});
  }

  /// Numbers where things happen: near zero, near the signs, powers of two, anything.
  std::uint64_t interesting() {
    switch (below(6)) {
      case 0:
        return below(5) - std::uint64_t{2};
      case 1:
        return std::uint64_t{1} << below(64);
      case 2:
        return (std::uint64_t{1} << below(64)) - 1;
      case 3:
        return ~(std::uint64_t{1} << below(64)) + 1;
      case 4:
        return random_();
      default:
        return std::uint64_t{random_()} << 32 | random_();
    }
  }

  void prologue() {
    emit({.opcode = 0xbf, .dst = kMemory, .src = 1});
    for (const std::uint8_t reg : kScalars) {
      emit_wide(reg, interesting());
    }
    for (std::int16_t at = 8; at <= kStackUsed; at = static_cast<std::int16_t>(at + 8)) {
      emit({.opcode = 0x7b, .dst = 10, .src = scalar(), .off = static_cast<std::int16_t>(-at)});
    }
  }

  void step() {
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return arithmetic();
      case 4:
        return unary();
      case 5:
        return jump();
      case 6:
      case 7:
        return access();
      case 8:
        return atomic();
      default:
        return below(4) == 0 ? call() : arithmetic();
    }
  }

  void arithmetic() {
    // By code: add sub mul div or and lsh rsh mod xor mov arsh.
    constexpr std::array<std::uint8_t, 12> kCodes = {0x0, 0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x9, 0xa, 0xb, 0xc};
    const std::uint8_t code = kCodes[below(kCodes.size())];
    const bool is64 = below(2) == 0, by_reg = below(2) == 0;
    const bool divides = code == 0x3 || code == 0x9, shifts = code == 0x6 || code == 0x7 || code == 0xc;
    Insn insn{.opcode = static_cast<std::uint8_t>(code << 4 | (by_reg ? 8 : 0) | (is64 ? 7 : 4)), .dst = scalar()};
    insn.off = divides && below(2) == 0 ? 1 : 0;  // the signed kind
    if (by_reg) {
      insn.src = scalar();
    } else {
      insn.imm = static_cast<std::int32_t>(interesting());
      if (shifts) {  // Linux refuses immediate counts that it would have to mask, and division by a constant zero
        insn.imm &= is64 ? 63 : 31;
      } else if (divides && insn.imm == 0) {
        insn.imm = 3;
      }
    }
    emit(insn);
  }

  void unary() {
    const std::uint8_t dst = scalar();
    switch (below(4)) {
      case 0:
        return emit({.opcode = static_cast<std::uint8_t>(below(2) == 0 ? 0x87 : 0x84), .dst = dst});
      case 1: {
        constexpr std::array<std::uint8_t, 3> kOrders = {0xd4, 0xdc, 0xd7};
        return emit({.opcode = kOrders[below(3)], .dst = dst, .imm = 16 << below(3)});
      }
      case 2:
        return emit({.opcode = 0xbf, .dst = dst, .src = scalar(), .off = static_cast<std::int16_t>(8 << below(3))});
      default:
        return emit({.opcode = 0xbc, .dst = dst, .src = scalar(), .off = static_cast<std::int16_t>(8 << below(2))});
    }
  }

  /// Forward, over one to six steps; where to is known when everything has been emitted.
  void jump() {
    constexpr std::array<std::uint8_t, 11> kCodes = {0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0xa, 0xb, 0xc, 0xd};
    const bool by_reg = below(2) == 0;
    Insn insn{.opcode = static_cast<std::uint8_t>(kCodes[below(kCodes.size())] << 4 | (by_reg ? 8 : 0) |
                                                  (below(2) == 0 ? 5 : 6)),
              .dst = scalar()};
    if (by_reg) {
      insn.src = scalar();
    } else {
      insn.imm = static_cast<std::int32_t>(interesting());
    }
    jumps_.push_back(out_.size());
    emit(insn);
  }

  void resolve_jumps() {
    for (const std::size_t at : jumps_) {
      std::size_t target = std::min(at + 2 + below(6), out_.size());
      while (target < out_.size() && out_[target].opcode == 0) {
        ++target;  // not into the middle of a wide load
      }
      for (const std::size_t callback : callbacks_) {  // nor past an argument of a call that calls back
        constexpr std::size_t kBefore = 1, kToCall = 5;
        target = target >= callback && target <= callback + kToCall ? callback - kBefore : target;
      }
      target = std::max(target, at + 1);
      out_[at].off = static_cast<std::int16_t>(target - at - 1);
    }
  }

  void access() {
    const unsigned width = 1u << below(4);
    constexpr std::array<std::uint8_t, 9> kSize = {0, 0x10, 0x08, 0, 0x00, 0, 0, 0, 0x18};
    const bool on_stack = below(2) == 0;
    const std::int32_t range = on_stack ? kStackUsed : static_cast<std::int32_t>(kRandomMemory);
    // Any byte of the memory; on the stack aligned, for that is what every verifier wants.
    std::int32_t at = static_cast<std::int32_t>(below(static_cast<std::uint32_t>(range) - width + 1));
    at = on_stack ? at / static_cast<std::int32_t>(width) * static_cast<std::int32_t>(width) - kStackUsed : at;
    const auto off = static_cast<std::int16_t>(at);
    const std::uint8_t base = on_stack ? 10 : kMemory;
    switch (below(4)) {
      case 0:
        return emit({.opcode = static_cast<std::uint8_t>(0x61 | kSize[width]), .dst = scalar(), .src = base, .off = off});
      case 1:  // sign-extended: not for 8 bytes
        return emit({.opcode = static_cast<std::uint8_t>((width == 8 ? 0x61 : 0x81) | kSize[width]),
                     .dst = scalar(), .src = base, .off = off});
      case 2:
        return emit({.opcode = static_cast<std::uint8_t>(0x62 | kSize[width]), .dst = base, .off = off,
                     .imm = static_cast<std::int32_t>(interesting())});
      default:
        return emit({.opcode = static_cast<std::uint8_t>(0x63 | kSize[width]), .dst = base, .src = scalar(), .off = off});
    }
  }

  void atomic() {
    constexpr std::array<std::int32_t, 10> kOperations = {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1};
    const bool is64 = below(2) == 0;
    const int slots = is64 ? kStackUsed / 8 : kStackUsed / 4;
    const auto off = static_cast<std::int16_t>(static_cast<int>(below(static_cast<std::uint32_t>(slots))) * (is64 ? 8 : 4) - kStackUsed);
    const std::int32_t operation = kOperations[below(kOperations.size())];
    emit({.opcode = static_cast<std::uint8_t>(is64 ? 0xdb : 0xc3), .dst = 10, .src = scalar(), .off = off,
          .imm = operation});
    // Linux 6.18 zero-extends R0 after a 32-bit compare and exchange only if its verifier saw R0 used in full
    // on a path that it did not prune (x86's cmpxchg does not do it on a hit). So use it at once.
    if (!is64 && operation == 0xf1) {
      emit({.opcode = 0xbf, .dst = scalar(), .src = 0});
    }
  }

  void step_beyond() {
    switch (below(4)) {
      case 0:
        return ordered();
      case 1:  // always goes on; where else it could go is known when everything has been emitted
        jumps_.push_back(out_.size());
        return emit({.opcode = 0xe5});
      case 2:
        return loop();
      default:
        return call_back();
    }
  }

  /// On the stack: a load that acquires or a store that releases.
  void ordered() {
    const std::int32_t width = 1 << below(4);
    constexpr std::array<std::uint8_t, 9> kOpcode = {0, 0xd3, 0xcb, 0, 0xc3, 0, 0, 0, 0xdb};
    const auto off = static_cast<std::int16_t>(static_cast<std::int32_t>(below(static_cast<std::uint32_t>(kStackUsed / width))) * width - kStackUsed);
    const std::uint8_t opcode = kOpcode[static_cast<std::size_t>(width)];
    below(2) == 0 ? emit({.opcode = opcode, .dst = scalar(), .src = 10, .off = off, .imm = 0x100})
                  : emit({.opcode = opcode, .dst = 10, .src = scalar(), .off = off, .imm = 0x110});
  }

  /// Eight rounds at most, whatever the register holds: its bytes are shifted out.
  void loop() {
    const std::uint8_t bytes = scalar();
    const std::size_t start = out_.size();
    for (std::uint32_t i = below(3); i-- > 0;) {
      arithmetic();
      while (out_.back().dst == bytes) {
        out_.back().dst = scalar();
      }
    }
    emit({.opcode = 0xe5, .off = 2});
    emit({.opcode = 0x77, .dst = bytes, .imm = 8});
    emit({.opcode = 0x55, .dst = bytes, .off = static_cast<std::int16_t>(static_cast<std::ptrdiff_t>(start) - static_cast<std::ptrdiff_t>(out_.size()) - 1)});
  }

  /// R0 = bpf_loop(rounds, function, somewhere in the stack, 0).
  void call_back() {
    constexpr std::int32_t kLoop = 181;
    emit({.opcode = 0xb7, .dst = 1, .imm = static_cast<std::int32_t>(below(7))});
    callbacks_.push_back(out_.size());
    emit({.opcode = 0x18, .dst = 2, .src = 4});
    emit({});
    emit({.opcode = 0xbf, .dst = 3, .src = 10});
    emit({.opcode = 0x07, .dst = 3, .imm = -8 * static_cast<std::int32_t>(2 + below(kStackUsed / 8 - 1))});
    emit({.opcode = 0xb7, .dst = 4});
    emit({.opcode = 0x85, .imm = kLoop});
    renew_arguments();
  }

  /// Of bpf_loop: changes two words at its context and some of its own, and stops after the fifth round.
  void called_back() {
    const std::size_t start = out_.size();
    for (const std::size_t at : callbacks_) {
      out_[at].imm = static_cast<std::int32_t>(start - at - 1);
    }
    emit({.opcode = 0x79, .dst = 3, .src = 2});
    emit({.opcode = 0x0f, .dst = 3, .src = 1});
    emit({.opcode = 0xa7, .dst = 3, .imm = static_cast<std::int32_t>(random_())});
    emit({.opcode = 0x7b, .dst = 2, .src = 3});
    emit({.opcode = 0x7b, .dst = 10, .src = 3, .off = -16});
    emit({.opcode = 0x61, .dst = 4, .src = 2, .off = 12});
    emit({.opcode = 0x61, .dst = 5, .src = 10, .off = -12});
    emit({.opcode = 0x0f, .dst = 4, .src = 5});
    emit({.opcode = 0x63, .dst = 2, .src = 4, .off = 8});
    emit({.opcode = 0xbf, .dst = 0, .src = 1});
    emit({.opcode = 0x77, .dst = 0, .imm = 2});
    emit({.opcode = 0x95});
  }

  /// R0 = f(R1..R5). R1 to R5 can't be read afterwards, so they get new values.
  void call() {
    calls_.push_back(out_.size());
    emit({.opcode = 0x85, .src = 1});
    renew_arguments();
  }
  void renew_arguments() {
    for (std::uint8_t reg = 1; reg <= 5; ++reg) {
      emit({.opcode = 0xb7, .dst = reg, .imm = static_cast<std::int32_t>(interesting())});
    }
  }

  void epilogue() {
    for (const std::uint8_t reg : kScalars) {
      if (reg != 0) {
        emit({.opcode = 0x27, .dst = 0, .imm = 31});
        emit({.opcode = 0xaf, .dst = 0, .src = reg});
      }
    }
    for (std::int16_t at = 8; at <= kStackUsed; at = static_cast<std::int16_t>(at + 8)) {
      emit({.opcode = 0x79, .dst = 1, .src = 10, .off = static_cast<std::int16_t>(-at)});
      emit({.opcode = 0x27, .dst = 0, .imm = 31});
      emit({.opcode = 0xaf, .dst = 0, .src = 1});
    }
    emit({.opcode = 0x95});
    if (!calls_.empty()) {
      callee();
    }
    if (!callbacks_.empty()) {
      called_back();
    }
  }

  void callee() {
    const std::size_t start = out_.size();
    for (const std::size_t at : calls_) {
      out_[at].imm = static_cast<std::int32_t>(start - at - 1);
    }
    emit({.opcode = 0xbf, .dst = 0, .src = 1});
    emit({.opcode = 0x7b, .dst = 10, .src = 2, .off = -8});
    emit({.opcode = 0xb7, .dst = 7, .imm = static_cast<std::int32_t>(random_())});  // R7 must come back
    emit({.opcode = 0x0f, .dst = 0, .src = 7});
    emit({.opcode = 0xaf, .dst = 0, .src = 3});
    emit({.opcode = 0x2f, .dst = 0, .src = 4});
    emit({.opcode = 0x1f, .dst = 0, .src = 5});
    emit({.opcode = 0x79, .dst = 8, .src = 10, .off = -8});
    emit({.opcode = 0x0f, .dst = 0, .src = 8});
    emit({.opcode = 0x95});
  }

  std::mt19937 random_;
  RandomKind kind_;
  std::vector<Insn> out_;
  std::vector<std::size_t> jumps_, calls_, callbacks_;
};

}  // namespace

std::vector<Insn> random_program(std::uint32_t seed, std::size_t steps, RandomKind kind) { return Generator(seed, kind).make(steps); }

std::vector<std::byte> random_memory(std::uint32_t seed) {
  std::mt19937 random(~seed);
  std::vector<std::byte> memory(kRandomMemory);
  for (std::byte& byte : memory) {
    byte = static_cast<std::byte>(random());
  }
  return memory;
}

}  // namespace kiln::conformance
