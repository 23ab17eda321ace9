// SPDX-License-Identifier: Apache-2.0
//
// Builds the arena of an object's maps, and the helper functions' operations on it.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <kiln/device.h>
#include <kiln/map_set.h>

#include "bytes.h"
#include "layout.h"

namespace kiln {
namespace {

using detail::store;

Error bad_slot(const MapSpec& spec, const MapSpec::Slot& slot, std::string_view what) {
  return Error{Errc::kInput,
               fmt::format("map '{}': initial element {} {}", spec.name, slot.key, what)};
}

}  // namespace

void MapSet::index_prefixes() {
  indices_.by_map.clear();
  if (is_shared_) {
    return;
  }
  indices_.by_map.resize(specs_.size());
  for (std::size_t map = 0; map < specs_.size(); ++map) {
    if (specs_[map].type != MapType::kLpmTrie) {
      continue;
    }
    constexpr std::uint32_t kLengthBytes = 4;
    auto index = std::make_unique<PrefixIndex>(8 * (specs_[map].key_size - kLengthBytes));
    for_each(map, [&index](std::span<const std::byte> key, std::span<const std::byte>) {
      index->add(key.data() + kLengthBytes, detail::load<std::uint32_t>(key.data()));
    });
    indices_.by_map[map] = std::move(index);
  }
}

Result<MapSet> MapSet::create(std::span<const MapSpec> specs, std::uint32_t cpu_count, std::uint32_t possible_cpus) {
  KILN_CHECK(cpu_count >= 1);
  const detail::Processors cpus{cpu_count, possible_cpus == 0 ? cpu_count : possible_cpus};
  MapSet set;
  set.cpu_count_ = cpus.values;
  set.possible_cpus_ = cpus.possible;
  for (const MapSpec& spec : specs) {
    set.specs_.push_back(detail::normalise(spec, cpus));
  }
  auto layout = detail::lay_out(set.specs_, cpus);
  if (!layout) {
    return layout.error();
  }
  set.descriptors_ = std::move(layout->descriptors);
  set.locks_.resize(set.specs_.size());
  set.frozen_.resize(set.specs_.size());
  set.arena_ = Arena(layout->arena_bytes);
  for (std::size_t map = 0; map < set.size(); ++map) {
    KILN_TRY(set.fill(map));
  }
  return set;
}

/// What the object says is in the map from the start.
Result<void> MapSet::fill(std::size_t map) {
  const MapSpec& spec = specs_[map];
  if (!spec.initial.empty()) {
    std::memcpy(arena_.data() + descriptors_[map].entries, spec.initial.data(),
                spec.initial.size());
  }
  for (const MapSpec::Slot& slot : spec.slots) {
    if (spec.type == MapType::kArrayOfMaps || spec.type == MapType::kHashOfMaps) {
      if (slot.target >= size()) {
        return bad_slot(spec, slot, "names a map that is not there");
      }
    } else if (spec.type != MapType::kProgArray) {
      return bad_slot(spec, slot, "is neither a program nor a map");
    }
    std::vector<std::byte> key(spec.key_size);
    if (key.size() < sizeof slot.key) {
      return bad_slot(spec, slot, "has a key shorter than 4 bytes");
    }
    store(key.data(), slot.key);
    std::array<std::byte, 4> value{};
    store(value.data(), slot.target + 1);
    const std::int64_t result = user_update(map, key, value, kAny);
    if (result == -EINVAL) {
      return bad_slot(spec, slot, "is not like the inner map that is declared");
    }
    if (result != 0) {
      return bad_slot(spec, slot, fmt::format("does not fit into {} elements", spec.max_entries));
    }
  }
  return {};
}

std::optional<std::size_t> MapSet::find(std::string_view name) const {
  const auto found = std::find_if(specs_.begin(), specs_.end(),
                                  [&](const MapSpec& spec) { return spec.name == name; });
  if (found == specs_.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - specs_.begin());
}

std::optional<std::uint32_t> MapSet::lookup(std::size_t map, std::span<const std::byte> key,
                                            std::uint32_t cpu) {
  if (device_ != nullptr && device_->holds(map)) {
    return device_->lookup(map, key, cpu);
  }
  const std::uint32_t value = map_lookup(view(map), key.data());
  if (value == 0) {
    return std::nullopt;
  }
  const MapDescriptor& d = descriptors_[map];
  return d.cpu_count > 1 ? value + cpu * d.value_stride : value;
}

std::int64_t MapSet::update(std::size_t map, std::span<const std::byte> key,
                            std::span<const std::byte> value, std::uint64_t flags,
                            std::uint32_t cpu) {
  if (device_ != nullptr && device_->holds(map)) {
    return device_->update(map, key, value, flags, cpu);
  }
  return map_update(view(map), key.data(), value.data(), flags, cpu);
}

std::int64_t MapSet::erase(std::size_t map, std::span<const std::byte> key) {
  if (device_ != nullptr && device_->holds(map)) {
    return device_->erase(map, key);
  }
  return map_erase(view(map), key.data());
}

std::int64_t MapSet::push(std::size_t map, std::span<const std::byte> value, std::uint64_t flags) {
  if (device_ != nullptr && device_->holds(map)) {
    return device_->push(map, value, flags);
  }
  return push_value(view(map), value.data(), flags);
}

std::int64_t MapSet::pop(std::size_t map, std::span<std::byte> value) {
  if (device_ != nullptr && device_->holds(map)) {
    return device_->pop(map, value, false);
  }
  return pop_value(view(map), value.data());
}

std::int64_t MapSet::peek(std::size_t map, std::span<std::byte> value) {
  if (device_ != nullptr && device_->holds(map)) {
    return device_->pop(map, value, true);
  }
  return peek_value(view(map), value.data());
}

std::optional<std::uint32_t> MapSet::ring_reserve(std::size_t map, std::uint64_t size) {
  if (device_ != nullptr && device_->holds(map)) {
    return device_->ring_reserve(map, size);
  }
  const std::uint32_t record = kiln::ring_reserve(view(map), size);
  return record == 0 ? std::nullopt : std::optional(record);
}

std::int64_t MapSet::ring_output(std::size_t map, std::span<const std::byte> record, std::uint64_t flags) {
  constexpr std::uint64_t kWakeups = 3;  // BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP
  if ((flags & ~kWakeups) != 0) {
    return -EINVAL;
  }
  const std::optional<std::uint32_t> at = ring_reserve(map, record.size());
  if (!at) {
    return -EAGAIN;
  }
  std::copy(record.begin(), record.end(), arena_.data() + *at);  // may be empty, without an address
  if (device_ != nullptr && device_->holds(map)) {
    device_->store(*at, static_cast<std::uint32_t>(record.size()));
  }
  ring_end(*at, false);
  return 0;
}

void MapSet::ring_end(std::uint32_t record, bool discard) {
  constexpr std::int32_t kXor = 0xa0;  // BPF_XOR
  if (device_ == nullptr || !device_->holds_rings()) {
    return ring_commit(arena_.data(), record, discard);
  }
  device_->atomic(kXor, record - kRingRecordHeader, 4, discard ? kRingBusy | kRingDiscard : kRingBusy, 0);
}

std::uint64_t MapSet::ring_query(std::size_t map, std::uint64_t what) {
  if (device_ != nullptr && device_->holds(map)) {
    device_->fetch(descriptors_[map].header, sizeof(RingHeader));
  }
  return kiln::ring_query(view(map), what);
}

std::optional<std::vector<std::byte>> MapSet::ring_take(std::size_t map) {
  RingRecord record;
  std::int64_t result = -EAGAIN;
  while (result == -EAGAIN) {
    result = ring_next(view(map), record);
  }
  if (result != 0) {
    return std::nullopt;
  }
  std::vector<std::byte> data(at(record.data), at(record.data) + record.size);
  ring_release(view(map), record);
  return data;
}

std::span<std::byte> MapSet::bytes_of(std::size_t map) {
  const auto [begin, end] = detail::extent(descriptors_[map]);
  return arena_.span().subspan(begin, end - begin);
}

void MapSet::clear(std::size_t map) {
  const std::span<std::byte> bytes = bytes_of(map);
  std::memset(bytes.data(), 0, bytes.size());
}

namespace {

/// Programs that a prog array holds, each once.
std::vector<std::uint32_t> programs_in(const MapSet& maps, std::size_t map) {
  std::vector<std::uint32_t> programs;
  const MapDescriptor& d = maps.descriptor(map);
  for (std::uint32_t index = 0; maps.spec(map).type == MapType::kProgArray && index < d.max_entries; ++index) {
    std::uint32_t slot = 0;  // program index + 1, or 0
    std::memcpy(&slot, maps.arena().data() + d.entries + std::size_t{index} * d.entry_stride, sizeof(slot));
    if (slot != 0 && std::find(programs.begin(), programs.end(), slot - 1) == programs.end()) {
      programs.push_back(slot - 1);
    }
  }
  return programs;
}

}  // namespace

std::vector<CoreMap> core_maps(const MapSet& maps) {
  std::vector<CoreMap> result;
  for (std::size_t map = 0; map < maps.size(); ++map) {
    const MapDescriptor& d = maps.descriptor(map);
    result.push_back({.type = maps.spec(map).type,
                      .key_size = d.key_size,
                      .value_size = d.value_size,
                      .max_entries = d.max_entries,
                      .entries = d.entries,
                      .entry_stride = d.entry_stride,
                      .value_stride = d.value_stride,
                      .cpu_count = d.cpu_count,
                      .programs = programs_in(maps, map)});
  }
  return result;
}

}  // namespace kiln
