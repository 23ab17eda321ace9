// SPDX-License-Identifier: Apache-2.0
//
// Field paths: reading one from an access string, and finding it again in another type.
#include <fmt/format.h>

#include <charconv>

#include "elf/core.h"

namespace kiln::elf {
namespace {

constexpr std::size_t kMaxDepth = 64;  // BPF_CORE_SPEC_MAX_LEN

Error bad(std::string message) {
  return Error{Errc::kInput, std::move(message)};
}

Result<std::vector<std::uint32_t>> parse_access(std::string_view access) {
  std::vector<std::uint32_t> out;
  const char* at = access.data();
  const char* const end = at + access.size();
  while (true) {
    std::uint32_t value = 0;
    const auto [next, status] = std::from_chars(at, end, value);
    if (status != std::errc{} || out.size() == kMaxDepth) {
      return bad(fmt::format("access string '{}' can't be read", access));
    }
    out.push_back(value);
    if (next == end) {
      return out;
    }
    if (*next != ':') {
      return bad(fmt::format("access string '{}' can't be read", access));
    }
    at = next + 1;
  }
}

/// An array at the end of a struct with no length of its own: any index may be meant.
bool is_flexible(const Btf& btf, const Accessor& before, std::uint32_t array) {
  return !before.name.empty() && btf.array(array).count == 0 &&
         before.index + 1 == btf.vlen(before.type);
}

/// Adds bits to a path's offset; false if it leaves 32 bits.
bool advance(Spec& spec, std::uint64_t bits) {
  const std::uint64_t sum = spec.bit_offset + bits;
  spec.bit_offset = static_cast<std::uint32_t>(sum);
  return bits <= UINT32_MAX && sum <= UINT32_MAX;
}

bool advance_elements(Spec& spec, std::uint32_t index, std::uint32_t type) {
  const auto size = spec.btf->size_of(type);
  return size && advance(spec, std::uint64_t{index} * *size * 8);
}

/// One step into a struct or array. \param id  in: where it starts; out: the type reached.
bool step(Spec& spec, std::uint32_t& id, std::uint32_t index) {
  const Btf& btf = *spec.btf;
  const auto stripped = btf.strip(id);
  if (!stripped) {
    return false;
  }
  if (btf.is_composite(*stripped)) {
    if (index >= btf.vlen(*stripped)) {
      return false;
    }
    const Btf::Member member = btf.member(*stripped, index);
    if (!member.name.empty()) {
      spec.path.push_back({.type = *stripped, .index = index, .name = member.name});
    }
    id = member.type;
    return advance(spec, member.bit_offset);
  }
  if (btf.kind(*stripped) != BtfKind::kArray) {
    return false;
  }
  const bool flexible = is_flexible(btf, spec.path.back(), *stripped);
  const auto element = btf.strip(btf.array(*stripped).element);
  if (!element || (!flexible && index >= btf.array(*stripped).count)) {
    return false;
  }
  spec.path.push_back({.type = *element, .index = index, .name = {}});
  id = *element;
  return advance_elements(spec, index, id);
}

/// Looks for a field by name in a target type, through anonymous members.
class FieldSearch {
 public:
  FieldSearch(const Btf& local, const Accessor& wanted, Spec& spec, Budget& budget)
      : local_(local), wanted_(wanted), spec_(spec), budget_(budget) {}

  /// \param id  out, if found: the field's type. \errors kInput: out of budget.
  Result<bool> find(std::uint32_t& id, std::size_t depth);

 private:
  const Btf& local_;
  const Accessor& wanted_;
  Spec& spec_;
  Budget& budget_;
};

Result<bool> FieldSearch::find(std::uint32_t& id, std::size_t depth) {
  const Btf& btf = *spec_.btf;
  const auto type = btf.strip(id);
  if (!type || !btf.is_composite(*type)) {
    return false;
  }
  for (std::uint32_t i = 0; i < btf.vlen(*type); ++i) {
    if (depth == kMaxDepth || budget_ == 0) {
      return bad(fmt::format("type '{}' is nested too deeply", btf.name(*type)));
    }
    --budget_;
    const Btf::Member member = btf.member(*type, i);
    const std::uint32_t before = spec_.bit_offset;
    if (!advance(spec_, member.bit_offset)) {
      return bad(fmt::format("type '{}' is too large", btf.name(*type)));
    }
    if (member.name.empty()) {
      std::uint32_t inner = member.type;
      const auto found = find(inner, depth + 1);
      if (!found || *found) {
        id = inner;
        return found;
      }
    } else if (member.name == wanted_.name) {
      const std::uint32_t local_type = local_.member(wanted_.type, wanted_.index).type;
      if (!fields_compatible(local_, local_type, btf, member.type)) {
        return false;
      }
      spec_.path.push_back({.type = *type, .index = i, .name = member.name});
      id = member.type;
      return true;
    }
    spec_.bit_offset = before;
  }
  return false;
}

Result<std::optional<Spec>> match_field(const Spec& local, const Btf& target,
                                        std::uint32_t candidate, Budget& budget) {
  Spec spec{.btf = &target, .root = candidate, .path = {}, .bit_offset = 0};
  std::uint32_t id = candidate;
  for (std::size_t i = 0; i < local.path.size(); ++i) {
    const Accessor& accessor = local.path[i];
    if (!accessor.name.empty()) {
      const auto found = FieldSearch(*local.btf, accessor, spec, budget).find(id, spec.path.size());
      if (!found) {
        return found.error();
      }
      if (!*found) {
        return std::optional<Spec>();
      }
      continue;
    }
    auto element = target.strip(id);
    if (i > 0 &&
        element) {  // the first index counts whole structs: there is no array type to enter
      const bool fits = target.kind(*element) == BtfKind::kArray &&
                        (is_flexible(target, spec.path.back(), *element) ||
                         accessor.index < target.array(*element).count);
      if (!fits) {
        return std::optional<Spec>();
      }
      element = target.strip(target.array(*element).element);
    }
    if (!element) {
      return bad("types refer to each other in a circle");
    }
    id = *element;
    spec.path.push_back({.type = id, .index = accessor.index, .name = {}});
    if (!advance_elements(spec, accessor.index, id)) {
      return bad(fmt::format("the size of '{}' is not known", target.name(id)));
    }
  }
  return std::optional(std::move(spec));
}

std::optional<Spec> match_enumerator(const Spec& local, const Btf& target,
                                     std::uint32_t candidate) {
  const auto type = target.strip(candidate);
  if (!type || !target.is_enum(*type)) {
    return std::nullopt;
  }
  const std::string_view wanted = essential_name(local.path.front().name);
  for (std::uint32_t i = 0; i < target.vlen(*type); ++i) {
    const Btf::Enumerator enumerator = target.enumerator(*type, i);
    if (essential_name(enumerator.name) == wanted) {
      return Spec{.btf = &target,
                  .root = candidate,
                  .path = {{.type = *type, .index = i, .name = enumerator.name}},
                  .bit_offset = 0};
    }
  }
  return std::nullopt;
}

}  // namespace

bool is_field(CoreKind kind) {
  return kind <= CoreKind::kFieldRightShift;
}
bool is_enumval(CoreKind kind) {
  return kind == CoreKind::kEnumvalExists || kind == CoreKind::kEnumvalValue;
}
bool is_type(CoreKind kind) {
  return kind == CoreKind::kTypeMatches ||
         (kind >= CoreKind::kTypeIdLocal && kind <= CoreKind::kTypeSize);
}

std::string_view essential_name(std::string_view name) {
  constexpr std::string_view kMark = "___";
  // The last mark with something other than '_' on both sides, as libbpf looks for it: from the
  // end.
  for (std::size_t i = name.size(); i-- > kMark.size() + 1;) {
    const std::size_t mark = i - kMark.size();
    if (name.substr(mark, kMark.size()) == kMark && name[mark - 1] != '_' && name[i] != '_') {
      return name.substr(0, mark);
    }
  }
  return name;
}

Result<Spec> parse_spec(const Btf& btf, CoreKind kind, std::uint32_t type,
                        std::string_view access) {
  Spec spec{.btf = &btf, .root = type, .path = {}, .bit_offset = 0};
  if (is_type(kind)) {
    if (access != "0") {
      return bad(fmt::format("access string '{}' on a whole type", access));
    }
    return spec;
  }
  const auto indices = parse_access(access);
  if (!indices) {
    return indices.error();
  }
  const auto root = btf.strip(type);
  const Error unfit =
      bad(fmt::format("access string '{}' does not fit type '{}'", access, btf.name(type)));
  if (!root) {
    return unfit;
  }
  const std::uint32_t first = indices->front();
  if (is_enumval(kind)) {
    if (!btf.is_enum(*root) || indices->size() != 1 || first >= btf.vlen(*root)) {
      return unfit;
    }
    spec.path.push_back({.type = *root, .index = first, .name = btf.enumerator(*root, first).name});
    return spec;
  }
  spec.path.push_back({.type = *root, .index = first, .name = {}});
  if (!advance_elements(spec, first, *root)) {
    return unfit;
  }
  std::uint32_t id = *root;
  for (std::size_t i = 1; i < indices->size(); ++i) {
    if (!step(spec, id, (*indices)[i])) {
      return unfit;
    }
  }
  return spec;
}

Result<std::optional<Spec>> match_spec(const Spec& local, CoreKind kind, const Btf& target,
                                       std::uint32_t candidate, Budget& budget) {
  if (is_field(kind)) {
    return match_field(local, target, candidate, budget);
  }
  if (is_enumval(kind)) {
    return match_enumerator(local, target, candidate);
  }
  const auto same = kind == CoreKind::kTypeMatches
                        ? types_match(*local.btf, local.root, target, candidate, budget)
                        : types_compatible(*local.btf, local.root, target, candidate, budget);
  if (!same) {
    return same.error();
  }
  if (!*same) {
    return std::optional<Spec>();
  }
  return std::optional(Spec{.btf = &target, .root = candidate, .path = {}, .bit_offset = 0});
}

}  // namespace kiln::elf
