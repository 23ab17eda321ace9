// SPDX-License-Identifier: Apache-2.0
//
// Test only: the generator behind random_program(). It writes assembler text: statements over registers
// whose kind it remembers, in blocks behind forward branches, in counted loops and in subprograms. It
// remembers only roughly, which is where programs that must be refused come from.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace kiln::verifier {

/// xorshift64*, because std distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {
    for (int i = 0; i < 8; ++i) {
      next();
    }
  }
  std::uint64_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1du;
  }
  std::uint64_t below(std::uint64_t n) { return (next() >> 11) % n; }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <typename T, std::size_t N>
  const T& pick(const T (&from)[N]) {
    return from[below(N)];
  }

 private:
  std::uint64_t state_;
};

class Generator {
 public:
  Generator(std::uint64_t seed, bool extended) : random_(seed), extended_(extended) {}
  /// A whole program in assemble()'s syntax.
  std::string text();

 private:
  enum class Kind : std::uint8_t { kNone, kNumber, kSmall, kCtx, kPacket, kEnd, kMeta, kValue, kMaybeValue };
  using Kinds = std::array<Kind, 10>;

  // random_program.cc: blocks, registers, what to do next.
  void finish();
  void body(int statements);
  void statement();
  void choose();
  void join(const Kinds& other);
  int find(Kind kind);
  int target();
  int other_than(int a, int b = -1);
  std::int64_t constant();
  int block_out();
  void branch();
  void loop();
  template <typename... Args>
  void emit(fmt::format_string<Args...> format, Args&&... args) {
    text_ += fmt::format(format, std::forward<Args>(args)...) + "\n";
  }
  std::string label() { return fmt::format("l{}", labels_++); }
  void set(int r, Kind kind) { kinds_[static_cast<std::size_t>(r)] = kind; }
  Kind kind(int r) const { return kinds_[static_cast<std::size_t>(r)]; }

  // random_scalars.cc: numbers.
  int number();
  int small();
  int fresh_number();
  std::string condition(int left);
  void arithmetic();
  void conversion();
  void copy_and_bound();
  void linked_use();
  void narrow_and_index();

  // random_memory.cc: stack, packet, map values.
  int number_slot();
  std::string stack_size(std::uint64_t bytes);
  void spill();
  void fill();
  void variable_stack();
  int value_pointer();
  void value_access();
  void access(int base, std::int64_t off, std::uint64_t room);
  void atomic(int base, std::int64_t off);
  bool packet_registers(int& data, int& end);
  void packet_access();
  void packet_compare();
  void packet_walk();
  void pointer_arithmetic();

  // random_calls.cc: helpers and subprograms.
  void clobbered();
  void call();
  void lookup();
  void null_tracking();
  void update();
  void move_packet();
  void checksum();
  void redirect();
  void tail_call();

  // random_callbacks.cc: callbacks, iterators, may_goto, references.
  void callback();
  void callbacks();
  void iterate();
  void may_goto();
  void reference();

  Random random_;
  const bool extended_;  ///< random_callbacks.cc's statements too
  std::string text_;
  Kinds kinds_{};
  int labels_ = 0, depth_ = 0, loops_ = 0, functions_ = 0, out_label_ = 0;
  unsigned called_ = 0;
  unsigned pointer_slots_ = 0;  ///< bit k: fp-8k may hold a pointer
  bool outs_ = false, in_function_ = false;
};

}  // namespace kiln::verifier
