// SPDX-License-Identifier: Apache-2.0
//
// Maps of the old kind: `struct bpf_map_def SEC("maps") name`, five 32-bit words.
//
// Some loaders had longer structures (iproute2's pinning and inner maps). They are taken where the
// further words are 0, and refused by name where they mean something.
#include <elf.h>

#include <algorithm>

#include "elf/maps.h"

namespace kiln::elf {
namespace {

struct Definition {
  std::uint32_t type, key_size, value_size, max_entries, flags;
};

/// BPF_ANNOTATE_KV_PAIR: a struct "____btf_map_NAME" whose members are key and value.
void annotate(const Btf& btf, MapSpec& map) {
  const auto id = btf.find(BtfKind::kStruct, "____btf_map_" + map.name);
  if (!id || btf.vlen(*id) != 2) {
    return;
  }
  const Btf::Member key = btf.member(*id, 0);
  const Btf::Member value = btf.member(*id, 1);
  if (btf.size_of(key.type) == map.key_size && btf.size_of(value.type) == map.value_size) {
    map.btf_key_type = key.type;
    map.btf_value_type = value.type;
  }
}

Result<void> add(LoadState& state, const Section& section, const Symbol& symbol,
                 std::uint64_t stride) {
  const auto bytes = slice(section.data, symbol.value, stride);
  const auto raw = bytes ? read_at<Definition>(*bytes, 0) : std::nullopt;
  if (!raw) {
    return state.elf.error("map '{}' lies outside section 'maps'", symbol.name);
  }
  const Bytes further = bytes->subspan(sizeof(Definition));
  if (std::any_of(further.begin(), further.end(), [](std::byte b) { return b != std::byte{0}; })) {
    return state.elf.error(
        "map '{}' uses fields beyond struct bpf_map_def, whose meaning depends on the loader; "
        "declare it in .maps",
        symbol.name);
  }
  const auto type = map_type_from_number(raw->type);
  if (!type || *type == MapType::kUnspec) {
    return state.elf.error("map '{}' is of unknown type {}", symbol.name, raw->type);
  }
  MapSpec map;
  map.name = symbol.name;
  map.type = *type;
  map.key_size = raw->key_size;
  map.value_size = raw->value_size;
  map.max_entries = raw->max_entries;
  map.flags = raw->flags;
  if (state.btf) {
    annotate(*state.btf, map);
  }
  state.object.maps.push_back(std::move(map));
  state.places.push_back(
      {.section = section.index, .offset = symbol.value, .size = stride, .values = {}});
  return {};
}

}  // namespace

Result<void> collect_legacy_maps(LoadState& state) {
  const Section* section = state.elf.find("maps");
  if (section == nullptr || section->size == 0) {
    return {};
  }
  std::vector<const Symbol*> symbols;
  for (const Symbol& symbol : state.elf.symbols()) {
    if (symbol.section == section->index && symbol.type != STT_SECTION && !symbol.name.empty()) {
      symbols.push_back(&symbol);
    }
  }
  if (symbols.empty() || section->data.size() % symbols.size() != 0 ||
      section->data.size() / symbols.size() < sizeof(Definition)) {
    return state.elf.error("section 'maps' has {} bytes for {} maps", section->data.size(),
                           symbols.size());
  }
  std::stable_sort(symbols.begin(), symbols.end(),
                   [](const Symbol* a, const Symbol* b) { return a->value < b->value; });
  for (const Symbol* symbol : symbols) {
    KILN_TRY(add(state, *section, *symbol, section->data.size() / symbols.size()));
  }
  return {};
}

}  // namespace kiln::elf
