// SPDX-License-Identifier: Apache-2.0
//
// All maps of one object in one arena, and the kernel's operations on them.
//
// Operations return the kernel's result: 0 or a negative errno. After share() any number of threads
// may call them (but clear(), freeze(), copies and moves); before, one at a time.
// Not here: who may call what (verifier), pinning, user commands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <kiln/arena.h>
#include <kiln/core_image.h>
#include <kiln/map_layout.h>
#include <kiln/map_ops.h>
#include <kiln/prefix_index.h>
#include <kiln/program.h>
#include <kiln/result.h>

namespace kiln {

/// BPF_ANY, BPF_NOEXIST, BPF_EXIST.
enum UpdateFlags : std::uint64_t { kAny = 0, kNoExist = 1, kExist = 2 };

class DeviceMaps;

class MapSet {
 public:
  /// Lays out and initialises the maps (global data filled, prog-array slots set).
  /// \param cpu_count      values per entry of per-CPU maps, >= 1.
  /// \param possible_cpus  processors that LRU maps reckon with: how many free entries one takes at once. 0: cpu_count.
  /// \errors kUnsupported for a type Kiln has no layout for (by name), kInput for impossible sizes
  ///         (kernel rules: array key of 4 bytes, max_entries > 0 and so on), or over 1 GiB in all.
  static Result<MapSet> create(std::span<const MapSpec> specs, std::uint32_t cpu_count, std::uint32_t possible_cpus = 0);

  std::size_t size() const { return specs_.size(); }
  const MapSpec& spec(std::size_t map) const { return specs_[map]; }
  const MapDescriptor& descriptor(std::size_t map) const { return descriptors_[map]; }
  std::optional<std::size_t> find(std::string_view name) const;
  /// Never moves while this MapSet, or what it is moved into, lives: addresses into it stay good.
  /// A copy has an arena of its own.
  std::span<std::byte> arena() { return arena_.span(); }
  std::span<const std::byte> arena() const { return arena_.span(); }
  /// Everything of one map in the arena: header, buckets, entries.
  std::span<std::byte> bytes_of(std::size_t map);
  /// For map_ops.h. REQUIRES: this MapSet stays where it is meanwhile.
  MapView view(std::size_t map) {
    return {arena_.data(), &descriptors_[map], is_shared_ ? &locks_[map] : nullptr,
            indices_.by_map.empty() ? nullptr : indices_.by_map[map].get()};
  }
  /// Makes look-ups in LPM tries quicker (prefix_index.h), for who changes the maps by their operations only. Nothing
  /// if several threads work on it. A copy has no index.
  void index_prefixes();
  /// From here on several threads work on it, and every change takes a lock.
  void share() { is_shared_ = true; }
  bool is_shared() const { return is_shared_; }
  std::uint32_t cpu_count() const { return cpu_count_; }
  std::uint32_t possible_cpus() const { return possible_cpus_; }

  // What programs do. Offsets are arena offsets of the value seen by `cpu`; nullopt: NULL.
  // REQUIRES: key.size() == key_size, value.size() == value_size, cpu < cpu_count().
  std::optional<std::uint32_t> lookup(std::size_t map, std::span<const std::byte> key,
                                      std::uint32_t cpu);
  /// \param value  value_size bytes; for a per-CPU map it is stored for `cpu` (an insertion zeroes
  /// the others).
  std::int64_t update(std::size_t map, std::span<const std::byte> key,
                      std::span<const std::byte> value, std::uint64_t flags, std::uint32_t cpu);
  std::int64_t erase(std::size_t map, std::span<const std::byte> key);

  /// What programs do goes to `device` from now on, for the maps that it holds (device.h); nullptr: no
  /// longer. A copy of this MapSet would go there too.
  void attach(DeviceMaps* device) { device_ = device; }
  DeviceMaps* device() const { return device_; }

  /// Queues, stacks, Bloom filters: bpf_map_push_elem() and so on. REQUIRES: is_keyless(), value_size bytes.
  std::int64_t push(std::size_t map, std::span<const std::byte> value, std::uint64_t flags);
  std::int64_t pop(std::size_t map, std::span<std::byte> value);
  std::int64_t peek(std::size_t map, std::span<std::byte> value);

  /// bpf_ringbuf_reserve(): arena offset of `size` bytes, or nullopt. Not seen by readers before ring_commit()
  /// (map_ops.h), which is bpf_ringbuf_submit() and bpf_ringbuf_discard(). REQUIRES: is_ring().
  std::optional<std::uint32_t> ring_reserve(std::size_t map, std::uint64_t size);
  /// bpf_ringbuf_submit(), bpf_ringbuf_discard(). \param record  what ring_reserve() gave.
  void ring_end(std::uint32_t record, bool discard);
  std::uint64_t ring_query(std::size_t map, std::uint64_t what);
  /// bpf_ringbuf_output(). \return 0, -EINVAL, or -EAGAIN: no room.
  std::int64_t ring_output(std::size_t map, std::span<const std::byte> record, std::uint64_t flags);
  /// Takes out the next record, as user space does from a ring buffer; nullopt: none is complete.
  std::optional<std::vector<std::byte>> ring_take(std::size_t map);

  /// Walks the elements as bpf_for_each_map_elem() does, which is the order of for_each(). \param cursor  0 at
  /// first; REQUIRES: has keys. \return whether there is one more; an element deleted meanwhile is passed over.
  struct Element {
    std::uint32_t key = 0;    ///< arena offset; arrays keep no keys: 0, the key is `index`
    std::uint32_t value = 0;  ///< arena offset, processor 0's
    std::uint32_t index = 0;
  };
  bool next_element(std::size_t map, std::uint32_t& cursor, Element& element) const;

  // What user space does (bpf(2) semantics). For per-CPU maps `value` is cpu_count values, each
  // 8-rounded, concatenated. The values of prog arrays and maps of maps are those of map_layout.h,
  // where the kernel has file descriptors going in and ids coming out.
  // REQUIRES: key.size() == key_size, value.size() == user_value_size().
  std::int64_t user_update(std::size_t map, std::span<const std::byte> key,
                           std::span<const std::byte> value, std::uint64_t flags);
  /// user_update() of what another map was found to have: an LRU map throws nobody out for it while there is room.
  std::int64_t restore(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value);
  std::int64_t user_erase(std::size_t map, std::span<const std::byte> key);
  /// BPF_MAP_LOOKUP_ELEM. A Bloom filter takes its value from `value`.
  std::int64_t user_read(std::size_t map, std::span<const std::byte> key, std::span<std::byte> value,
                         std::uint64_t flags) const;
  /// BPF_MAP_LOOKUP_AND_DELETE_ELEM: hashes, queues, stacks, stack traces.
  std::int64_t user_read_and_erase(std::size_t map, std::span<const std::byte> key, std::span<std::byte> value,
                                   std::uint64_t flags);
  /// BPF_MAP_GET_NEXT_KEY. \param key  empty for the first; one that is not there leads to the first, too.
  /// \return 0 and `next`, or -ENOENT after the last.
  std::int64_t user_next_key(std::size_t map, std::span<const std::byte> key, std::span<std::byte> next) const;
  /// BPF_MAP_FREEZE: user space writes no more. \return 0; -EPERM: it does not write now; -524: the
  /// kernel does not freeze values with a lock.
  std::int64_t freeze(std::size_t map);
  bool is_frozen(std::size_t map) const { return frozen_[map]; }

  /// What is there, whatever bpf(2) would let one see: slots that have no reading operation, write-only maps.
  /// Not for maps without keys.
  std::optional<std::vector<std::byte>> user_lookup(std::size_t map,
                                                    std::span<const std::byte> key) const;
  /// Calls back for every element, in arena order. Arrays: every index. Slot arrays: used slots. Queues and
  /// stacks: no key, the values in the order in which they would be popped. Ring buffers: no key, the
  /// complete records. Bloom filters: nothing.
  void for_each(std::size_t map,
                const std::function<void(std::span<const std::byte> key,
                                         std::span<const std::byte> value)>& visit) const;
  /// Empties a map (arrays: zeroes). What the object puts into it at first is gone too.
  void clear(std::size_t map);

  std::size_t user_value_size(std::size_t map) const;  ///< bytes of `value` in the user operations

 private:
  Result<void> fill(std::size_t map);
  const std::byte* at(std::uint32_t offset) const { return arena_.data() + offset; }
  MapView const_view(std::size_t map) const;
  bool fits_outer(std::size_t map, std::uint32_t inner) const;
  std::int64_t store_all(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value,
                         std::uint64_t flags);
  std::int64_t update_slot(std::size_t map, std::span<const std::byte> key,
                           std::span<const std::byte> value, std::uint64_t flags);
  std::int64_t erase_slot(std::size_t map, std::span<const std::byte> key);
  std::int64_t erase_any(std::size_t map, std::span<const std::byte> key);
  std::int64_t erase_trace(std::size_t map, std::uint32_t id);
  void read_value(std::size_t map, std::uint32_t value, std::span<std::byte> out) const;

  std::vector<MapSpec> specs_;
  std::vector<MapDescriptor> descriptors_;
  mutable std::vector<MapLock> locks_;
  std::vector<bool> frozen_;
  Arena arena_;
  std::uint32_t cpu_count_ = 1;
  std::uint32_t possible_cpus_ = 1;
  DeviceMaps* device_ = nullptr;
  struct Indices {
    Indices() = default;
    Indices(const Indices&) {}
    Indices(Indices&&) = default;
    Indices& operator=(const Indices&) {
      by_map.clear();
      return *this;
    }
    Indices& operator=(Indices&&) = default;
    ~Indices() = default;
    std::vector<std::unique_ptr<PrefixIndex>> by_map;  ///< nullptr for other types; empty: there are none
  };
  Indices indices_;
  bool is_shared_ = false;
};

/// What the lowering must know of each map.
std::vector<CoreMap> core_maps(const MapSet& maps);

/// What differs between two states of the same maps, sorted by key: at most `limit` of them.
struct MapDifference {
  std::size_t map = 0;
  std::vector<std::byte> key;
  std::vector<std::byte> left;   ///< empty: no such element
  std::vector<std::byte> right;  ///< empty: no such element
};
std::vector<MapDifference> compare_maps(const MapSet& left, const MapSet& right, std::size_t limit);

/// JSON as `bpftool map dump -j` prints it, keyed by map name. dump -> load gives the same
/// contents.
std::string dump_maps_json(const MapSet& maps);
/// Hashes that are named are emptied first; of arrays, the elements that are named change.
/// Read-only global data may be named with the values it has. \errors kInput: unknown map, wrong
/// size, not JSON; nothing is changed then.
Result<void> load_maps_json(MapSet& maps, std::string_view json);

}  // namespace kiln
