// SPDX-License-Identifier: Apache-2.0
//
// Elements one after another: for callbacks of programs, for get_next_key, for dumps.
//
// The order is that of entry numbers, so deleting the element at hand, or any other, disturbs no walk.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <kiln/device.h>
#include <kiln/map_set.h>

#include "bytes.h"
#include "value.h"

namespace kiln {

using detail::load;
using detail::load_acquire;
using detail::store;

bool MapSet::next_element(std::size_t map, std::uint32_t& cursor, Element& element) const {
  const MapDescriptor& d = descriptors_[map];
  const MapType type = specs_[map].type;
  if (is_keyless(type) || is_ring(type)) {
    return false;
  }
  if (device_ != nullptr && cursor == 0 && device_->holds(map)) {
    device_->alone_with(map, [] {});  // all of it, as it is now
  }
  if (is_hash_kind(type)) {
    const auto used = load_acquire<std::uint32_t>(at(d.header + offsetof(MapHeader, next_unused)));
    while (cursor < used) {
      const std::uint32_t entry = d.entries + cursor * d.entry_stride;
      element = {static_cast<std::uint32_t>(entry + sizeof(MapEntry)), entry + d.value_offset, cursor++};
      if ((load_acquire<std::uint32_t>(at(entry)) & kEntryLive) != 0) {
        return true;
      }
    }
    return false;
  }
  const bool may_be_empty = is_slot_array(type) || type == MapType::kStackTrace;
  while (cursor < d.entry_count) {
    const std::uint32_t entry = d.entries + cursor * d.entry_stride;
    element = {0, entry + d.value_offset, cursor++};
    if (!may_be_empty || load_acquire<std::uint32_t>(at(entry)) != 0) {
      return true;
    }
  }
  return false;
}

std::int64_t MapSet::user_next_key(std::size_t map, std::span<const std::byte> key, std::span<std::byte> next) const {
  constexpr std::int64_t kNotSupported = -524;
  const MapSpec& spec = specs_[map];
  const MapDescriptor& d = descriptors_[map];
  if ((spec.flags & kWriteOnlyForUser) != 0) {
    return -EPERM;
  }
  if (is_keyless(spec.type)) {
    return spec.type == MapType::kBloomFilter ? -EOPNOTSUPP : -EINVAL;
  }
  if (is_ring(spec.type) || is_local_storage(spec.type)) {
    return kNotSupported;
  }
  if (is_cgroup_storage(spec.type)) {
    std::fill(next.begin(), next.end(), std::byte{0});
    return key.empty() ? 0 : -ENOENT;
  }
  if (is_array(spec.type) || is_slot_array(spec.type)) {  // every index, used or not
    const std::uint32_t index = key.empty() ? d.max_entries : load<std::uint32_t>(key.data());
    if (index == d.max_entries - 1) {
      return -ENOENT;
    }
    store(next.data(), index >= d.max_entries ? 0 : index + 1);
    return 0;
  }
  std::uint32_t cursor = 0;
  if (spec.type == MapType::kStackTrace) {
    cursor = !key.empty() && user_lookup(map, key) ? load<std::uint32_t>(key.data()) + 1 : 0;
  } else if (!key.empty()) {
    const std::uint32_t value = map_find(const_view(map), key.data());
    cursor = value == 0 ? 0 : (value - d.value_offset - d.entries) / d.entry_stride + 1;
  }
  Element element;
  if (!next_element(map, cursor, element)) {
    return -ENOENT;
  }
  if (element.key == 0) {
    store(next.data(), element.index);
  } else {
    std::memcpy(next.data(), at(element.key), next.size());
  }
  return 0;
}

namespace {

/// The values of a queue or stack, the next to be popped first.
void each_queued(const MapDescriptor& d, const std::byte* arena, bool is_stack,
                 const std::function<void(std::span<const std::byte>)>& visit) {
  const auto header = load<QueueHeader>(arena + d.header);
  const std::uint32_t held = (header.head + d.entry_count - header.tail) % d.entry_count;
  for (std::uint32_t i = 0; i < held; ++i) {
    const std::uint32_t number = is_stack ? (header.head + d.entry_count - 1 - i) % d.entry_count
                                          : (header.tail + i) % d.entry_count;
    visit({arena + d.entries + std::size_t{number} * d.entry_stride, d.value_size});
  }
}

/// The records that a consumer would get.
void each_record(const MapDescriptor& d, const std::byte* arena,
                 const std::function<void(std::span<const std::byte>)>& visit) {
  const auto header = load<RingHeader>(arena + d.header);
  for (std::uint64_t position = header.consumer; position < header.producer;) {
    const std::byte* record = arena + d.entries + (position & d.bucket_mask);
    const auto word = load<std::uint32_t>(record);
    const std::uint32_t size = word & ~(kRingBusy | kRingDiscard);
    if ((word & kRingBusy) != 0) {
      return;
    }
    if ((word & kRingDiscard) == 0) {
      visit({record + kRingRecordHeader, size});
    }
    position += detail::round_up(std::uint64_t{size} + kRingRecordHeader, 8);
  }
}

}  // namespace

void MapSet::for_each(std::size_t map,
                      const std::function<void(std::span<const std::byte>,
                                               std::span<const std::byte>)>& visit) const {
  const MapDescriptor& d = descriptors_[map];
  const MapType type = specs_[map].type;
  const auto without_key = [&](std::span<const std::byte> value) { visit({}, value); };
  if (is_queue_or_stack(type)) {
    return each_queued(d, arena_.data(), type == MapType::kStack, without_key);
  }
  if (is_ring(type)) {
    return each_record(d, arena_.data(), without_key);
  }
  const std::size_t value_bytes = user_value_size(map);
  std::vector<std::byte> key(d.key_size);
  std::vector<std::byte> value(is_shared_ ? value_bytes : 0);  // a copy, where others may be writing
  std::uint32_t cursor = 0;
  for (Element element; next_element(map, cursor, element);) {
    if (element.key == 0) {  // arrays keep no keys
      std::memcpy(key.data(), &element.index, std::min(key.size(), sizeof element.index));
    } else {
      detail::copy_out(key.data(), at(element.key), d.key_size, is_shared_);
    }
    if (is_shared_) {
      detail::copy_out(value.data(), at(element.value), static_cast<std::uint32_t>(value_bytes), true);
    }
    // The key's own place where it has one: callers may keep the spans.
    visit(element.key == 0 || is_shared_ ? std::span<const std::byte>(key) : std::span(at(element.key), d.key_size),
          is_shared_ ? std::span<const std::byte>(value) : std::span(at(element.value), value_bytes));
  }
}

}  // namespace kiln
