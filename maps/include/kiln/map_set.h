// SPDX-License-Identifier: Apache-2.0
//
// All maps of one object in one arena, and the kernel's operations on them.
//
// Single-threaded: one MapSet belongs to one engine at a time. Operations return the kernel's
// result: 0 or a negative errno. Not here: who may call what (verifier), pinning, user commands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <kiln/map_layout.h>
#include <kiln/program.h>
#include <kiln/result.h>

namespace kiln {

/// BPF_ANY, BPF_NOEXIST, BPF_EXIST.
enum UpdateFlags : std::uint64_t { kAny = 0, kNoExist = 1, kExist = 2 };

class MapSet {
 public:
  /// Lays out and initialises the maps (global data filled, prog-array slots set).
  /// \param cpu_count  values per entry of per-CPU maps, >= 1.
  /// \errors kUnsupported for a type Kiln has no layout for (by name), kInput for impossible sizes
  ///         (kernel rules: array key of 4 bytes, max_entries > 0 and so on), or over 1 GiB in all.
  static Result<MapSet> create(std::span<const MapSpec> specs, std::uint32_t cpu_count);

  std::size_t size() const { return specs_.size(); }
  const MapSpec& spec(std::size_t map) const { return specs_[map]; }
  const MapDescriptor& descriptor(std::size_t map) const { return descriptors_[map]; }
  std::optional<std::size_t> find(std::string_view name) const;
  std::span<std::byte> arena() { return arena_; }
  std::span<const std::byte> arena() const { return arena_; }
  std::uint32_t cpu_count() const { return cpu_count_; }

  // What programs do. Offsets are arena offsets of the value seen by `cpu`; nullopt: NULL.
  // REQUIRES: key.size() == key_size.
  std::optional<std::uint32_t> lookup(std::size_t map, std::span<const std::byte> key, std::uint32_t cpu);
  /// \param value  value_size bytes; for a per-CPU map it is stored for `cpu` (an insertion zeroes the others).
  std::int64_t update(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value,
                      std::uint64_t flags, std::uint32_t cpu);
  std::int64_t erase(std::size_t map, std::span<const std::byte> key);

  // What user space does (bpf(2) semantics). For per-CPU maps `value` is cpu_count values, each
  // 8-rounded, concatenated.
  std::int64_t user_update(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value,
                           std::uint64_t flags);
  std::int64_t user_erase(std::size_t map, std::span<const std::byte> key);
  std::optional<std::vector<std::byte>> user_lookup(std::size_t map, std::span<const std::byte> key) const;
  /// Calls back for every element, in arena order. Arrays: every index. Prog arrays and devmaps: used slots.
  void for_each(std::size_t map, const std::function<void(std::span<const std::byte> key,
                                                          std::span<const std::byte> value)>& visit) const;
  /// Empties a map (arrays: zeroes).
  void clear(std::size_t map);

  std::size_t user_value_size(std::size_t map) const;  ///< bytes of `value` in the user operations

 private:
  std::vector<MapSpec> specs_;
  std::vector<MapDescriptor> descriptors_;
  std::vector<std::byte> arena_;
  std::uint32_t cpu_count_ = 1;
};

/// What differs between two states of the same maps, sorted by key: at most `limit` of them.
struct MapDifference {
  std::size_t map = 0;
  std::vector<std::byte> key;
  std::vector<std::byte> left;   ///< empty: no such element
  std::vector<std::byte> right;  ///< empty: no such element
};
std::vector<MapDifference> compare_maps(const MapSet& left, const MapSet& right, std::size_t limit);

/// JSON as `bpftool map dump -j` prints it, keyed by map name. dump -> load gives the same state.
std::string dump_maps_json(const MapSet& maps);
/// \errors kInput: unknown map, wrong size, not JSON; nothing is changed then.
Result<void> load_maps_json(MapSet& maps, std::string_view json);

}  // namespace kiln
