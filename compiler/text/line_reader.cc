// SPDX-License-Identifier: Apache-2.0
//
// Tokens of assembly.
#include "text/line_reader.h"

#include <charconv>
#include <limits>

#include <kiln/isa.h>

namespace kiln::text {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '.' ||
         c == '$';
}

bool LineReader::fail(std::string message) {
  if (error_.empty()) {
    error_ = std::move(message);
  }
  return false;
}

void LineReader::skip_blanks() {
  while (!rest_.empty() &&
         (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\r')) {
    rest_.remove_prefix(1);
  }
}

std::string_view LineReader::take_n(std::size_t n) {
  const std::string_view taken = rest_.substr(0, n);
  rest_.remove_prefix(taken.size());
  skip_blanks();
  return taken;
}

std::string_view LineReader::word() {
  std::size_t n = 0;
  while (n < rest_.size() && is_word(rest_[n])) {
    ++n;
  }
  return take_n(n);
}

bool LineReader::take(std::string_view token) {
  if (!rest_.starts_with(token)) {
    return false;
  }
  if (is_word(token.back()) && rest_.size() > token.size() && is_word(rest_[token.size()])) {
    return false;
  }
  take_n(token.size());
  return true;
}

bool LineReader::expect(std::string_view token) {
  return take(token) || fail(fmt::format("expected '{}' at '{}'", token, rest_));
}

std::optional<Register> LineReader::reg() {
  const std::string_view before = rest_;
  const std::string_view name = word();
  if ((name.size() == 2 || name.size() == 3) && (name[0] == 'r' || name[0] == 'w')) {
    unsigned value = 0;
    const auto [end, status] = std::from_chars(name.data() + 1, name.data() + name.size(), value);
    if (status == std::errc{} && end == name.data() + name.size() && value < kRegisters) {
      return Register{static_cast<std::uint8_t>(value), name[0] == 'w'};
    }
  }
  rest_ = before;
  return std::nullopt;
}

bool LineReader::reg_into(std::uint8_t& field) {
  const auto found = reg();
  if (!found) {
    return fail(fmt::format("expected a register at '{}'", rest_));
  }
  field = found->number;
  return true;
}

bool LineReader::number(std::int64_t low, std::uint64_t high, std::uint64_t& value) {
  const std::string_view before = rest_;
  take("+");  // "+ -4" is how the kernel writes a negative packet offset
  const bool negative = take("-");
  std::string_view digits = word();
  const int base = digits.starts_with("0x") ? 16 : 10;
  digits.remove_prefix(base == 16 ? 2 : 0);
  std::uint64_t magnitude = 0;
  const auto [end, status] =
      std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (digits.empty() || status == std::errc::invalid_argument ||
      end != digits.data() + digits.size()) {
    rest_ = before;
    return fail(fmt::format("expected a number at '{}'", rest_));
  }
  const std::uint64_t lowest = std::uint64_t{0} - static_cast<std::uint64_t>(low);
  if (status != std::errc{} || magnitude > (negative ? lowest : high)) {
    return fail(fmt::format("number out of range: {}{}", negative ? "-" : "", digits));
  }
  value = negative ? std::uint64_t{0} - magnitude : magnitude;
  return true;
}

bool LineReader::imm32(std::int32_t& value) {
  std::uint64_t wide_value = 0;
  if (!number(std::numeric_limits<std::int32_t>::min(), std::numeric_limits<std::uint32_t>::max(),
              wide_value)) {
    return false;
  }
  value = static_cast<std::int32_t>(wide_value);
  return true;
}

bool LineReader::offset16(std::int16_t& value) {
  std::uint64_t wide_value = 0;
  if (!number(std::numeric_limits<std::int16_t>::min(), std::numeric_limits<std::int16_t>::max(),
              wide_value)) {
    return false;
  }
  value = static_cast<std::int16_t>(wide_value);
  return true;
}

}  // namespace kiln::text
