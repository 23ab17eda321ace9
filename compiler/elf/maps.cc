// SPDX-License-Identifier: Apache-2.0
//
// Object::maps, in libbpf's order, and the initialisers of maps that hold programs and maps.
#include "elf/maps.h"

#include <elf.h>

#include <algorithm>
#include <bit>
#include <limits>

#include "elf/relocations.h"
#include "elf/steps.h"

namespace kiln::elf {
namespace {

/// A ring is a power of two of pages: the size asked for is rounded up to that, as by libbpf.
void round_ring(MapSpec& map) {
  constexpr std::uint64_t kPage = 4096;
  const std::uint64_t bytes = std::bit_ceil(std::max<std::uint64_t>(map.max_entries, kPage));
  if (is_ring(map.type) && map.max_entries != 0 && bytes <= std::numeric_limits<std::uint32_t>::max()) {
    map.max_entries = static_cast<std::uint32_t>(bytes);
  }
}

}  // namespace

Result<void> collect_maps(LoadState& state) {
  std::vector<InnerMap> inner;
  KILN_TRY(collect_legacy_maps(state));
  KILN_TRY(collect_btf_maps(state, inner));
  KILN_TRY(collect_data_maps(state));
  KILN_TRY(collect_externs(state));
  for (InnerMap& map : inner) {
    state.object.maps[map.outer].inner = static_cast<std::uint32_t>(state.object.maps.size());
    state.object.maps.push_back(std::move(map.spec));
    state.places.push_back({});
  }
  std::for_each(state.object.maps.begin(), state.object.maps.end(), round_ring);
  return {};
}

namespace {

/// The index of the map or program that a slot is initialised with.
Result<std::uint32_t> slot_target(const LoadState& state, const MapSpec& map,
                                  const Symbol& symbol) {
  if (map.type == MapType::kProgArray) {
    const auto& programs = state.object.programs;
    const auto found = std::find_if(programs.begin(), programs.end(), [&](const Program& program) {
      return program.name == symbol.name;
    });
    if (symbol.type != STT_FUNC || found == programs.end()) {
      return state.elf.error("map '{}' is initialised with '{}', which is no program", map.name,
                             symbol.name);
    }
    return static_cast<std::uint32_t>(found - programs.begin());
  }
  for (std::uint32_t i = 0; i < state.places.size(); ++i) {
    if (state.places[i].section != 0 && state.places[i].section == symbol.section &&
        state.places[i].offset == symbol.value && !state.object.maps[i].is_global_data) {
      return i;
    }
  }
  return state.elf.error("map '{}' is initialised with '{}', which is no map", map.name,
                         symbol.name);
}

Result<void> fill_slot(LoadState& state, const Relocation& relocation) {
  constexpr std::uint64_t kPointer = 8;
  const Symbol& symbol = state.elf.symbols()[relocation.symbol];
  for (std::size_t i = 0; i < state.places.size(); ++i) {
    const MapPlace& place = state.places[i];
    MapSpec& map = state.object.maps[i];
    if (!place.values || relocation.offset < place.offset ||
        relocation.offset - place.offset >= place.size) {
      continue;
    }
    const std::uint64_t at = relocation.offset - place.offset;
    if (at < *place.values || (at - *place.values) % kPointer != 0) {
      return state.elf.error("map '{}' has an initialiser at byte {}, outside its values", map.name,
                             at);
    }
    const auto target = slot_target(state, map, symbol);
    if (!target) {
      return target.error();
    }
    const auto key = static_cast<std::uint32_t>((at - *place.values) / kPointer);
    if (key >= map.max_entries) {
      return state.elf.error("map '{}' has {} entries, but entry {} is initialised", map.name,
                             map.max_entries, key);
    }
    map.slots.push_back({.key = key, .target = *target});
    return {};
  }
  return state.elf.error("an initialiser at byte {} of .maps belongs to no map that can hold one",
                         relocation.offset);
}

}  // namespace

Result<void> fill_map_slots(LoadState& state) {
  const Section* section = state.elf.find(".maps");
  if (section == nullptr) {
    return {};
  }
  const auto relocations = state.elf.relocations(*section);
  if (!relocations) {
    return relocations.error();
  }
  for (const Relocation& relocation : *relocations) {
    if (relocation.type == kRelNone) {
      continue;
    }
    if (relocation.type != kRelAbs64 && relocation.type != kRelWide) {
      return state.elf.error("relocation type {} in .maps is not known", relocation.type);
    }
    KILN_TRY(fill_slot(state, relocation));
  }
  return {};
}

}  // namespace kiln::elf
