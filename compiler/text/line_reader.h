// SPDX-License-Identifier: Apache-2.0
//
// Tokens of one line of assembly: words, numbers, registers. Knows no instruction.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kiln::text {

bool is_digit(char c);
/// Letters, digits, '_', '.' and '$'.
bool is_word(char c);

struct Register {
  std::uint8_t number = 0;
  bool is_32 = false;  ///< written w0..w10
};

/// Reads from the front. What can't be read sets error() once, the first time, and gives false.
class LineReader {
 public:
  explicit LineReader(std::string_view text) : rest_(text) { skip_blanks(); }

  bool at_end() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  const std::string& error() const { return error_; }
  bool fail(std::string message);

  /// Goes back to what rest() was.
  void rewind(std::string_view rest) { rest_ = rest; }
  std::string_view take_n(std::size_t n);
  /// Takes a token if it comes next; a word only as a whole ("goto" is not the start of "gotol").
  bool take(std::string_view token);
  bool expect(std::string_view token);
  std::string_view word();

  std::optional<Register> reg();  ///< no error if there is none
  bool reg_into(std::uint8_t& field);
  /// Decimal or 0x, signed; negative values come back in two's complement.
  bool number(std::int64_t low, std::uint64_t high, std::uint64_t& value);
  bool imm32(std::int32_t& value);  ///< -2^31 .. 2^32-1
  bool offset16(std::int16_t& value);

 private:
  void skip_blanks();

  std::string_view rest_;
  std::string error_;
};

}  // namespace kiln::text
