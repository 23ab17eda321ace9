// SPDX-License-Identifier: Apache-2.0
#include "map_print.h"

#include <fmt/format.h>

#include <kiln/btf_format.h>

namespace kiln::cli {

std::string hex_lines(std::span<const std::byte> bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* before = i == 0 ? "" : i % 16 == 0 ? "\n" : i % 8 == 0 ? "  " : " ";
    out += fmt::format("{}{:02x}", before, std::to_integer<unsigned>(bytes[i]));
  }
  return out;
}

void hex_array(JsonWriter& out, std::span<const std::byte> bytes) {
  out.begin_array();
  for (const std::byte byte : bytes) {
    out.string(fmt::format("0x{:02x}", std::to_integer<unsigned>(byte)));
  }
  out.end_array();
}

MapPrinter::MapPrinter(const MapFile& file, MapStyle style) : file_(file), style_(style) {
  if (auto parsed = Btf::parse(file.btf); !file.btf.empty() && parsed) {
    btf_ = std::move(parsed).value();
  }
}

bool MapPrinter::typed(std::size_t map) const {
  return btf_ && file_.maps.spec(map).btf_value_type != 0 && !is_keyless(file_.maps.spec(map).type);
}

std::string MapPrinter::describe(std::size_t map) const {
  const MapSpec& spec = file_.maps.spec(map);
  return fmt::format("{}: {}  name {}  flags {:#x}\n\tkey {}B  value {}B  max_entries {}{}\n", map, map_type_name(spec.type),
                     spec.name, spec.flags, spec.key_size, spec.value_size, spec.max_entries,
                     file_.maps.is_frozen(map) || spec.is_readonly ? "\n\tfrozen" : "");
}

void MapPrinter::describe(std::size_t map, JsonWriter& out) const {
  const MapSpec& spec = file_.maps.spec(map);
  const auto number = [&out](std::string_view name, std::uint64_t value) {
    out.name(name);
    out.raw(std::to_string(value));
  };
  out.begin_object();
  number("id", map);
  out.name("type");
  out.string(map_type_name(spec.type));
  out.name("name");
  out.string(spec.name);
  number("flags", spec.flags);
  number("bytes_key", spec.key_size);
  number("bytes_value", spec.value_size);
  number("max_entries", spec.max_entries);
  number("frozen", file_.maps.is_frozen(map) || spec.is_readonly ? 1 : 0);
  out.end_object();
}

/// "key: 01 00  value: 02" in one line if it is short.
std::string MapPrinter::plain(std::size_t map, Bytes key, Bytes value) const {
  const MapDescriptor& d = file_.maps.descriptor(map);
  std::string out;
  if (is_per_cpu(file_.maps.spec(map).type)) {
    out += key.empty() ? "" : fmt::format("key:\n{}\n", hex_lines(key));
    for (std::uint32_t cpu = 0; cpu < d.cpu_count; ++cpu) {
      out += fmt::format("value (CPU {:02}):{}{}\n", cpu, d.value_size > 16 ? '\n' : ' ',
                         hex_lines(value.subspan(std::size_t{cpu} * d.value_stride, d.value_size)));
    }
    return out;
  }
  const bool lines = key.size() > 16 || value.size() > 16;
  const bool one_line = key.size() + value.size() <= 24 && !lines;
  if (!key.empty()) {
    out += fmt::format("key:{}{}{}", lines ? '\n' : ' ', hex_lines(key), one_line ? "  " : "\n");
  }
  if (!value.empty()) {
    out += fmt::format("value:{}{}", lines ? '\n' : ' ', hex_lines(value));
  }
  return out + "\n";
}

/// The members "key" and "value", or "values", by type. `for_people`: as in plain output.
void MapPrinter::members(std::size_t map, Bytes key, Bytes value, bool for_people, JsonWriter& out) const {
  const MapSpec& spec = file_.maps.spec(map);
  const MapDescriptor& d = file_.maps.descriptor(map);
  const auto print = [&](std::uint32_t type, Bytes bytes) {
    if (type == 0) {
      hex_array(out, bytes);
    } else {
      format_btf(*btf_, type, bytes, for_people, out);
    }
  };
  out.name("key");
  // Global data has no type of key: it is an index.
  spec.btf_key_type == 0 && key.size() == 4 ? out.raw(fmt::format("{}", *reinterpret_cast<const std::uint32_t*>(key.data())))
                                            : print(spec.btf_key_type, key);
  if (!is_per_cpu(spec.type)) {
    out.name("value");
    print(spec.btf_value_type, value);
    return;
  }
  out.name("values");
  out.begin_array();
  for (std::uint32_t cpu = 0; cpu < d.cpu_count; ++cpu) {
    out.begin_object();
    out.name("cpu");
    out.raw(std::to_string(cpu));
    out.name("value");
    print(spec.btf_value_type, value.subspan(std::size_t{cpu} * d.value_stride, d.value_size));
    out.end_object();
  }
  out.end_array();
}

void MapPrinter::json(std::size_t map, Bytes key, Bytes value, JsonWriter& out) const {
  const MapDescriptor& d = file_.maps.descriptor(map);
  out.begin_object();
  if (!key.empty()) {
    out.name("key");
    hex_array(out, key);
  }
  if (is_per_cpu(file_.maps.spec(map).type)) {
    out.name("values");
    out.begin_array();
    for (std::uint32_t cpu = 0; cpu < d.cpu_count; ++cpu) {
      out.begin_object();
      out.name("cpu");
      out.raw(std::to_string(cpu));
      out.name("value");
      hex_array(out, value.subspan(std::size_t{cpu} * d.value_stride, d.value_size));
      out.end_object();
    }
    out.end_array();
  } else {
    out.name("value");
    hex_array(out, value);
  }
  if (typed(map)) {
    out.name("formatted");
    out.begin_object();
    members(map, key, value, false, out);
    out.end_object();
  }
  out.end_object();
}

std::string MapPrinter::element(std::size_t map, Bytes key, Bytes value) const {
  JsonWriter out(style_.json ? style_.pretty : true);
  if (style_.json) {
    json(map, key, value, out);
    return out.text() + "\n";
  }
  if (!typed(map)) {
    return plain(map, key, value);
  }
  out.begin_object();
  members(map, key, value, true, out);
  out.end_object();
  return out.text() + "\n";
}

std::string MapPrinter::dump(std::size_t map) const {
  JsonWriter out(style_.json ? style_.pretty : true);
  std::string text;
  std::size_t count = 0;
  out.begin_array();
  file_.maps.for_each(map, [&](Bytes key, Bytes value) {
    ++count;
    if (style_.json) {
      json(map, key, value, out);
    } else if (typed(map)) {
      out.begin_object();
      members(map, key, value, true, out);
      out.end_object();
    } else {
      text += plain(map, key, value);
    }
  });
  out.end_array();
  return style_.json || typed(map) ? out.text() + "\n"
                                   : text + fmt::format("Found {} element{}\n", count, count == 1 ? "" : "s");
}

}  // namespace kiln::cli
