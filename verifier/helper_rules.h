// SPDX-License-Identifier: Apache-2.0
//
// What helpers.def does not say of a helper: its licence, whether it may read packet bytes, which
// maps go with it, what its result lies in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <kiln/helpers.h>
#include <kiln/program.h>

#include "tnum.h"

namespace kiln::verifier {

struct HelperRules {
  bool gpl_only = false;
  bool reads_packet = false;   ///< memory arguments may point into the packet
  bool moves_packet = false;   ///< changes data or data_end: packet pointers become invalid
  bool writes_map = false;     ///< not on a map with BPF_F_RDONLY_PROG
  bool xdp_only = false;
  std::optional<u64> result_max;
};

HelperRules helper_rules(const HelperInfo& helper);

/// May the helper be called on a map of this type? Both ways: some maps are for few helpers, some
/// helpers for few maps.
bool fits_map(const HelperInfo& helper, MapType type);

/// Programs may not change its values.
bool is_read_only(const MapSpec& map);

/// enum bpf_func_id's name without bpf_, "unknown" if this machine's headers do not have it.
std::string_view kernel_helper_name(u32 number);

bool is_gpl_compatible(std::string_view license);

}  // namespace kiln::verifier
