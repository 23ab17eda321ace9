// SPDX-License-Identifier: Apache-2.0
//
// Helpers that make, read and compare text: trace_printk, trace_vprintk, snprintf, strtol, strtoul, strncmp; and
// the kernel function bpf_stream_vprintk().
//
// Source: kernel/trace/bpf_trace.c, kernel/bpf/helpers.c (bpf_snprintf, __bpf_strtoull), Linux 6.18. A program sees
// only what they return; the text of trace_printk is an event for the user.
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "format.h"
#include "kfuncs.h"

namespace kiln {
namespace {

constexpr std::uint32_t kMaxArguments = 12;  // MAX_BPRINTF_VARARGS
constexpr std::size_t kMaxText = 1024;       // MAX_BPRINTF_BUF, its zero byte included

/// Arguments from program memory; false after fault().
bool read_arguments(HelperRuntime& m, std::uint64_t address, std::uint32_t bytes, std::vector<std::uint64_t>& out) {
  const std::byte* at = bytes == 0 ? nullptr : m.read(address, bytes);
  out.resize(bytes / 8);
  if (at != nullptr) {
    std::memcpy(out.data(), at, bytes);
  }
  return m.faulted == 0;
}

std::uint64_t trace(HelperRuntime& m, std::uint64_t format, std::uint32_t size, std::span<const std::uint64_t> arguments) {
  const std::byte* at = m.read(format, size);
  if (at == nullptr) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(at), size);
  const std::size_t length = bytes.find('\0');
  if (length == std::string_view::npos) {
    return negative(EINVAL);
  }
  const Formatted formatted = format_text(m, bytes.substr(0, length), arguments);
  if (formatted.error != 0) {
    return negative(formatted.error);
  }
  const auto shown = std::as_bytes(std::span(formatted.text).first(std::min(formatted.text.size(), kMaxText - 1)));
  m.record({.kind = EventKind::kTrace, .map = {}, .index = 0, .data = {shown.begin(), shown.end()}});
  return formatted.text.size();
}

/// A string of the program, which the verifier has seen the end of; nullptr after fault().
const char* constant_string(HelperRuntime& m, std::uint64_t address) {
  for (std::uint64_t i = 0;; ++i) {
    const std::byte* at = m.memory.checked(address + i, 1, Access::kRead);
    if (at == nullptr) {
      m.fault(m.memory.explain(address + i, 1, Access::kRead));
      return nullptr;
    }
    if (*at == std::byte{0}) {
      return reinterpret_cast<const char*>(m.memory.checked(address, 1, Access::kRead));
    }
  }
}

struct Number {
  std::int64_t consumed = 0;  ///< bytes, or -errno
  bool is_negative = false;
  std::uint64_t value = 0;
};

/// "0x" and "0" choose the base where none is given; 16 takes an "0x".
unsigned choose_base(std::string_view text, unsigned base) {
  const auto digit = [&](std::size_t at) { return at < text.size() ? std::tolower(static_cast<unsigned char>(text[at])) : 0; };
  if (base != 0) {
    return base;
  }
  if (digit(0) != '0') {
    return 10;
  }
  return digit(1) == 'x' && std::isxdigit(digit(2)) != 0 ? 16 : 8;
}

/// Digits of `base` at the start of `text`. \return how many; or -ERANGE, -EINVAL for none.
std::int64_t parse_digits(std::string_view text, unsigned base, std::uint64_t& value) {
  std::int64_t used = 0;
  bool overflow = false;
  for (const char c : text) {
    const int lower = std::tolower(static_cast<unsigned char>(c));
    const unsigned digit = lower >= '0' && lower <= '9'   ? static_cast<unsigned>(lower - '0')
                           : lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a' + 10)
                                                          : 255;
    if (digit >= base) {
      break;
    }
    overflow |= __builtin_mul_overflow(value, std::uint64_t{base}, &value);
    overflow |= __builtin_add_overflow(value, std::uint64_t{digit}, &value);
    ++used;
  }
  return overflow ? -ERANGE : used == 0 ? -EINVAL : used;
}

Number parse_number(std::string_view text, std::uint64_t flags) {
  constexpr std::uint64_t kBaseMask = 0x1f;
  constexpr std::size_t kMost = 63;  // what the kernel copies
  const auto base = static_cast<unsigned>(flags & kBaseMask);
  if (text.empty() || (base != 0 && base != 8 && base != 10 && base != 16) || (flags & ~kBaseMask) != 0) {
    return {-EINVAL, false, 0};
  }
  std::size_t at = 0;
  while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0) {
    ++at;
  }
  Number number;
  number.is_negative = at < text.size() && text[at] == '-';
  at += number.is_negative ? 1 : 0;
  std::string_view digits = text.substr(at, kMost);
  if (digits.empty()) {
    return {-EINVAL, false, 0};
  }
  digits = digits.substr(0, digits.find('\0'));
  const unsigned chosen = choose_base(digits, base);
  const bool prefix = chosen == 16 && digits.size() > 1 && digits[0] == '0' && std::tolower(digits[1]) == 'x';
  const std::int64_t used = parse_digits(digits.substr(prefix ? 2 : 0), chosen, number.value);
  number.consumed = used < 0 ? used : static_cast<std::int64_t>(at) + (prefix ? 2 : 0) + used;
  return number;
}

/// The text and the result's place; false after fault().
bool read_text_argument(HelperRuntime& m, std::uint64_t buffer, std::uint64_t size, std::uint64_t result,
                        std::string_view& text, std::byte*& to) {
  const std::byte* at = size == 0 ? nullptr : m.read(buffer, size);
  to = m.write(result, 8);
  if (m.faulted != 0) {
    return false;
  }
  text = {reinterpret_cast<const char*>(at), size};
  std::memset(to, 0, 8);
  return true;
}

}  // namespace

KILN_DEFINE_HELPER(trace_printk) {
  const std::array<std::uint64_t, 3> arguments = {r3, r4, r5};
  return trace(runtime(machine), r1, static_cast<std::uint32_t>(r2), arguments);
}

KILN_DEFINE_HELPER(trace_vprintk) {
  HelperRuntime& m = runtime(machine);
  const auto bytes = static_cast<std::uint32_t>(r4);
  if (bytes % 8 != 0 || bytes > kMaxArguments * 8 || (bytes != 0 && r3 == 0)) {
    return negative(EINVAL);
  }
  std::vector<std::uint64_t> arguments;
  return read_arguments(m, r3, bytes, arguments) ? trace(m, r1, static_cast<std::uint32_t>(r2), arguments) : 0;
}

KILN_DEFINE_HELPER(snprintf) {
  HelperRuntime& m = runtime(machine);
  const auto room = static_cast<std::uint32_t>(r2), bytes = static_cast<std::uint32_t>(r5);
  if (bytes % 8 != 0 || bytes > kMaxArguments * 8 || (bytes != 0 && r4 == 0)) {
    return negative(EINVAL);
  }
  std::vector<std::uint64_t> arguments;
  const char* format = constant_string(m, r3);
  std::byte* to = room == 0 ? nullptr : m.write(r1, room);
  if (format == nullptr || !read_arguments(m, r4, bytes, arguments) || m.faulted != 0) {
    return 0;
  }
  const Formatted formatted = format_text(m, format, arguments);
  if (formatted.error != 0) {
    return negative(formatted.error);
  }
  if (to != nullptr) {
    const std::size_t copied = std::min<std::size_t>(formatted.text.size(), room - 1);
    std::memcpy(to, formatted.text.data(), copied);
    to[copied] = std::byte{0};
  }
  return formatted.text.size() + 1;
}

KILN_DEFINE_KFUNC(bpf_stream_vprintk_impl) {
  constexpr std::uint32_t kStdout = 1, kStderr = 2;
  HelperRuntime& m = runtime(machine);
  const auto stream = static_cast<std::uint32_t>(r1), bytes = static_cast<std::uint32_t>(r4);
  if (stream != kStdout && stream != kStderr) {
    return as_int(-ENOENT);
  }
  if (bytes % 8 != 0 || bytes > kMaxArguments * 8 || (bytes != 0 && r3 == 0)) {
    return as_int(-EINVAL);
  }
  std::vector<std::uint64_t> arguments;
  const char* format = constant_string(m, r2);
  if (format == nullptr || !read_arguments(m, r3, bytes, arguments)) {
    return 0;
  }
  const Formatted formatted = format_text(m, format, arguments);
  if (formatted.error == 0) {
    const auto* text = reinterpret_cast<const std::byte*>(formatted.text.data());
    m.record({.kind = EventKind::kTrace, .map = {}, .index = 0, .data = {text, text + formatted.text.size()}});
  }
  return as_int(-formatted.error);
}

KILN_DEFINE_HELPER(strtol) {
  HelperRuntime& m = runtime(machine);
  std::string_view text;
  std::byte* to = nullptr;
  if (!read_text_argument(m, r1, r2, r4, text, to)) {
    return 0;
  }
  const Number number = parse_number(text, r3);
  if (number.consumed < 0) {
    return static_cast<std::uint64_t>(number.consumed);
  }
  const std::uint64_t value = number.is_negative ? -number.value : number.value;
  const bool fits = number.is_negative ? static_cast<std::int64_t>(value) <= 0 : static_cast<std::int64_t>(value) >= 0;
  if (!fits) {
    return negative(ERANGE);
  }
  std::memcpy(to, &value, sizeof(value));
  return static_cast<std::uint64_t>(number.consumed);
}

KILN_DEFINE_HELPER(strtoul) {
  HelperRuntime& m = runtime(machine);
  std::string_view text;
  std::byte* to = nullptr;
  if (!read_text_argument(m, r1, r2, r4, text, to)) {
    return 0;
  }
  const Number number = parse_number(text, r3);
  if (number.consumed < 0) {
    return static_cast<std::uint64_t>(number.consumed);
  }
  if (number.is_negative) {
    return negative(EINVAL);
  }
  std::memcpy(to, &number.value, sizeof(number.value));
  return static_cast<std::uint64_t>(number.consumed);
}

KILN_DEFINE_HELPER(strncmp) {
  HelperRuntime& m = runtime(machine);
  const auto size = static_cast<std::uint32_t>(r2);
  const std::byte* left = m.read(r1, size);
  const char* right = left == nullptr ? nullptr : constant_string(m, r3);
  if (right == nullptr) {
    return 0;
  }
  for (std::uint32_t i = 0; i < size; ++i) {  // -1, 0, 1, as the kernel's strncmp() does it
    const auto a = std::to_integer<unsigned char>(left[i]), b = static_cast<unsigned char>(right[i]);
    if (a != b) {
      return a < b ? ~std::uint64_t{0} : 1;
    }
    if (a == 0) {
      return 0;
    }
  }
  return 0;
}

}  // namespace kiln
