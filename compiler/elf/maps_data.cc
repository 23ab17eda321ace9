// SPDX-License-Identifier: Apache-2.0
//
// Global variables: each data section becomes an array map with one element, as in libbpf.
//
// Sections of other names (".xdp_run_config", "license") are for other readers and make no map; a
// program that refers to one is refused when its relocation is met.
#include <elf.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "elf/kconfig.h"
#include "elf/maps.h"
#include "elf/relocations.h"

namespace kiln::elf {
namespace {

constexpr std::uint32_t kReadonlyToPrograms = 1u << 7;  // BPF_F_RDONLY_PROG
constexpr std::uint32_t kMappable = 1u << 10;           // BPF_F_MMAPABLE
constexpr std::uint64_t kMaxBytes = 1u << 28;  // of one section, so that .bss can't exhaust memory

enum class DataKind { kNone, kData, kReadonly, kZero };

DataKind data_kind(const Section& section) {
  const auto named = [&section](std::string_view name) {
    return section.name == name ||
           (section.name.starts_with(name) && section.name[name.size()] == '.');
  };
  if (section.type == SHT_NOBITS) {
    return named(".bss") ? DataKind::kZero : DataKind::kNone;
  }
  if (section.type != SHT_PROGBITS || section.is_code()) {
    return DataKind::kNone;
  }
  return named(".data")     ? DataKind::kData
         : named(".rodata") ? DataKind::kReadonly
                            : DataKind::kNone;
}

/// User space may map the section if any of its variables is global.
bool is_mappable(const Btf& btf, std::uint32_t datasec) {
  for (std::uint32_t i = 0; i < btf.vlen(datasec); ++i) {
    const std::uint32_t variable = btf.variable(datasec, i).type;
    if (btf.kind(variable) == BtfKind::kVar && btf.linkage(variable) != 0) {
      return true;
    }
  }
  return false;
}

/// The bytes of a map are no place for addresses: nothing is known of them before the map exists.
Result<void> refuse_addresses(const LoadState& state, const Section& section) {
  const auto relocations = state.elf.relocations(section);
  if (!relocations) {
    return relocations.error();
  }
  for (const Relocation& relocation : *relocations) {
    if (relocation.type != kRelNone) {
      return state.elf.error(
          "section '{}' holds the address of '{}' at byte {}; BPF has no addresses in global data",
          section.name, state.elf.symbols()[relocation.symbol].name, relocation.offset);
    }
  }
  return {};
}

void add_data_map(LoadState& state, std::string name, std::string_view section,
                  std::vector<std::byte> bytes, bool is_readonly, MapPlace place) {
  MapSpec map;
  map.name = std::move(name);
  map.type = MapType::kArray;
  map.key_size = 4;
  map.value_size = static_cast<std::uint32_t>(bytes.size());
  map.max_entries = 1;
  map.flags = is_readonly ? kReadonlyToPrograms : 0;
  map.is_global_data = true;
  map.is_readonly = is_readonly;
  map.initial = std::move(bytes);
  if (const auto datasec = state.btf ? state.btf->find(BtfKind::kDatasec, section) : std::nullopt) {
    map.btf_value_type = *datasec;
    map.flags |= is_mappable(*state.btf, *datasec) ? kMappable : 0;
  }
  state.object.maps.push_back(std::move(map));
  state.places.push_back(place);
}

}  // namespace

std::string data_map_name(std::string_view path, std::string_view section) {
  constexpr std::size_t kNameLength = 16;  // BPF_OBJ_NAME_LEN, with the terminator
  const bool is_custom = section.substr(1).find('.') != std::string_view::npos;
  if (is_custom) {
    return std::string(section);
  }
  std::string_view object = path.substr(path.rfind('/') + 1).substr(0, kNameLength - 1);
  object = object.substr(0, object.find('.'));
  constexpr std::size_t kSuffix = 7;  // room is left for ".rodata" even where ".bss" follows
  std::string name(object.substr(0, kNameLength - 1 - std::max(kSuffix, section.size())));
  name += section;
  for (char& c : name) {
    c = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' ? c : '_';
  }
  return name;
}

Result<void> collect_data_maps(LoadState& state) {
  for (const Section& section : state.elf.sections()) {
    const DataKind kind = data_kind(section);
    if (kind == DataKind::kNone || section.size == 0) {
      continue;
    }
    if (section.size > kMaxBytes) {
      return state.elf.error(
          "section '{}' has {} bytes, more than the {} MiB that global data may have", section.name,
          section.size, kMaxBytes >> 20);
    }
    KILN_TRY(refuse_addresses(state, section));
    std::vector<std::byte> bytes(section.data.begin(), section.data.end());
    bytes.resize(static_cast<std::size_t>(section.size));
    add_data_map(state, data_map_name(state.elf.path(), section.name), section.name,
                 std::move(bytes), kind == DataKind::kReadonly,
                 {.section = section.index, .offset = 0, .size = section.size, .values = {}});
  }
  return {};
}

Result<void> collect_externs(LoadState& state) {
  if (!state.btf) {
    return {};
  }
  const Btf& btf = *state.btf;
  std::uint64_t bytes = 0;
  std::vector<std::pair<std::uint64_t, std::vector<std::byte>>> values;
  for (std::uint32_t id = 1; id < btf.count(); ++id) {
    const bool is_kconfig = btf.kind(id) == BtfKind::kDatasec && btf.name(id) == ".kconfig";
    const bool is_ksyms = btf.kind(id) == BtfKind::kDatasec && btf.name(id) == ".ksyms";
    for (std::uint32_t i = 0; (is_kconfig || is_ksyms) && i < btf.vlen(id); ++i) {
      const Btf::Variable variable = btf.variable(id, i);
      Extern& external = state.externs[btf.name(variable.type)];
      external = {.is_kconfig = is_kconfig,
                  .is_function = btf.kind(variable.type) == BtfKind::kFunc,
                  .kconfig_offset = static_cast<std::uint32_t>(bytes)};
      if (is_kconfig) {
        auto value = setting(btf.name(variable.type), btf, btf.target(variable.type), kernel_configuration());
        if (!value) {
          return state.elf.error("{}", value.error().message);
        }
        external.is_set = !value->empty();
        values.emplace_back(bytes, std::move(value).value());
        bytes += (std::uint64_t{btf.size_of(variable.type).value_or(0)} + 7) / 8 * 8;
      }
      if (bytes > kMaxBytes) {
        return state.elf.error(".kconfig has more than {} MiB", kMaxBytes >> 20);
      }
    }
  }
  if (bytes != 0) {
    state.kconfig_map = static_cast<std::uint32_t>(state.object.maps.size());
    std::vector<std::byte> content(static_cast<std::size_t>(bytes));
    for (const auto& [offset, value] : values) {
      std::copy(value.begin(), value.end(), content.begin() + static_cast<std::ptrdiff_t>(offset));
    }
    add_data_map(state, data_map_name(state.elf.path(), ".kconfig"), ".kconfig", std::move(content), true, {});
  }
  return {};
}

}  // namespace kiln::elf
