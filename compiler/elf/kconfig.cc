// SPDX-License-Identifier: Apache-2.0
#include "elf/kconfig.h"

#include <sys/utsname.h>
#ifdef KILN_HAS_ZLIB
#include <zlib.h>
#endif

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include <fmt/format.h>

namespace kiln::elf {
namespace {

using Configuration = std::map<std::string, std::string, std::less<>>;

std::string read_gzip([[maybe_unused]] const char* path) {
  std::string text;
#ifdef KILN_HAS_ZLIB
  if (gzFile file = gzopen(path, "rb")) {
    char buffer[16384];
    for (int n = gzread(file, buffer, sizeof buffer); n > 0; n = gzread(file, buffer, sizeof buffer)) {
      text.append(buffer, static_cast<std::size_t>(n));
    }
    gzclose(file);
  }
#endif
  return text;
}

std::string configuration_text() {
  struct utsname host {};
  if (uname(&host) == 0) {
    std::ifstream boot(std::string("/boot/config-") + host.release);
    if (boot) {
      std::stringstream text;
      text << boot.rdbuf();
      return text.str();
    }
  }
  return read_gzip("/proc/config.gz");
}

/// KERNEL_VERSION() of "6.18.44-anything".
std::uint64_t kernel_version() {
  struct utsname host {};
  unsigned major = 0, minor = 0, patch = 0;
  if (uname(&host) != 0 || std::sscanf(host.release, "%u.%u.%u", &major, &minor, &patch) < 2) {
    return 0;
  }
  return major << 16 | minor << 8 | (patch > 255 ? 255 : patch);
}

/// What libbpf answers without asking the configuration.
std::optional<std::uint64_t> invented(std::string_view name) {
  if (name == "LINUX_KERNEL_VERSION") {
    return kernel_version();
  }
  // Both have been so on x86-64 since before Linux 6.18.
  return name == "LINUX_HAS_BPF_COOKIE" || name == "LINUX_HAS_SYSCALL_WRAPPER" ? std::optional<std::uint64_t>(1)
                                                                              : std::nullopt;
}

std::vector<std::byte> number(std::uint64_t value, std::uint32_t bytes) {
  std::vector<std::byte> out(bytes);
  std::memcpy(out.data(), &value, std::min<std::size_t>(bytes, sizeof value));
  return out;
}

bool fits(std::uint64_t value, std::uint32_t bytes, bool is_signed) {
  if (bytes >= 8) {
    return true;
  }
  const unsigned bits = bytes * 8;
  return is_signed ? value + (std::uint64_t{1} << (bits - 1)) < (std::uint64_t{1} << bits) : value >> bits == 0;
}

}  // namespace

const Configuration& kernel_configuration() {
  static const Configuration configuration = [] {
    Configuration settings;
    std::istringstream lines(configuration_text());
    for (std::string line; std::getline(lines, line);) {
      const std::size_t equals = line.find('=');
      if (line.starts_with("CONFIG_") && equals != std::string::npos) {
        settings.emplace(line.substr(0, equals), line.substr(equals + 1));
      }
    }
    return settings;
  }();
  return configuration;
}

Result<std::vector<std::byte>> setting(std::string_view name, const Btf& btf, std::uint32_t type,
                                       const Configuration& configuration) {
  const std::uint32_t plain = btf.strip(type).value_or(0);
  const std::uint32_t bytes = btf.size_of(type).value_or(0);
  const BtfKind kind = btf.kind(plain);
  const auto misfit = [&](std::string_view value) {
    return Error{Errc::kInput, fmt::format("setting '{}' is {}, which its type does not hold", name, value)};
  };
  if (const auto value = invented(name)) {
    return kind == BtfKind::kInt && fits(*value, bytes, false) ? Result(number(*value, bytes))
                                                               : Result<std::vector<std::byte>>(misfit("a number"));
  }
  const auto found = configuration.find(name);
  if (found == configuration.end() || found->second.empty()) {
    return std::vector<std::byte>{};
  }
  const std::string& text = found->second;
  if (text.front() == '"') {
    if (kind != BtfKind::kArray || text.size() < 2 || bytes == 0) {
      return misfit(text);
    }
    std::vector<std::byte> out(bytes);
    std::memcpy(out.data(), text.data() + 1, std::min<std::size_t>(text.size() - 2, bytes - 1));
    return out;
  }
  if (text == "y" || text == "n" || text == "m") {
    if (btf.is_enum(plain)) {  // enum libbpf_tristate
      return number(text == "y" ? 1 : text == "m" ? 2 : 0, bytes);
    }
    if (kind != BtfKind::kInt || bytes != 1) {
      return misfit(text);
    }
    const bool is_bool = btf.name(plain) == "_Bool" || btf.name(plain) == "bool";
    return is_bool && text == "m" ? Result<std::vector<std::byte>>(misfit(text))
                                  : Result(number(is_bool ? text == "y" : static_cast<unsigned char>(text.front()), 1));
  }
  std::uint64_t value = 0;
  const bool hex = text.starts_with("0x"), negative = text.starts_with("-");
  const char* begin = text.data() + (hex ? 2 : negative ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, hex ? 16 : 10);
  value = negative ? 0 - value : value;
  if (error != std::errc() || *end != '\0' || kind != BtfKind::kInt || !fits(value, bytes, btf.is_signed(plain))) {
    return misfit(text);
  }
  return number(value, bytes);
}

}  // namespace kiln::elf
