// SPDX-License-Identifier: Apache-2.0
//
// Maps and their elements as bpftool prints them: plain, as JSON, and by BTF type.
#pragma once

#include <optional>

#include <kiln/btf.h>
#include <kiln/json_writer.h>
#include <kiln/map_file.h>

namespace kiln::cli {

struct MapStyle {
  bool json = false;
  bool pretty = false;
};

/// A key or value: what a person sees, sixteen bytes a line.
std::string hex_lines(std::span<const std::byte> bytes);
/// ["0x01","0x02"].
void hex_array(JsonWriter& out, std::span<const std::byte> bytes);

class MapPrinter {
 public:
  MapPrinter(const MapFile& file, MapStyle style);

  /// One line for a map, one for its sizes; or a JSON object.
  std::string describe(std::size_t map) const;
  void describe(std::size_t map, JsonWriter& out) const;
  /// All elements.
  std::string dump(std::size_t map) const;
  /// One element; without a key for queues and stacks.
  std::string element(std::size_t map, std::span<const std::byte> key, std::span<const std::byte> value) const;

 private:
  using Bytes = std::span<const std::byte>;
  bool typed(std::size_t map) const;
  std::string plain(std::size_t map, Bytes key, Bytes value) const;
  void json(std::size_t map, Bytes key, Bytes value, JsonWriter& out) const;
  void members(std::size_t map, Bytes key, Bytes value, bool for_people, JsonWriter& out) const;

  const MapFile& file_;
  std::optional<Btf> btf_;
  MapStyle style_;
};

}  // namespace kiln::cli
