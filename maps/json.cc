// SPDX-License-Identifier: Apache-2.0
//
// Map contents as JSON, in the shape of `bpftool map dump -j`, one member per map name.
//
//   {"flows": [{"key": ["0x01", ...], "value": ["0x02", ...]}],
//    "hits":  [{"key": [...], "values": [{"cpu": 0, "value": [...]}, ...]}]}
//
// Reading also takes numbers 0..255 for bytes, passes over "formatted" and other members, and over
// elements whose value bpftool could not read ({"error": ...}).
#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include <kiln/map_set.h>

#include "bytes.h"

namespace kiln {
namespace {

using Json = nlohmann::json;
using Bytes = std::span<const std::byte>;

void put_bytes(std::string& out, Bytes bytes) {
  out += '[';
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    fmt::format_to(std::back_inserter(out), "{}\"0x{:02x}\"", i == 0 ? "" : ",",
                   std::to_integer<unsigned>(bytes[i]));
  }
  out += ']';
}

void put_element(std::string& out, const MapDescriptor& d, bool per_cpu, Bytes key, Bytes value) {
  out += "{\"key\":";
  put_bytes(out, key);
  if (!per_cpu) {
    out += ",\"value\":";
    put_bytes(out, value);
    out += '}';
    return;
  }
  out += ",\"values\":[";
  for (std::uint32_t cpu = 0; cpu < d.cpu_count; ++cpu) {
    fmt::format_to(std::back_inserter(out), "{}{{\"cpu\":{},\"value\":", cpu == 0 ? "" : ",", cpu);
    put_bytes(out, value.subspan(std::size_t{cpu} * d.value_stride, d.value_size));
    out += '}';
  }
  out += "]}";
}

/// One element being read: the map, and words for messages.
struct Place {
  MapSet& maps;
  std::size_t map;
  std::size_t element;

  Error error(std::string_view what) const {
    return Error{Errc::kInput,
                 fmt::format("map '{}', element {}: {}", maps.spec(map).name, element, what)};
  }
};

/// "0x1f" or 31. Nothing else.
std::optional<std::byte> to_byte(const Json& json) {
  std::uint64_t number = 256;
  if (json.is_number_unsigned()) {
    number = json.get<std::uint64_t>();
  } else if (json.is_string()) {
    const auto& text = json.get_ref<const std::string&>();
    if (text.size() >= 3 && text.size() <= 4 && text.compare(0, 2, "0x") == 0) {
      const char* end = text.data() + text.size();
      const auto [stop, failed] = std::from_chars(text.data() + 2, end, number, 16);
      number = failed == std::errc{} && stop == end ? number : 256;
    }
  }
  return number < 256 ? std::optional(std::byte(number)) : std::nullopt;
}

Result<std::vector<std::byte>> to_bytes(const Place& place, const Json& json, std::string_view what,
                                        std::size_t size) {
  if (!json.is_array()) {
    return place.error(fmt::format("its {} is not an array of bytes", what));
  }
  if (json.size() != size) {
    return place.error(fmt::format("its {} has {} bytes, not {}", what, json.size(), size));
  }
  std::vector<std::byte> bytes;
  bytes.reserve(size);
  for (const Json& item : json) {
    const auto byte = to_byte(item);
    if (!byte) {
      return place.error(fmt::format(
          "byte {} of its {} is neither \"0x00\" to \"0xff\" nor 0 to 255", bytes.size(), what));
    }
    bytes.push_back(*byte);
  }
  return bytes;
}

/// The "values" of a per-CPU element. Processors that are not named have zeros; a value for one
/// that is not there must be zero, or would be lost.
Result<std::vector<std::byte>> to_cpu_values(const Place& place, const Json& json) {
  const MapDescriptor& d = place.maps.descriptor(place.map);
  if (!json.is_array()) {
    return place.error("its values are not an array with one member a processor");
  }
  std::vector<std::byte> values(place.maps.user_value_size(place.map));
  for (const Json& item : json) {
    if (!item.is_object() || !item.contains("cpu") || !item["cpu"].is_number_unsigned() ||
        !item.contains("value")) {
      return place.error("one of its values has no \"cpu\" and \"value\"");
    }
    auto bytes = to_bytes(place, item["value"], "value", d.value_size);
    if (!bytes) {
      return bytes.error();
    }
    const auto cpu = item["cpu"].get<std::uint64_t>();
    if (cpu < d.cpu_count) {
      std::memcpy(values.data() + cpu * d.value_stride, bytes->data(), bytes->size());
    } else if (*bytes != std::vector<std::byte>(d.value_size)) {
      return place.error(
          fmt::format("a value for processor {}, but there are {}", cpu, d.cpu_count));
    }
  }
  return values;
}

std::string_view reason(std::int64_t result) {
  switch (-result) {
    case E2BIG:
      return "no room for it, or an index beyond the last element";
    case ENOSPC:
      return "no room for it";
    case EPERM:
      return "this map is read-only and holds another value";
    case EINVAL:
      return "a key or value that this type of map does not take";
    case EBADF:
      return "it names no program or map of this object";
    default:
      return "the map refuses it";
  }
}

Result<void> load_element(const Place& place, const Json& json) {
  const MapSpec& spec = place.maps.spec(place.map);
  if (!json.is_object() || !json.contains("key")) {
    return place.error("it is not an object with a \"key\"");
  }
  const bool per_cpu = is_per_cpu(spec.type);
  const char* member = per_cpu ? "values" : "value";
  if (json.contains("value") && json["value"].is_object() && json["value"].contains("error")) {
    return {};  // an empty slot
  }
  if (!json.contains(member)) {
    return place.error(fmt::format("it has no \"{}\"", member));
  }
  auto key = to_bytes(place, json["key"], "key", spec.key_size);
  if (!key) {
    return key.error();
  }
  auto value = per_cpu ? to_cpu_values(place, json[member])
                       : to_bytes(place, json[member], "value", spec.value_size);
  if (!value) {
    return value.error();
  }
  if (spec.is_readonly && place.maps.user_lookup(place.map, *key) == *value) {
    return {};
  }
  const std::int64_t result = place.maps.user_update(place.map, *key, *value, kAny);
  return result == 0 ? Result<void>() : place.error(reason(result));
}

Result<void> load_map(MapSet& maps, const std::string& name, const Json& elements) {
  const auto map = maps.find(name);
  if (!map) {
    return Error{Errc::kInput, fmt::format("map '{}': the object has no such map", name)};
  }
  if (!elements.is_array()) {
    return Error{Errc::kInput, fmt::format("map '{}': not an array of elements", name)};
  }
  if (!maps.spec(*map).is_readonly && is_hash_kind(maps.spec(*map).type)) {
    maps.clear(*map);
  }
  Place place{maps, *map, 0};
  for (const Json& element : elements) {
    KILN_TRY(load_element(place, element));
    ++place.element;
  }
  return {};
}

}  // namespace

std::string dump_maps_json(const MapSet& maps) {
  std::string out = "{";
  for (std::size_t map = 0; map < maps.size(); ++map) {
    const MapSpec& spec = maps.spec(map);
    out += map == 0 ? "" : ",";
    out += Json(spec.name).dump(-1, ' ', false, Json::error_handler_t::replace);
    out += ":[";
    bool first = true;
    maps.for_each(map, [&](Bytes key, Bytes value) {
      out += first ? "" : ",";
      first = false;
      put_element(out, maps.descriptor(map), is_per_cpu(spec.type), key, value);
    });
    out += ']';
  }
  out += '}';
  return out;
}

Result<void> load_maps_json(MapSet& maps, std::string_view json) {
  const Json parsed = Json::parse(json, nullptr, false);
  if (parsed.is_discarded()) {
    return Error{Errc::kInput, "the map state is not JSON"};
  }
  if (!parsed.is_object()) {
    return Error{Errc::kInput, "the map state is not a JSON object with one member a map"};
  }
  MapSet changed = maps;  // so that an error half-way changes nothing
  for (const auto& [name, elements] : parsed.items()) {
    KILN_TRY(load_map(changed, name, elements));
  }
  std::memcpy(maps.arena().data(), changed.arena().data(), maps.arena().size());
  return {};
}

}  // namespace kiln
