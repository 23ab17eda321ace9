// SPDX-License-Identifier: Apache-2.0
#include <kiln/events.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace kiln {

std::string event_json(const Object& object, const Event& event, std::uint64_t packet) {
  static constexpr const char* kKinds[] = {"perf", "ring", "trace", "clone"};
  nlohmann::ordered_json json = {{"packet", packet}, {"kind", kKinds[static_cast<std::size_t>(event.kind)]}};
  if (event.map) {
    json["map"] = object.maps[*event.map].name;
  }
  if (event.kind == EventKind::kPerf) {
    json["index"] = event.index;
  }
  if (event.kind == EventKind::kCloned) {
    json["ifindex"] = event.index;
  }
  if (event.kind == EventKind::kTrace) {
    json["text"] = std::string(reinterpret_cast<const char*>(event.data.data()), event.data.size());
  } else {
    std::string hex;
    for (const std::byte byte : event.data) {
      hex += fmt::format("{:02x}", static_cast<unsigned>(byte));
    }
    json["data"] = hex;
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void listen_to_events(MapSet& maps) {
  for (std::size_t map = 0; map < maps.size(); ++map) {
    if (maps.spec(map).type != MapType::kPerfEventArray) {
      continue;
    }
    const std::uint32_t slots = std::min(maps.cpu_count(), maps.descriptor(map).max_entries);
    for (std::uint32_t index = 0; index < slots; ++index) {
      const auto key = std::as_bytes(std::span(&index, 1));
      const std::uint32_t listener = 1;
      if (!maps.user_lookup(map, key)) {
        maps.user_update(map, key, std::as_bytes(std::span(&listener, 1)), 0);
      }
    }
  }
}

bool kernel_tells(EventKind kind) { return kind == EventKind::kPerf || kind == EventKind::kRing; }

}  // namespace kiln
