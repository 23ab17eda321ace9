// SPDX-License-Identifier: Apache-2.0
//
// One map's bytes from one arena to another. Links are entry numbers, so they stay good; only records of ring
// buffers say where their header is.
#include <fmt/format.h>

#include <cstring>

#include <kiln/map_file.h>

#include "bytes.h"
#include "layout.h"

namespace kiln {
namespace {

Error different(const MapSpec& spec, std::string_view what, std::uint64_t there, std::uint64_t wanted) {
  return Error{Errc::kInput, fmt::format("map '{}': the saved one has {} {}, not {}", spec.name, what, there, wanted)};
}

Result<void> check_alike(const MapSet& from, std::size_t a, const MapSet& to, std::size_t b) {
  const MapSpec& there = from.spec(a);
  const MapSpec& wanted = to.spec(b);
  if (there.type != wanted.type) {
    return Error{Errc::kInput, fmt::format("map '{}': the saved one is of type {}, not {}", wanted.name,
                                           map_type_name(there.type), map_type_name(wanted.type))};
  }
  if (there.key_size != wanted.key_size) {
    return different(wanted, "key size", there.key_size, wanted.key_size);
  }
  if (there.value_size != wanted.value_size) {
    return different(wanted, "value size", there.value_size, wanted.value_size);
  }
  if (there.max_entries != wanted.max_entries) {
    return different(wanted, "max_entries", there.max_entries, wanted.max_entries);
  }
  if (there.flags != wanted.flags || there.map_extra != wanted.map_extra) {
    return different(wanted, "flags", there.flags, wanted.flags);
  }
  if (from.descriptor(a).cpu_count != to.descriptor(b).cpu_count) {
    return different(wanted, "values for so many processors:", from.descriptor(a).cpu_count, to.descriptor(b).cpu_count);
  }
  if (from.descriptor(a).hash_count != to.descriptor(b).hash_count || from.descriptor(a).entry_count != to.descriptor(b).entry_count) {
    return different(wanted, "lists for so many processors:", from.possible_cpus(), to.possible_cpus());
  }
  return {};
}

/// The records that nobody has read yet name the header's place.
void move_records(MapSet& maps, std::size_t map) {
  const MapDescriptor& d = maps.descriptor(map);
  std::byte* arena = maps.arena().data();
  const auto header = detail::load<RingHeader>(arena + d.header);
  for (std::uint64_t position = header.consumer; position < header.producer;) {
    std::byte* record = arena + d.entries + (position & d.bucket_mask);
    detail::store(record + 4, d.header);
    const std::uint32_t size = detail::load<std::uint32_t>(record) & ~(kRingBusy | kRingDiscard);
    position += detail::round_up(std::uint64_t{size} + kRingRecordHeader, 8);
  }
}

}  // namespace

Result<void> copy_map(const MapSet& from, std::size_t from_map, MapSet& to, std::size_t to_map) {
  KILN_TRY(check_alike(from, from_map, to, to_map));
  const auto [begin, end] = detail::extent(from.descriptor(from_map));
  const auto [to_begin, to_end] = detail::extent(to.descriptor(to_map));
  KILN_CHECK(end - begin == to_end - to_begin);
  std::memcpy(to.arena().data() + to_begin, from.arena().data() + begin, end - begin);
  if (is_ring(to.spec(to_map).type)) {
    move_records(to, to_map);
  }
  return {};
}

Result<MapSet> single_map(const MapSet& maps, std::size_t map) {
  MapSpec spec = maps.spec(map);
  if (spec.type == MapType::kProgArray || holds_maps(spec.type)) {
    return Error{Errc::kInput, fmt::format("map '{}' ({}): its elements belong to the object, so it can't be kept without it",
                                           spec.name, map_type_name(spec.type))};
  }
  spec.initial.clear();
  auto one = MapSet::create(std::span(&spec, 1), maps.cpu_count(), maps.possible_cpus());
  if (!one) {
    return one;
  }
  KILN_TRY(copy_map(maps, map, *one, 0));
  if (maps.is_frozen(map)) {
    one->freeze(0);
  }
  return one;
}

}  // namespace kiln
