// SPDX-License-Identifier: Apache-2.0
//
// Map helpers for one known map: what emitted code calls instead of the helper of the table, where the optimiser knows the map.
//
// They take a MapView in R1 instead of the map's handle, trust every address (only verified programs come here), and give what
// the helper gives.
#pragma once

#include "helper_runtime.h"

namespace kiln {

enum class DirectForm : std::uint8_t { kNone, kLookup, kUpdate, kDelete, kRedirectMap };
/// The form of helper `number` for this map; kNone: it has none.
DirectForm direct_form(std::uint32_t number, const MapDescriptor& map);
/// REQUIRES: form is not kNone.
HelperFunction direct_helper(DirectForm form);

}  // namespace kiln
