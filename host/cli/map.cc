// SPDX-License-Identifier: Apache-2.0
//
// kiln map: bpftool's syntax on maps in files: the state that `kiln run --save-state` wrote, or pinned maps.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>

#include <fmt/format.h>

#include "command.h"
#include "map_print.h"
#include "map_target.h"

namespace kiln::cli {
namespace {

constexpr const char* kSyntax =
    "kiln map { show | list } [MAP]\n"
    "kiln map create FILE type TYPE key KEY_SIZE value VALUE_SIZE entries MAX_ENTRIES name NAME [flags FLAGS]\n"
    "kiln map dump MAP\n"
    "kiln map update MAP [key DATA] [value VALUE] [any | exist | noexist]\n"
    "kiln map lookup MAP [key DATA]\n"
    "kiln map getnext MAP [key DATA]\n"
    "kiln map delete MAP key DATA\n"
    "kiln map pin MAP FILE\n"
    "kiln map { peek | pop | dequeue } MAP\n"
    "kiln map { push | enqueue } MAP value VALUE\n"
    "kiln map freeze MAP\n\n"
    "MAP := { id N | name NAME | pinned FILE }; id and name need --state FILE, which `kiln run --save-state` writes\n"
    "DATA := { [hex] BYTES }, VALUE := { DATA | id N | name NAME }";

struct MapOptions {
  std::vector<std::string> words;
  std::string state;
  MapStyle style;
};

class MapCommand {
 public:
  explicit MapCommand(const MapOptions& options) : options_(options), words_(options.words) {}
  Result<int> run();

 private:
  Result<OpenMap> open(bool to_change) { return open_map(words_, options_.state, to_change); }
  /// open(), and the key that follows. \param optional  without one it stays empty.
  Result<OpenMap> open_at(std::vector<std::byte>& key, bool to_change, bool optional);
  Result<int> refused(std::string_view what, std::int64_t result) const;
  Result<int> changed(const OpenMap& open) const;
  void print(const std::string& text) const { fmt::print("{}", text); }

  Result<int> show();
  Result<int> create();
  Result<int> dump();
  Result<int> update();
  Result<int> lookup();
  Result<int> getnext();
  Result<int> erase();
  Result<int> pin();
  Result<int> pop();
  Result<int> push();
  Result<int> freeze();

  const MapOptions& options_;
  Words words_;
};

/// The map says no: exit status 1, as of a program that is rejected.
Result<int> MapCommand::refused(std::string_view what, std::int64_t result) const {
  const int error = static_cast<int>(-result);
  return Error{Errc::kRejected,
               fmt::format("{}: {}", what, error == 524 ? "Operation not supported" : std::strerror(error))};
}

Result<int> MapCommand::changed(const OpenMap& open) const {
  KILN_TRY(open.save());
  if (options_.style.json) {
    fmt::print("null\n");
  }
  return kDone;
}

Result<int> MapCommand::show() {
  JsonWriter out(options_.style.pretty);
  if (words_.empty()) {
    if (options_.state.empty()) {
      return usage("show needs a map, or --state FILE");
    }
    auto file = load_map_file(options_.state);
    if (!file) {
      return file.error();
    }
    const MapPrinter printer(*file, options_.style);
    out.begin_array();
    for (std::size_t map = 0; map < file->maps.size(); ++map) {
      options_.style.json ? printer.describe(map, out) : print(printer.describe(map));
    }
    out.end_array();
    print(options_.style.json ? out.text() + "\n" : "");
    return kDone;
  }
  auto open = this->open(false);
  if (!open) {
    return open.error();
  }
  KILN_TRY(words_.end());
  const MapPrinter printer(open->file, options_.style);
  if (options_.style.json) {
    printer.describe(open->map, out);
    print(out.text() + "\n");
  } else {
    print(printer.describe(open->map));
  }
  return kDone;
}

Result<OpenMap> MapCommand::open_at(std::vector<std::byte>& key, bool to_change, bool optional) {
  auto open = this->open(to_change);
  if (!open) {
    return open;
  }
  auto given = read_key(words_, *open, optional);
  if (!given) {
    return given.error();
  }
  key = std::move(*given);
  return open;
}

Result<int> MapCommand::create() {
  const std::string path = words_.take();
  if (path.empty()) {
    return usage("create: expected a file");
  }
  MapSpec spec;
  bool has_type = false;
  while (!words_.empty()) {
    std::uint32_t* number = nullptr;
    if (words_.accept("type")) {
      const std::string name = words_.take();
      for (std::uint32_t i = 1; map_type_from_number(i); ++i) {
        if (map_type_name(static_cast<MapType>(i)) == name) {
          spec.type = static_cast<MapType>(i);
          has_type = true;
        }
      }
      if (!has_type) {
        return usage(fmt::format("unrecognized map type: {}", name));
      }
      continue;
    }
    if (words_.accept("name")) {
      spec.name = words_.take();
      continue;
    }
    const std::string word(words_.peek());
    number = words_.accept("key")       ? &spec.key_size
             : words_.accept("value")   ? &spec.value_size
             : words_.accept("entries") ? &spec.max_entries
             : words_.accept("flags")   ? &spec.flags
                                        : nullptr;
    if (number == nullptr) {
      return usage(fmt::format("unknown arg {}", word));
    }
    auto given = words_.number(word);
    if (!given) {
      return given.error();
    }
    *number = *given;
  }
  if (!has_type || spec.name.empty()) {
    return usage(has_type ? "map name not specified" : "map type not specified");
  }
  if (std::filesystem::exists(path)) {
    return Error{Errc::kInput, fmt::format("{}: {}", path, std::strerror(EEXIST))};
  }
  auto maps = MapSet::create(std::span(&spec, 1), Environment{}.cpu_count);
  if (!maps) {
    return maps.error();
  }
  OpenMap created;
  created.path = path;
  created.file.maps = std::move(maps).value();
  return changed(created);
}

Result<int> MapCommand::dump() {
  auto open = this->open(false);
  if (!open) {
    return open.error();
  }
  KILN_TRY(words_.end());
  if (open->spec().type == MapType::kBloomFilter) {
    return Error{Errc::kRejected, fmt::format("map '{}': a Bloom filter does not know its elements", open->spec().name)};
  }
  print(MapPrinter(open->file, options_.style).dump(open->map));
  return kDone;
}

Result<int> MapCommand::update() {
  std::vector<std::byte> key;
  auto open = open_at(key, true, false);
  if (!open) {
    return open.error();
  }
  auto value = read_value(words_, *open);
  if (!value) {
    return value.error();
  }
  const std::uint64_t flags = words_.accept("any") ? kAny : words_.accept("noexist") ? kNoExist : words_.accept("exist") ? kExist : kAny;
  KILN_TRY(words_.end());
  const std::int64_t result = open->maps().user_update(open->map, key, *value, flags);
  return result == 0 ? changed(*open) : refused("update failed", result);
}

Result<int> MapCommand::lookup() {
  std::vector<std::byte> key;
  auto open = open_at(key, false, false);
  if (!open) {
    return open.error();
  }
  KILN_TRY(words_.end());
  std::vector<std::byte> value(open->maps().user_value_size(open->map));
  const std::int64_t result = open->maps().user_read(open->map, key, value, 0);
  if (result == -ENOENT) {
    if (options_.style.json) {
      print("null\n");
    } else {
      print(fmt::format("key:\n{}\n\nNot found\n", hex_lines(key)));
    }
    return kDiffers;
  }
  if (result != 0) {
    return refused("lookup failed", result);
  }
  print(MapPrinter(open->file, options_.style).element(open->map, key, value));
  return kDone;
}

Result<int> MapCommand::getnext() {
  std::vector<std::byte> key;
  auto open = open_at(key, false, true);
  if (!open) {
    return open.error();
  }
  KILN_TRY(words_.end());
  std::vector<std::byte> next(open->spec().key_size);
  if (const std::int64_t result = open->maps().user_next_key(open->map, key, next); result != 0) {
    return refused("can't get next key", result);
  }
  if (!options_.style.json) {
    print(key.empty() ? "key: None\n" : fmt::format("key:\n{}\n", hex_lines(key)));
    print(fmt::format("next key:\n{}\n", hex_lines(next)));
    return kDone;
  }
  JsonWriter out(options_.style.pretty);
  out.begin_object();
  out.name("key");
  key.empty() ? out.raw("null") : hex_array(out, key);
  out.name("next_key");
  hex_array(out, next);
  out.end_object();
  print(out.text() + "\n");
  return kDone;
}

Result<int> MapCommand::erase() {
  std::vector<std::byte> key;
  auto open = open_at(key, true, false);
  if (!open) {
    return open.error();
  }
  KILN_TRY(words_.end());
  const std::int64_t result = open->maps().user_erase(open->map, key);
  return result == 0 ? changed(*open) : refused("delete failed", result);
}

Result<int> MapCommand::pin() {
  auto open = this->open(false);
  if (!open) {
    return open.error();
  }
  const std::string path = words_.take();
  if (path.empty()) {
    return usage("pin: expected a file");
  }
  KILN_TRY(words_.end());
  if (std::filesystem::exists(path)) {
    return Error{Errc::kInput, fmt::format("{}: {}", path, std::strerror(EEXIST))};
  }
  auto one = single_map(open->file.maps, open->map);
  if (!one) {
    return one.error();
  }
  OpenMap pinned;
  pinned.path = path;
  pinned.file = {std::move(one).value(), open->file.btf};
  return changed(pinned);
}

Result<int> MapCommand::pop() {
  auto open = this->open(true);
  if (!open) {
    return open.error();
  }
  KILN_TRY(words_.end());
  if (!is_queue_or_stack(open->spec().type)) {
    return refused("pop failed", -EINVAL);
  }
  std::vector<std::byte> value(open->spec().value_size);
  const std::int64_t result = open->maps().user_read_and_erase(open->map, {}, value, 0);
  if (result != 0) {
    return result == -ENOENT ? Error{Errc::kRejected, "empty map"} : refused("pop failed", result);
  }
  KILN_TRY(open->save());
  print(MapPrinter(open->file, options_.style).element(open->map, {}, value));
  return kDone;
}

Result<int> MapCommand::push() {
  auto open = this->open(true);
  if (!open) {
    return open.error();
  }
  auto value = read_value(words_, *open);
  if (!value) {
    return value.error();
  }
  KILN_TRY(words_.end());
  const std::int64_t result =
      is_keyless(open->spec().type) ? open->maps().user_update(open->map, {}, *value, kAny) : -EINVAL;
  return result == 0 ? changed(*open) : refused("update failed", result);
}

Result<int> MapCommand::freeze() {
  auto open = this->open(true);
  if (!open) {
    return open.error();
  }
  KILN_TRY(words_.end());
  const std::int64_t result = open->maps().freeze(open->map);
  return result == 0 ? changed(*open) : refused("failed to freeze map", result);
}

Result<int> MapCommand::run() {
  static const std::vector<std::pair<std::string_view, Result<int> (MapCommand::*)()>> kVerbs = {
      {"show", &MapCommand::show},       {"list", &MapCommand::show},       {"create", &MapCommand::create},
      {"dump", &MapCommand::dump},       {"update", &MapCommand::update},   {"lookup", &MapCommand::lookup},
      {"getnext", &MapCommand::getnext}, {"delete", &MapCommand::erase},    {"pin", &MapCommand::pin},
      {"peek", &MapCommand::lookup},       {"push", &MapCommand::push},       {"enqueue", &MapCommand::push},
      {"pop", &MapCommand::pop},         {"dequeue", &MapCommand::pop},     {"freeze", &MapCommand::freeze}};
  if (words_.empty() || words_.accept("help")) {
    print(std::string(kSyntax) + "\n");
    return kDone;
  }
  for (const auto& [verb, function] : kVerbs) {
    if (words_.accept(verb)) {
      return (this->*function)();
    }
  }
  return usage(fmt::format("map: no command '{}'; see kiln map help", words_.peek()));
}

}  // namespace

void add_map(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("map", "look at and change maps in files, in bpftool's syntax");
  auto options = std::make_shared<MapOptions>();
  verb->add_option("WORDS", options->words, "show, dump, lookup, update, ... and their arguments; see kiln map help");
  verb->add_option("--state", options->state, "file that kiln run --save-state wrote");
  verb->add_flag("-j,--json", options->style.json, "JSON on standard output");
  verb->add_flag_callback("-p,--pretty", [options] { options->style.json = options->style.pretty = true; },
                          "JSON in lines");
  verb->footer(kSyntax);
  verb->callback([options, &status] {
    auto result = MapCommand(*options).run();
    status = result ? *result : fail(result.error());
  });
}

}  // namespace kiln::cli
