// SPDX-License-Identifier: Apache-2.0
//
// Helpers that tell the outside: trace_printk, perf_event_output.
//
// A program sees only what they return, and that is what the kernel returns when nobody listens. Source:
// kernel/trace/bpf_trace.c (bpf_trace_printk, __bpf_perf_event_output), bpf_bprintf_prepare() in
// kernel/bpf/helpers.c, bpf_xdp_event_output() in net/core/filter.c, Linux 6.18.
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>

#include "helper_runtime.h"

namespace kiln {
namespace {

std::uint64_t negative(int error) { return static_cast<std::uint64_t>(-std::int64_t{error}); }

/// One conversion of a bpf_trace_printk() format: "%-8llx" is flags "-", width 8, length 2, kind 'x'.
struct Conversion {
  std::string flags;
  std::size_t width = 0;
  int length = 0;  ///< number of l's
  char kind = 0;
};

/// Parses what follows a '%'; `at` is left behind it. False: the kernel refuses the format.
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
  if (out.length != 0) {
    return std::strchr("diuxX", out.kind) != nullptr && out.kind != '\0';
  }
  if (out.kind == 'p') {  // %p, %px, %pK: sixteen digits here
    if (next() == 'x' || next() == 'K') {
      ++at;
    }
    return next() == '\0' || std::isspace(next()) || std::ispunct(next());
  }
  return out.kind != '\0' && std::strchr("diuxXcs", out.kind) != nullptr;
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
  std::string text;
  for (;; ++address) {
    const std::byte* at = m.memory.checked(address, 1, Access::kRead);  // an argument may be any number
    if (at == nullptr || *at == std::byte{0}) {
      return at == nullptr ? "" : text;
    }
    text += static_cast<char>(*at);
  }
}

std::string convert(HelperRuntime& m, const Conversion& conversion, std::uint64_t value) {
  const bool is_long = conversion.length != 0;
  const std::uint64_t bits = is_long ? value : static_cast<std::uint32_t>(value);
  switch (conversion.kind) {
    case 'd':
    case 'i': {
      const std::int64_t number = is_long ? static_cast<std::int64_t>(value) : static_cast<std::int32_t>(value);
      std::string text = fmt::format("{}", number);
      if (number >= 0 && conversion.flags.find('+') != std::string::npos) {
        text = "+" + text;
      } else if (number >= 0 && conversion.flags.find(' ') != std::string::npos) {
        text = " " + text;
      }
      return pad(conversion, std::move(text), true);
    }
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
      return pad(conversion, fmt::format("{:016x}", value), true);
  }
}

/// The text, or nullopt where the kernel says -EINVAL.
std::optional<std::string> format_trace(HelperRuntime& m, std::string_view format,
                                        const std::array<std::uint64_t, 3>& arguments) {
  std::string text;
  std::size_t used = 0;
  for (std::size_t at = 0; at < format.size();) {
    const char c = format[at];
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x80 || (!std::isprint(code) && !std::isspace(code))) {
      return std::nullopt;
    }
    ++at;
    if (c != '%') {
      text += c;
      continue;
    }
    if (at < format.size() && format[at] == '%') {
      text += '%';
      ++at;
      continue;
    }
    Conversion conversion;
    if (used >= arguments.size() || !parse_conversion(format, at, conversion)) {
      return std::nullopt;
    }
    text += convert(m, conversion, arguments[used++]);
  }
  return text;
}

}  // namespace

std::uint64_t helper_trace_printk(std::uint64_t format, std::uint64_t size, std::uint64_t a, std::uint64_t b,
                                  std::uint64_t c, MachineState* machine) {
  HelperRuntime& m = runtime(machine);
  const std::byte* at = m.read(format, static_cast<std::uint32_t>(size));
  if (at == nullptr) {
    return 0;
  }
  const std::string_view bytes(reinterpret_cast<const char*>(at), static_cast<std::uint32_t>(size));
  const std::size_t length = bytes.find('\0');
  if (length == std::string_view::npos) {
    return negative(EINVAL);
  }
  const std::optional<std::string> text = format_trace(m, bytes.substr(0, length), {a, b, c});
  if (!text) {
    return negative(EINVAL);
  }
  if (m.print_trace) {
    std::fprintf(stderr, "bpf_trace_printk: %s%s", text->c_str(), text->ends_with('\n') ? "" : "\n");
  }
  return text->size();
}

std::uint64_t helper_perf_event_output(std::uint64_t, std::uint64_t handle, std::uint64_t flags, std::uint64_t data,
                                       std::uint64_t size, MachineState* machine) {
  constexpr std::uint64_t kIndexMask = 0xffff'ffff, kCurrentCpu = 0xffff'ffff;
  constexpr std::uint64_t kFrameBytesMask = 0xfffffull << 32;
  HelperRuntime& m = runtime(machine);
  const std::optional<std::uint32_t> map = m.map_of(handle);
  const std::byte* record = map ? m.read(data, size) : nullptr;
  if (m.faulted != 0) {
    return 0;
  }
  if ((flags & ~(kIndexMask | kFrameBytesMask)) != 0) {
    return negative(EINVAL);
  }
  const std::span<const std::byte> frame = m.frame.frame();
  const std::uint64_t frame_bytes = (flags & kFrameBytesMask) >> 32;
  if (frame_bytes > frame.size()) {
    return negative(EFAULT);
  }
  const auto asked = static_cast<std::uint32_t>(flags & kIndexMask);
  const std::uint32_t index = asked == kCurrentCpu ? 0 : asked;
  if (index >= m.maps.descriptor(*map).max_entries) {
    return negative(E2BIG);
  }
  if (m.events.size() < kMaxPerfEvents) {
    PerfEvent& event = m.events.emplace_back(PerfEvent{.map = *map, .index = index, .data = {}});
    event.data.assign(record, record + size);
    event.data.insert(event.data.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(frame_bytes));
  }
  // A slot that user space filled has a listener; without one the kernel says so, and loses the record.
  const std::optional<std::uint32_t> slot = m.maps.lookup(*map, std::as_bytes(std::span(&index, 1)), 0);
  std::uint32_t listener = 0;
  if (slot) {
    std::memcpy(&listener, m.maps.arena().data() + *slot, sizeof(listener));
  }
  return listener == 0 ? negative(ENOENT) : 0;
}

}  // namespace kiln
