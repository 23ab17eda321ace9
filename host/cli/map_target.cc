// SPDX-License-Identifier: Apache-2.0
#include "map_target.h"

#include <cstring>

#include <fmt/format.h>

namespace kiln::cli {
namespace {

/// `id N`, `name NAME` among the maps of one file.
Result<std::size_t> find(Words& words, const MapSet& maps) {
  if (words.accept("id")) {
    auto id = words.number("id");
    if (!id) {
      return id.error();
    }
    return *id < maps.size() ? Result<std::size_t>(*id) : usage(fmt::format("no map with id {}; there are {}", *id, maps.size()));
  }
  KILN_TRY(words.expect("name"));
  const std::string name = words.take();
  const auto map = maps.find(name);
  return map ? Result<std::size_t>(*map) : usage(fmt::format("no map '{}'", name));
}

/// One value's bytes, or the map that a map of maps is to hold.
Result<std::vector<std::byte>> value_bytes(Words& words, const OpenMap& open) {
  if (!words.accept("value")) {
    return usage("did not find value");
  }
  const std::string_view next = words.peek();
  if (!holds_maps(open.spec().type) || (next != "id" && next != "name")) {
    return words.bytes("value", open.spec().value_size);
  }
  auto inner = find(words, open.file.maps);
  if (!inner) {
    return inner.error();
  }
  const auto number = static_cast<std::uint32_t>(*inner + 1);
  std::vector<std::byte> bytes(sizeof number);
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

}  // namespace

Result<OpenMap> open_map(Words& words, const std::string& state, bool to_change) {
  OpenMap open;
  const bool pinned = words.accept("pinned");
  if (pinned && words.empty()) {
    return usage("pinned: expected a file");
  }
  if (!pinned && state.empty()) {
    return usage(words.empty() ? "expected a map: id N, name NAME or pinned FILE"
                                : fmt::format("'{}': maps are named by 'pinned FILE', or by id or name with --state FILE",
                                              words.peek()));
  }
  open.path = pinned ? words.take() : state;
  if (to_change) {
    auto lock = FileLock::take(open.path);
    if (!lock) {
      return lock.error();
    }
    open.lock.emplace(std::move(lock).value());
  }
  auto file = load_map_file(open.path);
  if (!file) {
    return file.error();
  }
  open.file = std::move(file).value();
  if (pinned) {
    if (open.file.maps.size() != 1) {
      return usage(fmt::format("{}: holds {} maps; use --state", open.path, open.file.maps.size()));
    }
    return open;
  }
  auto map = find(words, open.file.maps);
  if (!map) {
    return map.error();
  }
  open.map = *map;
  return open;
}

Result<std::vector<std::byte>> read_key(Words& words, const OpenMap& open, bool optional) {
  const std::uint32_t size = open.spec().key_size;
  if (!words.accept("key")) {
    return optional || size == 0 ? Result<std::vector<std::byte>>(std::vector<std::byte>()) : usage("did not find key");
  }
  return words.bytes("key", size);
}

Result<std::vector<std::byte>> read_value(Words& words, const OpenMap& open) {
  auto one = value_bytes(words, open);
  if (!one || !is_per_cpu(open.spec().type)) {
    return one;
  }
  const MapDescriptor& d = open.file.maps.descriptor(open.map);
  std::vector<std::byte> all(open.file.maps.user_value_size(open.map));
  for (std::uint32_t cpu = 0; cpu < d.cpu_count; ++cpu) {
    std::memcpy(all.data() + std::size_t{cpu} * d.value_stride, one->data(), one->size());
  }
  return all;
}

}  // namespace kiln::cli
