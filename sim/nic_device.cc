// SPDX-License-Identifier: Apache-2.0
#include "nic_device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <kiln/address.h>
#include <kiln/map_ops.h>

namespace kiln::sim {
namespace {

constexpr std::uint32_t kMaxKeyWords = 8;  // of a request to the map engine

/// The largest access of 1, 2, 4 or 8 bytes that is no more than `bytes`.
std::uint32_t access(std::uint32_t bytes) { return bytes >= 8 ? 8 : bytes >= 4 ? 4 : bytes >= 2 ? 2 : 1; }

std::vector<std::uint64_t> key_words(std::span<const std::byte> key) {
  std::vector<std::uint64_t> words((key.size() + 7) / 8);
  std::memcpy(words.data(), key.data(), key.size());
  return words;
}

}  // namespace

bool NicDevice::holds(std::size_t map) const { return nic_has_map_type(maps_->spec(map).type); }

bool NicDevice::engine_updates(std::size_t map) const {
  const MapType type = maps_->spec(map).type;
  return (type == MapType::kHash || type == MapType::kPercpuHash || type == MapType::kLpmTrie || is_lru(type)) &&
         maps_->descriptor(map).key_size <= kMaxKeyWords * 8;
}

std::uint64_t NicDevice::map_request(Service service, std::size_t map, std::span<const std::byte> key,
                                     std::uint64_t data) {
  return driver_.request({.service = service, .imm = static_cast<std::uint32_t>(map), .data = data, .key = key_words(key)});
}

std::int64_t NicDevice::alone(std::size_t map, const std::function<std::int64_t()>& operation) {
  std::int64_t result = 0;
  alone_with(map, [&] { result = operation(); });
  return result;
}

std::optional<std::uint32_t> NicDevice::lookup(std::size_t map, std::span<const std::byte> key, std::uint32_t cpu) {
  const MapDescriptor& d = maps_->descriptor(map);
  const MapType type = maps_->spec(map).type;
  std::uint32_t value = 0;
  if (is_array(type) || is_slot_array(type)) {
    std::uint32_t index = 0;
    std::memcpy(&index, key.data(), sizeof index);
    if (index >= d.max_entries) {
      return std::nullopt;
    }
    value = d.entries + index * d.entry_stride;
  } else if (key.size() > kMaxKeyWords * 8) {
    alone_with(map, [&] { value = map_lookup(maps_->view(map), key.data()); });
  } else {
    value = static_cast<std::uint32_t>(map_request(Service::MAP_LOOKUP, map, key, 0));
    value = value == 0 ? 0 : value - address::kMap;
  }
  if (value == 0) {
    return std::nullopt;
  }
  value += d.cpu_count > 1 ? cpu * d.value_stride : 0;
  fetch(value, d.value_size);
  std::uint32_t first = 0;
  std::memcpy(&first, maps_->arena().data() + value, std::min<std::size_t>(sizeof first, d.value_size));
  return is_slot_array(type) && first == 0 ? std::nullopt : std::optional(value);
}

std::int64_t NicDevice::update(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value,
                               std::uint64_t flags, std::uint32_t cpu) {
  const MapDescriptor& d = maps_->descriptor(map);
  const bool array = is_array(maps_->spec(map).type);  // prepared without a look at memory
  const auto write = [&](std::uint32_t at) {
    at += d.cpu_count > 1 ? cpu * d.value_stride : 0;
    std::memcpy(maps_->arena().data() + at, value.data(), d.value_size);
    return at;
  };
  if (!array && !engine_updates(map)) {
    return alone(map, [&]() -> std::int64_t {
      const std::int64_t prepared = map_prepare(maps_->view(map), key.data(), flags);
      if (prepared < 0) {
        return prepared;
      }
      write(static_cast<std::uint32_t>(prepared));
      return map_commit(maps_->view(map), key.data(), static_cast<std::uint32_t>(prepared));
    });
  }
  std::int64_t prepared = 0;
  if (array) {
    prepared = map_prepare(maps_->view(map), key.data(), flags);
  } else {
    do {  // 0: the cores have every spare entry at this instant
      prepared = static_cast<std::int64_t>(map_request(Service::MAP_PREPARE, map, key, flags));
    } while (prepared == 0);
    prepared -= prepared > 0 ? address::kMap : 0;
  }
  if (prepared < 0) {
    return prepared;
  }
  store(write(static_cast<std::uint32_t>(prepared)), d.value_size);
  return array ? 0
               : static_cast<std::int64_t>(map_request(Service::MAP_COMMIT, map, key,
                                                       address::kMap + static_cast<std::uint64_t>(prepared)));
}

std::int64_t NicDevice::erase(std::size_t map, std::span<const std::byte> key) {
  if (engine_updates(map)) {
    return static_cast<std::int64_t>(map_request(Service::MAP_DELETE, map, key, 0));
  }
  return alone(map, [&] { return map_erase(maps_->view(map), key.data()); });
}

std::int64_t NicDevice::push(std::size_t map, std::span<const std::byte> value, std::uint64_t flags) {
  constexpr std::uint64_t kFlagsTaken = 3;
  if (value.size() > kMaxKeyWords * 8) {
    return alone(map, [&] { return push_value(maps_->view(map), value.data(), flags); });
  }
  return flags > kFlagsTaken ? -EINVAL : static_cast<std::int64_t>(map_request(Service::MAP_PUSH, map, value, flags));
}

std::int64_t NicDevice::pop(std::size_t map, std::span<std::byte> value, bool keep) {
  if (maps_->spec(map).type == MapType::kBloomFilter && value.size() <= kMaxKeyWords * 8) {
    return static_cast<std::int64_t>(map_request(Service::MAP_POP, map, value, 1));
  }
  if (value.size() > stage_bytes_) {
    return alone(map, [&] {
      return keep ? peek_value(maps_->view(map), value.data()) : pop_value(maps_->view(map), value.data());
    });
  }
  const auto result = static_cast<std::int64_t>(map_request(Service::MAP_POP, map, {}, (address::kMap + stage_) | (keep ? 1 : 0)));
  driver_.read_memory(stage_, value);
  return result;
}

std::optional<std::uint32_t> NicDevice::ring_reserve(std::size_t map, std::uint64_t size) {
  const std::uint64_t record = map_request(Service::RING_RESERVE, map, {}, size);
  return record == 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(record) - address::kMap);
}

void NicDevice::fetch(std::uint32_t offset, std::uint32_t bytes) {
  constexpr std::uint32_t kByRequest = 8;  // what a core could load at once is loaded as a core would
  std::byte* arena = maps_->arena().data();
  if (bytes > kByRequest) {
    driver_.read_memory(offset, {arena + offset, bytes});
    return;
  }
  while (bytes != 0) {
    const std::uint32_t size = access(bytes);
    const std::uint64_t value =
        driver_.request({.service = Service::LOAD, .bytes = size, .addr = address::kMap + offset});
    std::memcpy(arena + offset, &value, size);
    offset += size;
    bytes -= size;
  }
}

void NicDevice::store(std::uint32_t offset, std::uint32_t bytes) {
  while (bytes != 0) {
    const std::uint32_t size = access(bytes);
    std::uint64_t value = 0;
    std::memcpy(&value, maps_->arena().data() + offset, size);
    driver_.request({.service = Service::STORE, .bytes = size, .addr = address::kMap + offset, .data = value});
    offset += size;
    bytes -= size;
  }
}

std::uint64_t NicDevice::atomic(std::int32_t operation, std::uint32_t offset, std::uint32_t bytes,
                                std::uint64_t operand, std::uint64_t compare) {
  return driver_.request({.service = Service::ATOMIC,
                          .bytes = bytes,
                          .addr = address::kMap + offset,
                          .imm = static_cast<std::uint32_t>(operation),
                          .data = operand,
                          .key = {compare}});
}

void NicDevice::alone_with(std::size_t map, const std::function<void()>& work) {
  const std::span<std::byte> bytes = maps_->bytes_of(map);
  const auto offset = static_cast<std::uint32_t>(bytes.data() - maps_->arena().data());
  driver_.hold(true);
  driver_.read_memory(offset, bytes);
  const std::vector<std::byte> before(bytes.begin(), bytes.end());
  work();
  driver_.write_changes(offset, before, bytes);
  driver_.hold(false);
}

std::uint32_t NicDevice::random() {
  return static_cast<std::uint32_t>(driver_.request({.service = Service::RANDOM}));
}

}  // namespace kiln::sim
