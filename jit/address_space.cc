// SPDX-License-Identifier: Apache-2.0
#include "address_space.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <kiln/device.h>

namespace kiln {
namespace {

constexpr std::uint32_t kReadOnlyForPrograms = 1u << 7;   // BPF_F_RDONLY_PROG
constexpr std::uint64_t kNullPage = 4096;
constexpr std::uint64_t kPieceStride = 1 << 20;  // tagged: pieces of the frame, behind the objects
constexpr std::uint64_t kNear = 4096;  // how far off an address may be and still mean a region
constexpr std::uint32_t kWriteOnlyForPrograms = 1u << 8;  // BPF_F_WRONLY_PROG

std::uint64_t host_address(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

/// Map types whose elements are not the program's to touch directly.
bool opaque(MapType type) {
  return type == MapType::kProgArray || type == MapType::kArrayOfMaps || type == MapType::kHashOfMaps ||
         type == MapType::kCpumap || type == MapType::kPerfEventArray;
}

}  // namespace

AddressSpace::AddressSpace(FrameMemory& frame, MapSet& maps, AddressSpaceKind kind)
    : frame_(&frame),
      maps_(&maps),
      tagged_(kind == AddressSpaceKind::kTagged),
      trusted_(kind == AddressSpaceKind::kHostTrusted),
      context_bytes_(frame.context_bytes),
      context_is_writable_(frame.kind == ContextKind::kSkb),
      stack_(tagged_ ? address::kStack : host_address(frame.stack)),
      arena_(tagged_ ? address::kMap : host_address(maps.arena().data())) {}

std::byte* AddressSpace::checked_elsewhere(std::uint64_t address, std::uint64_t size, Access access) {
  if ((access == Access::kRead || context_is_writable_) && inside(address, size, context(), context_bytes_)) {
    return reinterpret_cast<std::byte*>(frame_->context) + (address - context());
  }
  if (inside(address, size, objects_, object_memory_.size()) &&
      (access == Access::kRead || address - objects_ >= writable_objects_)) {
    return object_memory_.data() + (address - objects_);
  }
  if (frame_->rest != nullptr) {
    if (std::byte* piece = in_piece(address, size)) {
      return piece;
    }
  }
  const std::uint64_t offset = address - arena_;
  if (!inside(address, size, arena_, maps_->arena().size())) {
    return nullptr;
  }
  const std::optional<MapValue> value = map_value_at(offset, size, access);
  if (!value) {
    return nullptr;
  }
  if (maps_->device() == nullptr || !maps_->device()->holds(value->map)) {
    last_value_[access == Access::kWrite] = *value;
  } else {
    fetch(static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(size), access);
  }
  return maps_->arena().data() + offset;
}

std::uint64_t AddressSpace::piece(std::size_t number) const {
  return tagged_ ? address::kObject + (number + 1) * kPieceStride : host_address(frame_->rest->pieces[number].data());
}

std::byte* AddressSpace::in_piece(std::uint64_t address, std::uint64_t size) const {
  for (std::size_t number = 0; number < frame_->rest->pieces.size(); ++number) {
    std::vector<std::byte>& bytes = frame_->rest->pieces[number];
    if (inside(address, size, piece(number), bytes.size())) {
      return bytes.data() + (address - piece(number));
    }
  }
  return nullptr;
}

void AddressSpace::set_objects(std::span<std::byte> memory, std::size_t writable_from) {
  KILN_CHECK(memory.size() <= kPieceStride);
  object_memory_ = memory;
  writable_objects_ = writable_from;
  objects_ = tagged_ ? address::kObject : host_address(memory.data());
}

void AddressSpace::fetch(std::uint32_t offset, std::uint32_t size, Access access) {
  maps_->device()->fetch(offset, size);
  if (access == Access::kWrite) {
    const std::byte* at = maps_->arena().data() + offset;
    pending_.push_back({offset, {at, at + size}});
  }
}

void AddressSpace::write_back() {
  constexpr std::size_t kWhole = 8;  // a store of a program: one access, whatever it changes
  const std::byte* arena = maps_->arena().data();
  for (const Pending& written : pending_) {
    const std::size_t size = written.before.size();
    if (size <= kWhole) {
      maps_->device()->store(written.offset, static_cast<std::uint32_t>(size));
      continue;
    }
    for (std::size_t at = 0; at < size;) {
      const std::size_t step = std::min(kWhole, size - at);
      if (std::memcmp(arena + written.offset + at, written.before.data() + at, step) != 0) {
        maps_->device()->store(written.offset + static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(step));
      }
      at += step;
    }
  }
  pending_.clear();
}

std::optional<std::uint32_t> AddressSpace::in_device(std::uint64_t address) const {
  const std::uint64_t offset = address - arena_;
  if (maps_->device() == nullptr || !inside(address, 0, arena_, maps_->arena().size())) {
    return std::nullopt;
  }
  const std::optional<MapValue> value = map_value_at(offset, 1, Access::kRead);
  if (!value || !maps_->device()->holds(value->map)) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(offset);
}

std::uint64_t AddressSpace::atomic_in_device(std::int32_t operation, std::uint32_t offset, std::uint32_t bytes,
                                             std::uint64_t operand, std::uint64_t compare) {
  pending_.clear();
  return maps_->device()->atomic(operation, offset, bytes, operand, compare);
}

std::optional<AddressSpace::MapValue> AddressSpace::map_value_at(std::uint64_t offset, std::uint64_t size,
                                                                  Access access) const {
  const auto found = [&](std::size_t map, std::uint64_t start, std::uint64_t bytes) {
    return MapValue{.address = arena_ + start, .bytes = bytes, .at = maps_->arena().data() + start, .map = map};
  };
  for (std::size_t map = 0; map < maps_->size(); ++map) {
    const MapDescriptor& layout = maps_->descriptor(map);
    if (is_ring(maps_->spec(map).type)) {  // records lie in the ring and, where they go over its end, behind it
      const std::uint64_t bytes = 2 * (std::uint64_t{layout.bucket_mask} + 1);
      if (inside(offset, size, layout.entries, bytes)) {
        return found(map, layout.entries, bytes);
      }
      continue;
    }
    const std::uint64_t bytes = std::uint64_t{layout.entry_count} * layout.entry_stride;
    if (!inside(offset, size, layout.entries, bytes)) {
      continue;
    }
    const MapSpec& spec = maps_->spec(map);
    const bool writable = !spec.is_readonly && (spec.flags & kReadOnlyForPrograms) == 0;
    const bool readable = (spec.flags & kWriteOnlyForPrograms) == 0;
    if (opaque(spec.type) || !(access == Access::kWrite ? writable : readable)) {
      return std::nullopt;
    }
    const std::uint64_t in_entry = (offset - layout.entries) % layout.entry_stride;
    for (std::uint32_t cpu = 0; cpu < layout.cpu_count; ++cpu) {
      const std::uint64_t in_value = layout.value_offset + std::uint64_t{cpu} * layout.value_stride;
      if (inside(in_entry, size, in_value, layout.value_size)) {
        return found(map, offset - in_entry + in_value, layout.value_size);
      }
    }
    return std::nullopt;
  }
  return std::nullopt;
}

std::string AddressSpace::explain(std::uint64_t address, std::uint64_t size, Access access) const {
  const std::string what =
      fmt::format("{} of {} bytes at {:#x}: ", access == Access::kWrite ? "store" : "load", size, address);
  if (address < kNullPage) {
    return what + "in the null page";
  }
  if (access == Access::kWrite && !context_is_writable_ && inside(address, size, context(), context_bytes_)) {
    return what + "the context is read only";
  }
  const FramePosition& position = frame_->position;
  const struct {
    const char* name;
    std::uint64_t base, bytes;
  } regions[] = {{"context", context(), context_bytes_},
                 {"stack", stack_, address::kStackBytes},
                 {"packet", frame_->window_address + position.meta, position.end - position.meta}};
  // The region that was meant is the one that is nearest, if any is near.
  std::uint64_t nearest = kNear;
  std::string why = "in no region of memory";
  for (const auto& region : regions) {
    const std::uint64_t end = region.base + region.bytes;
    const std::uint64_t distance = address < region.base ? region.base - address : address > end ? address - end : 0;
    if (region.bytes != 0 && distance < nearest) {
      nearest = distance;
      why = fmt::format("outside the {} [{:#x}, {:#x})", region.name, region.base, end);
    }
  }
  if (!maps_->arena().empty() && inside(address, 0, arena_, maps_->arena().size())) {
    why = "not inside one map value that the program may access so";
  }
  return what + why;
}

}  // namespace kiln
