// SPDX-License-Identifier: Apache-2.0
//
// What keeps threads of the host off each other in one map. Outside the arena, whose bytes are a format.
//
// Whatever changes a map's structure holds `held`; look-ups don't. They walk chains of entries that may be
// freed and used again under them, as in the kernel's preallocated hash tables: what they find is there,
// and what they don't find counts only if `version` says that nothing moved meanwhile.
#pragma once

#include <atomic>
#include <cstdint>

namespace kiln {

struct alignas(64) MapLock {
  MapLock() = default;
  MapLock(const MapLock&) {}  ///< a copied map has a free lock
  MapLock& operator=(const MapLock&) { return *this; }

  std::atomic<std::uint32_t> held{0};
  std::atomic<std::uint32_t> version{0};  ///< odd while a structure is being changed
};

}  // namespace kiln
