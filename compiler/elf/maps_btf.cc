// SPDX-License-Identifier: Apache-2.0
//
// BTF-defined maps: variables in .maps whose struct members say what the map is.
//
// __uint(n, v) is a pointer to an array of v elements; __type(n, T) a pointer to T; __array(values,
// T) an array of pointers to T without a length. Source: libbpf, bpf_helpers.h and
// parse_btf_map_def().
#include "elf/maps.h"

namespace kiln::elf {
namespace {

/// Byte of the struct bpf_spin_lock among a value's members; those of inner structs count, arrays don't.
std::optional<std::uint32_t> find_spin_lock(const Btf& btf, std::uint32_t type, unsigned depth = 0) {
  constexpr unsigned kDeepest = 8;
  const auto id = btf.strip(type);
  if (!id || btf.kind(*id) != BtfKind::kStruct || depth == kDeepest) {
    return std::nullopt;
  }
  if (btf.name(*id) == "bpf_spin_lock" && btf.byte_size(*id) == 4) {
    return 0;
  }
  for (std::uint32_t i = 0; i < btf.vlen(*id); ++i) {
    const Btf::Member member = btf.member(*id, i);
    if (const auto inside = find_spin_lock(btf, member.type, depth + 1)) {
      return static_cast<std::uint32_t>(member.bit_offset / 8) + *inside;
    }
  }
  return std::nullopt;
}

/// A struct that describes a map, being read.
class Definition {
 public:
  Definition(const LoadState& state, std::string name, bool is_inner)
      : state_(state), btf_(*state.btf), is_inner_(is_inner) {
    spec_.name = std::move(name);
  }

  Result<void> read(std::uint32_t type);

  MapSpec& spec() { return spec_; }
  std::optional<std::uint64_t> values_offset() const { return values_offset_; }
  std::optional<MapSpec>& inner() { return inner_; }

 private:
  template <typename... Args>
  Error error(fmt::format_string<Args...> format, Args&&... args) const {
    return state_.elf.error("map '{}': {}", spec_.name,
                            fmt::format(format, std::forward<Args>(args)...));
  }
  Result<void> member(const Btf::Member& member);
  Result<std::uint32_t> number(const Btf::Member& member) const;
  Result<void> typed(const Btf::Member& member, std::uint32_t& size, std::uint32_t& type);
  Result<void> sized(const Btf::Member& member, std::uint32_t& size);
  Result<void> values(const Btf::Member& member);
  void forget_record_types();
  Result<void> inner_definition(std::uint32_t type);

  const LoadState& state_;
  const Btf& btf_;
  bool is_inner_;
  MapSpec spec_;
  std::optional<std::uint32_t> values_type_;
  std::optional<std::uint64_t> values_offset_;
  std::optional<MapSpec> inner_;
};

Result<std::uint32_t> Definition::number(const Btf::Member& member) const {
  const auto id = btf_.strip(member.type);
  if (id && btf_.is_enum(*id) && btf_.vlen(*id) == 1) {  // __ulong
    return static_cast<std::uint32_t>(btf_.enumerator(*id, 0).value);
  }
  if (!id || btf_.kind(*id) != BtfKind::kPtr || btf_.kind(btf_.target(*id)) != BtfKind::kArray) {
    return error("'{}' is not declared with __uint", member.name);
  }
  return btf_.array(btf_.target(*id)).count;
}

Result<void> Definition::sized(const Btf::Member& member, std::uint32_t& size) {
  const auto value = number(member);
  if (!value) {
    return value.error();
  }
  if (size != 0 && size != *value) {
    return error("'{}' is {}, but the type has {} bytes", member.name, *value, size);
  }
  size = *value;
  return {};
}

Result<void> Definition::typed(const Btf::Member& member, std::uint32_t& size,
                               std::uint32_t& type) {
  const auto id = btf_.strip(member.type);
  if (!id || btf_.kind(*id) != BtfKind::kPtr) {
    return error("'{}' is not declared with __type", member.name);
  }
  type = btf_.target(*id);
  const auto bytes = btf_.size_of(type);
  if (!bytes) {
    return error("the size of '{}' is not known", member.name);
  }
  if (size != 0 && size != *bytes) {
    return error("'{}' has {} bytes, but {} are declared", member.name, *bytes, size);
  }
  size = *bytes;
  return {};
}

Result<void> Definition::values(const Btf::Member& member) {
  if (is_inner_) {
    return error("an inner map holds maps itself");
  }
  const auto array = btf_.strip(member.type);
  const bool is_open =
      array && btf_.kind(*array) == BtfKind::kArray && btf_.array(*array).count == 0;
  const auto element = is_open ? btf_.strip(btf_.array(*array).element) : std::nullopt;
  const auto pointee = element && btf_.kind(*element) == BtfKind::kPtr
                           ? btf_.strip(btf_.target(*element))
                           : std::nullopt;
  if (!pointee) {
    return error("'values' is not declared with __array");
  }
  values_type_ = *pointee;
  values_offset_ = member.bit_offset / 8;
  return {};
}

Result<void> Definition::member(const Btf::Member& member) {
  std::uint32_t* const plain = member.name == "max_entries" ? &spec_.max_entries
                               : member.name == "map_flags" ? &spec_.flags
                                                            : nullptr;
  if (plain != nullptr || member.name == "type" || member.name == "pinning" ||
      member.name == "numa_node" || member.name == "map_extra") {
    const auto value = number(member);
    if (!value) {
      return value.error();
    }
    if (plain != nullptr) {
      *plain = *value;
    } else if (member.name == "map_extra") {
      spec_.map_extra = *value;
    } else if (member.name == "pinning") {
      if (*value > 1) {
        return error("'pinning' is {}, neither LIBBPF_PIN_NONE nor LIBBPF_PIN_BY_NAME", *value);
      }
      spec_.is_pinned = *value == 1;
    } else if (member.name == "type") {
      const auto type = map_type_from_number(*value);
      if (!type) {
        return error("unknown map type {}", *value);
      }
      spec_.type = *type;
    }
    return {};
  }
  if (member.name == "key_size") {
    return sized(member, spec_.key_size);
  }
  if (member.name == "value_size") {
    return sized(member, spec_.value_size);
  }
  if (member.name == "key") {
    return typed(member, spec_.key_size, spec_.btf_key_type);
  }
  if (member.name == "value") {
    return typed(member, spec_.value_size, spec_.btf_value_type);
  }
  if (member.name == "values") {
    return values(member);
  }
  return error("unknown field '{}'", member.name);
}

/// Ring buffers have no values, perf event arrays descriptors. Programs whose user space is generated from BTF name the type of
/// their records there all the same.
void Definition::forget_record_types() {
  if (!is_ring(spec_.type) && spec_.type != MapType::kPerfEventArray) {
    return;
  }
  const std::uint32_t bytes = is_ring(spec_.type) ? 0 : 4;
  if (spec_.btf_value_type != 0 && spec_.value_size != bytes) {
    spec_.value_size = bytes;
    spec_.btf_value_type = 0;
  }
}

Result<void> Definition::inner_definition(std::uint32_t type) {
  if (btf_.kind(type) != BtfKind::kStruct) {
    return error("'values' does not say what the inner map is");
  }
  Definition inner(state_, spec_.name + ".inner", true);
  KILN_TRY(inner.read(type));
  inner_ = std::move(inner.spec());
  return {};
}

Result<void> Definition::read(std::uint32_t type) {
  spec_.type = MapType::kUnspec;
  for (std::uint32_t i = 0; i < btf_.vlen(type); ++i) {
    KILN_TRY(member(btf_.member(type, i)));
  }
  if (spec_.type == MapType::kUnspec) {
    return error("it has no type");
  }
  forget_record_types();
  spec_.lock_offset = spec_.btf_value_type == 0 ? std::nullopt : find_spin_lock(btf_, spec_.btf_value_type);
  if (!values_type_) {
    return {};
  }
  const bool of_maps = spec_.type == MapType::kArrayOfMaps || spec_.type == MapType::kHashOfMaps;
  const bool of_programs = spec_.type == MapType::kProgArray;
  if (!of_maps && !of_programs) {
    return error("a map of type {} has no 'values'", map_type_name(spec_.type));
  }
  constexpr std::uint32_t kHandle = 4;
  if (spec_.value_size != 0 && spec_.value_size != kHandle) {
    return error("its values have 4 bytes, not {}", spec_.value_size);
  }
  spec_.value_size = kHandle;
  if (of_maps) {
    return inner_definition(*values_type_);
  }
  if (btf_.kind(*values_type_) != BtfKind::kFuncProto) {
    return error("'values' of a program array must be functions");
  }
  return {};
}

}  // namespace

Result<void> collect_btf_maps(LoadState& state, std::vector<InnerMap>& inner) {
  const Section* section = state.elf.find(".maps");
  if (section == nullptr) {
    return {};
  }
  if (!state.btf) {
    return state.elf.error("maps in .maps need BTF; compile with -g");
  }
  const Btf& btf = *state.btf;
  const auto datasec = btf.find(BtfKind::kDatasec, ".maps");
  if (!datasec) {
    return state.elf.error("BTF does not describe .maps");
  }
  for (std::uint32_t i = 0; i < btf.vlen(*datasec); ++i) {
    const Btf::Variable variable = btf.variable(*datasec, i);
    const std::string name(btf.name(variable.type));
    const auto type = btf.kind(variable.type) == BtfKind::kVar
                          ? btf.strip(btf.target(variable.type))
                          : std::nullopt;
    if (!type || btf.kind(*type) != BtfKind::kStruct || name.empty()) {
      return state.elf.error("'{}' in .maps is not a map definition", name);
    }
    if (!slice(section->data, variable.offset, variable.size) ||
        btf.byte_size(*type) > variable.size) {
      return state.elf.error("map '{}' lies outside .maps", name);
    }
    Definition definition(state, name, false);
    KILN_TRY(definition.read(*type));
    if (definition.inner()) {
      inner.push_back({.outer = static_cast<std::uint32_t>(state.object.maps.size()),
                       .spec = std::move(*definition.inner())});
    }
    state.object.maps.push_back(std::move(definition.spec()));
    state.places.push_back({.section = section->index,
                            .offset = variable.offset,
                            .size = variable.size,
                            .values = definition.values_offset()});
  }
  return {};
}

}  // namespace kiln::elf
