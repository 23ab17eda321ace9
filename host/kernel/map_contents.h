// SPDX-License-Identifier: Apache-2.0
//
// All elements of one map in the kernel, by the batch where the kernel does that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include <kiln/result.h>

namespace kiln::kernel {

struct MapShape {
  int fd = -1;
  std::uint32_t key_bytes = 0;
  std::uint32_t value_bytes = 0;  ///< as bpf(2) moves it: per-CPU maps have all processors' values
  std::uint32_t max_entries = 0;
};

using Visit = std::function<void(std::span<const std::byte> key, std::span<const std::byte> value)>;

/// REQUIRES: nobody changes the map meanwhile. \return errno, 0 if all elements were visited.
int for_each_element(const MapShape& map, const Visit& visit);

}  // namespace kiln::kernel
