// SPDX-License-Identifier: Apache-2.0
//
// What a loader sets in an object before it loads it: sizes of maps, values of global variables. Without its loader
// an object that leaves them open can't be judged or run, so users say them.
#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "elf/load_state.h"
#include "elf/steps.h"

namespace kiln::elf {
namespace {

struct Assignment {
  std::string_view name, value;
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? "" : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Error wrong_use(const LoadState& state, std::string_view what) {
  return Error{Errc::kUsage, fmt::format("{}: {}", state.object.path, what)};
}

Result<Assignment> split(const LoadState& state, std::string_view text, std::string_view what) {
  const auto at = text.find('=');
  if (at == std::string_view::npos) {
    return wrong_use(state, fmt::format("'{}': {} is set by NAME=VALUE", text, what));
  }
  return Assignment{trimmed(text.substr(0, at)), trimmed(text.substr(at + 1))};
}

/// Decimal, hexadecimal with 0x, either with a sign; true and false.
struct Number {
  bool negative = false;
  std::uint64_t magnitude = 0;
};
std::optional<Number> number(std::string_view text) {
  if (text == "true" || text == "false") {
    return Number{false, text == "true" ? 1u : 0u};
  }
  Number n{.negative = text.starts_with('-')};
  text.remove_prefix(n.negative ? 1 : 0);
  const bool hex = text.starts_with("0x");
  text.remove_prefix(hex ? 2 : 0);
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), n.magnitude, hex ? 16 : 10);
  return status == std::errc{} && end == text.data() + text.size() ? std::optional(n) : std::nullopt;
}

bool fits(const Number& n, std::uint32_t bytes, bool is_signed) {
  const unsigned bits = bytes * 8;
  const std::uint64_t positive = is_signed ? (std::uint64_t{1} << (bits - 1)) - 1 : ~std::uint64_t{0} >> (64 - bits);
  return n.negative ? is_signed && n.magnitude <= positive + 1 : n.magnitude <= positive;
}

Result<void> set_max_entries(LoadState& state, std::string_view text) {
  const auto wanted = split(state, text, "the size of a map");
  if (!wanted) {
    return wanted.error();
  }
  auto& maps = state.object.maps;
  const auto map = std::find_if(maps.begin(), maps.end(), [&](const MapSpec& m) { return m.name == wanted->name; });
  if (map == maps.end()) {
    std::vector<std::string_view> names;
    std::transform(maps.begin(), maps.end(), std::back_inserter(names), 
                   [](const MapSpec& m) -> std::string_view { return m.name; });
    return wrong_use(state, fmt::format("no map '{}'; it has {}", wanted->name, fmt::join(names, ", ")));
  }
  const auto entries = number(wanted->value);
  if (!entries || !fits(*entries, 4, false)) {
    return wrong_use(state, fmt::format("map '{}': '{}' is not a number of entries", map->name, wanted->value));
  }
  map->max_entries = static_cast<std::uint32_t>(entries->magnitude);
  return {};
}

/// The variable in the section of one map of global data; nullopt: it is not there.
std::optional<Btf::Variable> variable(const Btf& btf, const MapSpec& map, std::string_view name) {
  if (map.initial.empty() || map.btf_value_type == 0 || btf.kind(map.btf_value_type) != BtfKind::kDatasec) {
    return std::nullopt;
  }
  for (std::uint32_t i = 0; i < btf.vlen(map.btf_value_type); ++i) {
    const Btf::Variable v = btf.variable(map.btf_value_type, i);
    if (btf.name(v.type) == name && v.size <= map.initial.size() && v.offset <= map.initial.size() - v.size) {
      return v;
    }
  }
  return std::nullopt;
}

Result<void> set_global(LoadState& state, std::string_view text) {
  const auto wanted = split(state, text, "a global variable");
  if (!wanted) {
    return wanted.error();
  }
  for (MapSpec& map : state.object.maps) {
    const auto place = state.btf ? variable(*state.btf, map, wanted->name) : std::nullopt;
    if (!place) {
      continue;
    }
    const auto type = state.btf->strip(state.btf->target(place->type));
    const bool is_int = type && state.btf->kind(*type) == BtfKind::kInt;
    if (!type || !(is_int || state.btf->is_enum(*type)) || place->size == 0 || place->size > 8) {
      return wrong_use(state, fmt::format("global variable '{}' is not a number", wanted->name));
    }
    const bool is_signed = is_int ? state.btf->is_signed(*type) : state.btf->kind_flag(*type);
    const auto value = number(wanted->value);
    if (!value || !fits(*value, place->size, is_signed)) {
      return wrong_use(state, fmt::format("global variable '{}' of {} bytes{}: '{}' is not a value of it", wanted->name,
                                             place->size, is_signed ? "" : " without sign", wanted->value));
    }
    const std::uint64_t bits = value->negative ? 0 - value->magnitude : value->magnitude;
    for (std::uint32_t i = 0; i < place->size; ++i) {
      map.initial[place->offset + i] = static_cast<std::byte>(bits >> (8 * i));
    }
    return {};
  }
  return wrong_use(state, fmt::format("no global variable '{}' that BTF describes", wanted->name));
}

}  // namespace

Result<void> apply_settings(LoadState& state) {
  for (const std::string& text : state.options.max_entries) {
    KILN_TRY(set_max_entries(state, text));
  }
  for (const std::string& text : state.options.globals) {
    KILN_TRY(set_global(state, text));
  }
  return {};
}

}  // namespace kiln::elf
