// SPDX-License-Identifier: Apache-2.0
//
// Pointers print as sixteen digits (the kernel hashes them under a secret); a symbol (%ps, %pS, %pB) prints as one
// that is unknown does, as its address.
#include "format.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

namespace kiln {
namespace {

/// One conversion: "%-8llx" is flags "-", width 8, length 2, kind 'x'.
struct Conversion {
  std::string flags;
  std::size_t width = 0;
  int length = 0;         ///< number of l's
  char kind = 0;
  std::string_view extension;  ///< of a pointer, a part of the format: "I4", "ks", ...
};

bool ends_word(char c) {
  return c == '\0' || std::isspace(static_cast<unsigned char>(c)) != 0 || std::ispunct(static_cast<unsigned char>(c)) != 0;
}

/// What follows "%p". False: the kernel refuses it. `at` is left behind it.
bool parse_pointer(std::string_view format, std::size_t& at, Conversion& out) {
  const auto next = [&](std::size_t by) { return at + by < format.size() ? format[at + by] : '\0'; };
  if (ends_word(next(0))) {
    return true;
  }
  if ((next(0) == 'k' || next(0) == 'u') && next(1) == 's') {
    out.extension = format.substr(at, 2);
    at += 2;
    return ends_word(next(0));
  }
  if (std::strchr("KxsSB", next(0)) != nullptr) {
    out.extension = format.substr(at, 1);
    ++at;
    return true;
  }
  if ((next(0) == 'i' || next(0) == 'I') && (next(1) == '4' || next(1) == '6')) {
    out.extension = format.substr(at, 2);
    at += 2;
    return true;
  }
  return false;
}

/// Parses what follows a '%'. False: the kernel refuses the format.
bool parse_conversion(std::string_view format, std::size_t& at, Conversion& out) {
  const auto next = [&] { return at < format.size() ? format[at] : '\0'; };
  while (next() == '0' || next() == '+' || next() == '-' || next() == ' ') {
    out.flags += format[at++];
  }
  while (next() >= '0' && next() <= '9') {
    out.width = std::min<std::size_t>(out.width * 10 + static_cast<std::size_t>(next() - '0'), 1024);
    ++at;
  }
  while (next() == 'l' && out.length < 2) {
    ++out.length;
    ++at;
  }
  out.kind = next();
  ++at;
  if (out.kind == '\0') {
    return false;
  }
  if (out.length != 0) {
    return std::strchr("diuxX", out.kind) != nullptr;
  }
  if (out.kind == 'p') {
    return parse_pointer(format, at, out);
  }
  if (out.kind == 's') {
    return ends_word(next());
  }
  return std::strchr("diuxXc", out.kind) != nullptr;
}

std::string pad(const Conversion& conversion, std::string text, bool number) {
  if (text.size() >= conversion.width) {
    return text;
  }
  const std::size_t missing = conversion.width - text.size();
  if (conversion.flags.find('-') != std::string::npos) {
    return text + std::string(missing, ' ');
  }
  if (number && conversion.flags.find('0') != std::string::npos) {
    const std::size_t sign = text[0] == '-' || text[0] == '+' || text[0] == ' ' ? 1 : 0;
    return text.substr(0, sign) + std::string(missing, '0') + text.substr(sign);
  }
  return std::string(missing, ' ') + text;
}

/// The string at a program's address, or "" where it can't be read, as in the kernel.
std::string string_at(HelperRuntime& m, std::uint64_t address) {
  constexpr std::size_t kRoom = 511;  // MAX_BPRINTF_BIN_ARGS with its zero byte
  std::string text;
  for (; text.size() < kRoom; ++address) {
    const std::byte* at = m.memory.checked(address, 1, Access::kRead);  // an argument may be any number
    if (at == nullptr || *at == std::byte{0}) {
      return at == nullptr ? "" : text;
    }
    text += static_cast<char>(*at);
  }
  return text;
}

/// %pI4 10.0.0.1, %pi4 010.000.000.001, %pI6 with colons, %pi6 without.
std::string ip_at(HelperRuntime& m, std::string_view extension, std::uint64_t address) {
  const std::size_t bytes = extension[1] == '4' ? 4 : 16;
  std::array<std::uint8_t, 16> ip{};
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::byte* at = m.memory.checked(address + i, 1, Access::kRead);
    if (at == nullptr) {
      ip = {};
      break;
    }
    ip[i] = std::to_integer<std::uint8_t>(*at);
  }
  const bool plain = extension[0] == 'I';
  std::string text;
  if (bytes == 4) {
    for (std::size_t i = 0; i < bytes; ++i) {
      text += fmt::format("{}{:0{}}", i == 0 ? "" : ".", ip[i], plain ? 1 : 3);
    }
    return text;
  }
  for (std::size_t i = 0; i < bytes; i += 2) {
    text += fmt::format("{}{:02x}{:02x}", i == 0 || !plain ? "" : ":", ip[i], ip[i + 1]);
  }
  return text;
}

std::string convert_signed(const Conversion& conversion, std::int64_t number) {
  std::string text = fmt::format("{}", number);
  if (number >= 0 && conversion.flags.find('+') != std::string::npos) {
    text = "+" + text;
  } else if (number >= 0 && conversion.flags.find(' ') != std::string::npos) {
    text = " " + text;
  }
  return pad(conversion, std::move(text), true);
}

std::string convert(HelperRuntime& m, const Conversion& conversion, std::uint64_t value) {
  const bool is_long = conversion.length != 0;
  const std::uint64_t bits = is_long ? value : static_cast<std::uint32_t>(value);
  switch (conversion.kind) {
    case 'd':
    case 'i':
      return convert_signed(conversion,
                            is_long ? static_cast<std::int64_t>(value) : static_cast<std::int32_t>(value));
    case 'u':
      return pad(conversion, fmt::format("{}", bits), true);
    case 'x':
      return pad(conversion, fmt::format("{:x}", bits), true);
    case 'X':
      return pad(conversion, fmt::format("{:X}", bits), true);
    case 'c':
      return pad(conversion, std::string(1, static_cast<char>(value)), false);
    case 's':
      return pad(conversion, string_at(m, value), false);
    default:
      break;
  }
  const std::string_view extension = conversion.extension;
  if (extension == "ks" || extension == "us") {
    return pad(conversion, string_at(m, value), false);
  }
  if (!extension.empty() && (extension[0] == 'i' || extension[0] == 'I')) {
    return pad(conversion, ip_at(m, extension, value), false);
  }
  if (extension == "s" || extension == "S" || extension == "B") {
    return pad(conversion, fmt::format("0x{:x}", value), false);
  }
  return pad(conversion, fmt::format("{:016x}", value), true);
}

}  // namespace

Formatted format_text(HelperRuntime& m, std::string_view format, std::span<const std::uint64_t> arguments) {
  Formatted out;
  std::size_t used = 0;
  for (std::size_t at = 0; at < format.size();) {
    const char c = format[at];
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x80 || (std::isprint(code) == 0 && std::isspace(code) == 0)) {
      return {EINVAL, ""};
    }
    ++at;
    if (c != '%') {
      out.text += c;
      continue;
    }
    if (at < format.size() && format[at] == '%') {
      out.text += '%';
      ++at;
      continue;
    }
    Conversion conversion;
    if (used >= arguments.size() || !parse_conversion(format, at, conversion)) {
      return {EINVAL, ""};
    }
    out.text += convert(m, conversion, arguments[used++]);
  }
  return out;
}

}  // namespace kiln
