// SPDX-License-Identifier: Apache-2.0
//
// The model's map services: the C++ maps' own operations. Meanings are those of core_services.def.
#include <array>
#include <cstring>

#include <fmt/format.h>

#include <kiln/core_isa.h>
#include <kiln/map_ops.h>

#include "core_model.h"

namespace kiln::cosim {

void CoreModel::map_service(const Insn& word) {
  const auto index = static_cast<std::size_t>(word.imm);
  if (index >= maps_.size()) {
    return fault("no such map");
  }
  const MapDescriptor& descriptor = maps_.descriptor(index);
  if (key_.size() != (descriptor.key_size + 7) / 8) {
    return fault(fmt::format("{} key words for a key of {} bytes", key_.size(), descriptor.key_size));
  }
  const MapView map{.arena = maps_.arena().data(), .descriptor = &descriptor};
  std::array<std::byte, 64> key{};
  std::memcpy(key.data(), key_.data(), key_.size() * 8);
  if (descriptor.key_size % 8 != 0 && key_.back() >> 8 * (descriptor.key_size % 8) != 0) {
    fault("a key that is not zero-padded");
  }
  key_.clear();
  const auto address_of = [](std::int64_t offset) {
    return static_cast<std::uint64_t>(offset <= 0 ? offset : offset + address::kMap);
  };
  switch (static_cast<Service>(word.off)) {
    case Service::MAP_LOOKUP:
      return write(word.dst, address_of(map_lookup(map, key.data())));
    case Service::MAP_PREPARE:
      if (options_.busy && !was_busy_) {
        was_busy_ = true;
        return write(word.dst, 0);
      }
      was_busy_ = false;
      return write(word.dst, address_of(map_prepare(map, key.data(), read(word.src))));
    case Service::MAP_COMMIT:
      return write(word.dst, static_cast<std::uint64_t>(map_commit(
                                 map, key.data(), static_cast<std::uint32_t>(read(word.src) - address::kMap))));
    default:
      return write(word.dst, static_cast<std::uint64_t>(map_erase(map, key.data())));
  }
}

/// Queues, stacks, Bloom filters: the value is the key, or lies where the data field says.
void CoreModel::keyless_service(const Insn& word) {
  const auto index = static_cast<std::size_t>(word.imm);
  if (index >= maps_.size() || !is_keyless(maps_.spec(index).type)) {
    return fault("no such map without keys");
  }
  const std::uint32_t bytes = maps_.descriptor(index).value_size;
  const std::uint64_t data = read(word.src);
  const bool push = static_cast<Service>(word.off) == Service::MAP_PUSH;
  const std::uint64_t flags = data & (push ? 3 : 1);
  std::byte* value = reinterpret_cast<std::byte*>(key_.data());
  if (key_.empty()) {
    value = at(data - flags, (bytes + 7) / 8 * 8);
    if (value == nullptr) {
      return;
    }
  } else if (key_.size() != (bytes + 7) / 8) {
    return fault(fmt::format("{} key words for a value of {} bytes", key_.size(), bytes));
  }
  const MapView map = maps_.view(index);
  const std::int64_t result = push ? push_value(map, value, flags) : flags != 0 ? peek_value(map, value) : pop_value(map, value);
  key_.clear();
  write(word.dst, static_cast<std::uint64_t>(result));
}

}  // namespace kiln::cosim
