// SPDX-License-Identifier: Apache-2.0
//
// A reader of a ring buffer who is not interested in what it says.
#pragma once

#include <kiln/map_ops.h>

namespace kiln {

/// Reads all records that are complete, and forgets them. REQUIRES: is_ring(), programs write it.
void ring_forget(MapView map);

}  // namespace kiln
