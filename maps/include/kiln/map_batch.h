// SPDX-License-Identifier: Apache-2.0
//
// Many elements of a map in one call: BPF_MAP_UPDATE_BATCH, DELETE_BATCH, LOOKUP_BATCH, LOOKUP_AND_DELETE_BATCH.
//
// Keys and values lie one after another. `count` is how many are given, or how many fit; after the call, how many
// it were before it ended. Results are the kernel's, -524 (ENOTSUPP) for types that have no such operation.
#pragma once

#include <kiln/map_set.h>

namespace kiln {

/// \return 0, or -errno of the first that fails. \param flags  0 or BPF_F_LOCK.
std::int64_t update_batch(MapSet& maps, std::size_t map, std::span<const std::byte> keys,
                          std::span<const std::byte> values, std::uint32_t& count, std::uint64_t flags);
/// \return 0, or -errno of the first that fails.
std::int64_t erase_batch(MapSet& maps, std::size_t map, std::span<const std::byte> keys, std::uint32_t& count);
/// \param token  where to go on; 0 at first. \param erase  what is read is taken out.
/// \return 0: more is left; -ENOENT: that was all, `count` of them.
std::int64_t read_batch(MapSet& maps, std::size_t map, std::uint32_t& token, std::span<std::byte> keys,
                        std::span<std::byte> values, std::uint32_t& count, bool erase);

}  // namespace kiln
