// SPDX-License-Identifier: Apache-2.0
#include "map_words.h"

#include <charconv>

#include <fmt/format.h>

namespace kiln::cli {
namespace {

/// As strtoul() with that base: 0 takes 0x.. and 0.. too. The whole word must be the number.
bool parse_number(std::string_view word, int base, std::uint64_t& number) {
  const bool prefixed = word.starts_with("0x") || word.starts_with("0X");
  if (prefixed && (base == 0 || base == 16)) {
    word.remove_prefix(2);
    base = 16;
  } else if (base == 0) {
    base = word.size() > 1 && word.front() == '0' ? 8 : 10;
  }
  const auto [end, failed] = std::from_chars(word.data(), word.data() + word.size(), number, base);
  return failed == std::errc{} && end == word.data() + word.size();
}

bool is_keyword(std::string_view word) {
  for (const std::string_view keyword : {"key", "value", "any", "exist", "noexist"}) {
    if (word == keyword) {
      return true;
    }
  }
  return false;
}

}  // namespace

Error usage(std::string message) { return Error{Errc::kUsage, std::move(message)}; }

Result<void> Words::expect(std::string_view keyword) {
  return accept(keyword) ? Result<void>()
                         : usage(empty() ? fmt::format("expected '{}'", keyword)
                                         : fmt::format("expected '{}', not '{}'", keyword, peek()));
}

Result<std::uint32_t> Words::number(std::string_view what) {
  std::uint64_t number = 0;
  if (empty()) {
    return usage(fmt::format("{}: expected a number", what));
  }
  const std::string word = take();
  if (!parse_number(word, 0, number) || number > 0xffff'ffff) {
    return usage(fmt::format("{}: not a number: {}", what, word));
  }
  return static_cast<std::uint32_t>(number);
}

Result<std::vector<std::byte>> Words::bytes(std::string_view what, std::size_t size) {
  const int base = accept("hex") ? 16 : 0;
  std::vector<std::byte> bytes;
  while (!empty() && !is_keyword(peek())) {
    std::uint64_t number = 0;
    const std::string word = take();
    if (!parse_number(word, base, number) || number > 255) {
      return usage(fmt::format("error parsing byte: {}", word));
    }
    bytes.push_back(std::byte(number));
  }
  if (bytes.size() != size) {
    return usage(fmt::format("{} expected {} bytes got {}", what, size, bytes.size()));
  }
  return bytes;
}

Result<void> Words::end() const {
  return empty() ? Result<void>() : usage(fmt::format("'{}' is one word too many", peek()));
}

}  // namespace kiln::cli
