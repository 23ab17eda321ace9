// SPDX-License-Identifier: Apache-2.0
//
// Map helpers for one known map: what emitted code calls instead of the helper of the table, where the optimiser knows the map.
//
// They take a MapView in R1 instead of the map's handle, trust every address (only verified programs come here), and give what
// the helper gives.
#pragma once

#include "helper_runtime.h"

namespace kiln {

/// The form of helper `number` for this map, by a number of its own; 0: it has none.
std::uint8_t direct_form(std::uint32_t number, const MapDescriptor& map);
/// REQUIRES: form is what direct_form() gave, and not 0.
HelperFunction direct_helper(std::uint8_t form);

}  // namespace kiln
