// SPDX-License-Identifier: Apache-2.0
#include <kiln/pins.h>

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

namespace kiln {
namespace {

/// What is worth keeping of an object that pins everything: not its constants, and not what names its own parts.
bool can_be_pinned(const MapSpec& spec) {
  return !spec.is_global_data && spec.type != MapType::kProgArray && !holds_maps(spec.type);
}

}  // namespace

std::string Pins::path_of(const MapSet& maps, std::size_t map) const {
  return (std::filesystem::path(directory_) / maps.spec(map).name).string();
}

Result<Pins> Pins::open(const std::string& directory, MapSet& maps, bool all) {
  Pins pins;
  pins.directory_ = directory;
  for (std::size_t map = 0; map < maps.size(); ++map) {
    if (maps.spec(map).is_pinned || (all && can_be_pinned(maps.spec(map)))) {
      pins.maps_.push_back(map);
    }
  }
  if (pins.maps_.empty()) {
    return Error{Errc::kUsage, fmt::format("{}: the object pins no map (LIBBPF_PIN_BY_NAME); --pin-all pins all", directory)};
  }
  // One order for all processes, so that no two wait for each other.
  std::sort(pins.maps_.begin(), pins.maps_.end(),
            [&](std::size_t a, std::size_t b) { return maps.spec(a).name < maps.spec(b).name; });
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) {
    return Error{Errc::kInput, fmt::format("{}: {}", directory, failed.message())};
  }
  MapSet filled = maps;  // so that an error half-way changes nothing
  for (const std::size_t map : pins.maps_) {
    const std::string path = pins.path_of(maps, map);
    auto lock = FileLock::take(path);
    if (!lock) {
      return lock.error();
    }
    pins.locks_.push_back(std::move(lock).value());
    if (!std::filesystem::exists(path)) {
      continue;
    }
    auto file = load_map_file(path);
    if (!file) {
      return file.error();
    }
    if (file->maps.size() != 1) {
      return Error{Errc::kInput, fmt::format("{}: holds {} maps, so it is no pinned map", path, file->maps.size())};
    }
    if (auto copied = copy_map(file->maps, 0, filled, map); !copied) {
      return Error{Errc::kInput, fmt::format("{}: {}", path, copied.error().message)};
    }
  }
  std::copy(filled.arena().begin(), filled.arena().end(), maps.arena().begin());
  return pins;
}

Result<void> Pins::save(const MapSet& maps, std::span<const std::byte> btf) const {
  for (const std::size_t map : maps_) {
    auto one = single_map(maps, map);
    if (!one) {
      return one.error();
    }
    KILN_TRY(save_map_file(path_of(maps, map), *one, btf));
  }
  return {};
}

}  // namespace kiln
