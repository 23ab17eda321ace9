// SPDX-License-Identifier: Apache-2.0
//
// The ways in which an object declares maps, one file each.
#pragma once

#include "elf/load_state.h"

namespace kiln::elf {

/// An inner map's template, kept back so that it comes after all other maps.
struct InnerMap {
  std::uint32_t outer = 0;  ///< index into Object::maps
  MapSpec spec;
};

/// struct bpf_map_def in the section "maps".
Result<void> collect_legacy_maps(LoadState& state);
/// Variables in the section ".maps", described by their BTF types.
Result<void> collect_btf_maps(LoadState& state, std::vector<InnerMap>& inner);
/// Each of .data*, .rodata*, .bss* is one array with one element.
Result<void> collect_data_maps(LoadState& state);
/// Variables of .kconfig: a read-only array with the running kernel's settings, zeros where it has none.
Result<void> collect_externs(LoadState& state);

/// libbpf's name for a global-data map: "xdpfilt_.rodata", but ".rodata.config" in full.
std::string data_map_name(std::string_view path, std::string_view section);

}  // namespace kiln::elf
