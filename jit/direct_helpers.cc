// SPDX-License-Identifier: Apache-2.0
#include "direct_helpers.h"

#include <cstring>

namespace kiln {
namespace {

// helpers.def
constexpr std::uint32_t kLookup = 1, kUpdate = 2, kDelete = 3, kRedirectMap = 51;

MapView& view_of(std::uint64_t r1) { return *reinterpret_cast<MapView*>(r1); }  // NOLINT(performance-no-int-to-ptr)
std::byte* bytes_at(std::uint64_t address) { return reinterpret_cast<std::byte*>(address); }  // NOLINT(performance-no-int-to-ptr)

std::uint64_t lookup(std::uint64_t r1, std::uint64_t key, std::uint64_t, std::uint64_t, std::uint64_t, MachineState* machine) {
  const MapView& map = view_of(r1);
  std::uint64_t value = map_lookup(map, bytes_at(key));
  if (value == 0) {
    return 0;
  }
  if (map.descriptor->cpu_count > 1) {
    value += std::uint64_t{runtime(machine).cpu()} * map.descriptor->value_stride;
  }
  return reinterpret_cast<std::uintptr_t>(map.arena) + value;
}

std::uint64_t update(std::uint64_t r1, std::uint64_t key, std::uint64_t value, std::uint64_t flags, std::uint64_t, MachineState* machine) {
  return static_cast<std::uint64_t>(map_update(view_of(r1), bytes_at(key), bytes_at(value), flags, runtime(machine).cpu()));
}

std::uint64_t erase(std::uint64_t r1, std::uint64_t key, std::uint64_t, std::uint64_t, std::uint64_t, MachineState*) {
  return static_cast<std::uint64_t>(map_erase(view_of(r1), bytes_at(key)));
}

/// Of a map that is an array of slots, and flags that need no thought; helper_redirect_map() does the others.
std::uint64_t redirect(std::uint64_t r1, std::uint64_t key, std::uint64_t flags, std::uint64_t, std::uint64_t, MachineState* machine) {
  constexpr std::uint64_t kActionMask = 3;
  HelperRuntime& m = runtime(machine);
  const MapView& map = view_of(r1);
  const MapDescriptor& d = *map.descriptor;
  const auto number = static_cast<std::uint32_t>(&d - &m.maps.descriptor(0));
  if ((flags & ~kActionMask) != 0) [[unlikely]] {
    return helper_redirect_map(map_handle(number), key, flags, 0, 0, machine);
  }
  const auto index = static_cast<std::uint32_t>(key);
  const std::byte* slot = map.arena + d.entries + std::size_t{index} * d.entry_stride;
  std::uint32_t target = 0;
  if (index < d.max_entries) {
    std::memcpy(&target, slot, sizeof(target));
  }
  if (target == 0) {
    m.redirect.reset();
    return flags;
  }
  m.redirect = RedirectTarget{.map = static_cast<std::int32_t>(number), .key = index};
  return static_cast<std::uint64_t>(Verdict::kRedirect);
}

constexpr HelperFunction kForms[] = {nullptr, lookup, update, erase, redirect};  // by DirectForm

}  // namespace

DirectForm direct_form(std::uint32_t number, const MapDescriptor& map) {
  const auto type = static_cast<MapType>(map.type);
  if (number == kRedirectMap) {
    const bool slots = type == MapType::kDevmap || type == MapType::kCpumap || type == MapType::kXskmap;
    return slots ? DirectForm::kRedirectMap : DirectForm::kNone;
  }
  if ((!is_hash_kind(type) && !is_array(type)) || holds_maps(type)) {
    return DirectForm::kNone;
  }
  switch (number) {
    case kLookup: return DirectForm::kLookup;
    case kUpdate: return DirectForm::kUpdate;
    case kDelete: return DirectForm::kDelete;
    default: return DirectForm::kNone;
  }
}

HelperFunction direct_helper(DirectForm form) {
  KILN_CHECK(form != DirectForm::kNone);
  return kForms[static_cast<std::size_t>(form)];
}

}  // namespace kiln
