// SPDX-License-Identifier: Apache-2.0
//
// From a verified program to the optimised intermediate form that the JIT emits: built, its maps made addresses of the host,
// map operations made code, passes run.
#pragma once

#include <optional>

#include <kiln/ir_passes.h>
#include <kiln/map_set.h>

#include "code.h"

namespace kiln {

/// The maps of the programs that code is made for.
struct MapTargets {
  const MapSet& maps;
  const std::vector<MapView>& views;  ///< by map; they stay where they are while the code lives (direct_helpers.h)
  std::uint32_t cpu = 0;              ///< the processor that the code runs as; if the maps are shared, code does not depend on it
};

/// \param number  of the function, in Code's and Program's order.
/// \param has_crc32  whether hash lookups may be inlined.
/// \errors kUnsupported for what the form lacks; the one-to-one emitter takes such programs.
Result<ir::Function> compile_ir(const Code& code, const Facts& facts, std::uint32_t number, const MapTargets& targets,
                                ir::PassSet passes, bool has_crc32);

/// The body, and the functions that are still called; by number.
/// \errors kUnsupported.
Result<std::vector<std::optional<ir::Function>>> compile_program(const Code& code, const Facts& facts, const MapTargets& targets,
                                                                 ir::PassSet passes, bool has_crc32);

/// kMaps: lookups in maps whose layout is known become code (inline_maps.cc).
void inline_maps(ir::Function& f, const MapTargets& targets, bool has_crc32);

}  // namespace kiln
