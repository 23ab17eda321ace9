// SPDX-License-Identifier: Apache-2.0
//
// From map descriptions to descriptors: the kernel's rules for sizes, and where everything lies.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <kiln/map_layout.h>
#include <kiln/program.h>
#include <kiln/result.h>

namespace kiln::detail {

struct Layout {
  std::vector<MapDescriptor> descriptors;
  std::size_t arena_bytes = 0;
};

/// How many processors there are: per-CPU values, and what LRU maps reckon with (num_possible_cpus()).
struct Processors {
  std::uint32_t values = 1;
  std::uint32_t possible = 1;
};

/// The description as it is laid out. As in libbpf, a perf event array without a size gets one slot a
/// processor, and a ring buffer the next size that there is.
MapSpec normalise(MapSpec spec, const Processors& cpus);

/// Whether the kernel would create it. \errors kInput; kUnsupported for a type without a layout.
Result<void> check_spec(const MapSpec& spec);

/// \param specs  normalised.
/// \errors as MapSet::create().
Result<Layout> lay_out(std::span<const MapSpec> specs, const Processors& cpus);

/// Bytes of the map's parts in the arena: [first, second).
std::pair<std::uint32_t, std::uint32_t> extent(const MapDescriptor& descriptor);

}  // namespace kiln::detail
