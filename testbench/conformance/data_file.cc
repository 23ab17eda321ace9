// SPDX-License-Identifier: Apache-2.0
#include "data_file.h"

#include <charconv>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <kiln/disasm.h>

namespace kiln::conformance {
namespace {

/// The sections of a case as text, before they mean anything.
struct RawCase {
  std::string name;
  std::size_t line = 0;
  std::map<std::string, std::string> sections;
};

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Result<std::uint64_t> parse_number(const std::string& text) {
  const bool negative = text.starts_with('-'), is_hex = text.starts_with("0x");
  const char* begin = text.data() + (is_hex ? 2 : negative ? 1 : 0);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value, is_hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Error{Errc::kInput, fmt::format("'{}' is not a number", text)};
  }
  return negative ? 0 - value : value;
}

Result<std::vector<std::byte>> parse_bytes(const std::string& text) {
  std::vector<std::byte> bytes;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    auto value = parse_number("0x" + word);
    if (!value || word.size() != 2) {
      return Error{Errc::kInput, fmt::format("'{}' is not a byte", word)};
    }
    bytes.push_back(static_cast<std::byte>(*value));
  }
  return bytes;
}

Result<std::vector<Insn>> parse_raw(const std::string& text) {
  std::vector<Insn> insns;
  std::istringstream stream(text);
  for (std::string word; stream >> word;) {
    auto value = parse_number("0x" + word);
    if (!value || word.size() != 16) {
      return Error{Errc::kInput, fmt::format("'{}' is not a slot of 16 digits", word)};
    }
    insns.push_back(decode(*value));
  }
  return insns;
}

Result<std::vector<MapSpec>> parse_maps(const std::string& text) {
  std::vector<MapSpec> maps;
  std::istringstream stream(text);
  std::string type;
  for (MapSpec spec; stream >> type; maps.push_back(spec)) {
    bool known = false;
    for (std::uint32_t number = 0; number < 64 && !known; ++number) {
      const std::optional<MapType> candidate = map_type_from_number(number);
      known = candidate && map_type_name(*candidate) == type;
      spec.type = known ? *candidate : spec.type;
    }
    spec.name = fmt::format("map{}", maps.size());
    if (!known || !(stream >> spec.key_size >> spec.value_size >> spec.max_entries)) {
      return Error{Errc::kInput, fmt::format("map '{}': want TYPE KEY VALUE ENTRIES", type)};
    }
  }
  return maps;
}

Result<std::vector<RawCase>> split(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return Error{Errc::kInput, fmt::format("{}: can't be read", path)};
  }
  std::vector<RawCase> cases;
  std::string* section = nullptr;
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.starts_with('#')) {
      continue;
    }
    if (!line.starts_with("-- ")) {
      if (section != nullptr) {
        *section += line + "\n";
      } else if (!trimmed(line).empty()) {
        return Error{Errc::kInput, fmt::format("{}:{}: text outside of any section", path, number)};
      }
      continue;
    }
    const std::string title = trimmed(line.substr(3));
    if (title.starts_with("case ") || cases.empty()) {
      cases.push_back({.name = title.starts_with("case ") ? title.substr(5) : "", .line = number, .sections = {}});
      section = nullptr;
      if (title.starts_with("case ")) {
        continue;
      }
    }
    section = &cases.back().sections[title];
  }
  return cases;
}

Result<Case> interpret(const RawCase& raw) {
  Case out;
  out.name = raw.name;
  out.line = raw.line;
  for (const auto& [title, text] : raw.sections) {
    if (title == "asm" || title == "raw") {
      auto insns = title == "asm" ? assemble(text) : parse_raw(text);
      if (!insns) {
        return insns.error();
      }
      out.insns = std::move(*insns);
    } else if (title == "mem" || title == "packet") {
      auto bytes = parse_bytes(text);
      if (!bytes) {
        return bytes.error();
      }
      out.memory = std::move(*bytes);
      out.is_xdp |= title == "packet";
    } else if (title == "maps") {
      auto maps = parse_maps(text);
      if (!maps) {
        return maps.error();
      }
      out.maps = std::move(*maps);
      out.is_xdp = true;
    } else if (title == "result") {
      auto value = parse_number(trimmed(text));
      if (!value) {
        return value.error();
      }
      out.result = *value;
    } else if (title == "error" || title == "fault") {
      out.error = trimmed(text);
      out.is_fault = title == "fault";
    } else if (title == "not kernel") {
      out.not_kernel = true;
    } else {
      return Error{Errc::kInput, fmt::format("unknown section '{}'", title)};
    }
  }
  if (out.insns.empty() || out.result.has_value() == !out.error.empty()) {
    return Error{Errc::kInput, "a case needs instructions, and a result or an error"};
  }
  return out;
}

}  // namespace

Result<std::vector<Case>> read_data_file(const std::string& path) {
  auto raw = split(path);
  if (!raw) {
    return raw.error();
  }
  std::vector<Case> cases;
  const std::size_t slash = path.rfind('/');
  for (const RawCase& one : *raw) {
    auto parsed = interpret(one);
    if (!parsed) {
      return Error{Errc::kInput, fmt::format("{}:{}: {}", path, one.line, parsed.error().message)};
    }
    parsed->file = path.substr(slash == std::string::npos ? 0 : slash + 1);
    cases.push_back(std::move(*parsed));
  }
  return cases;
}

}  // namespace kiln::conformance
