// SPDX-License-Identifier: Apache-2.0
//
// kiln info: what an object holds, and for each engine whether it can run each XDP program.
#include <algorithm>
#include <iostream>
#include <memory>
#include <set>

#include <fmt/format.h>

#include <kiln/helpers.h>
#include <kiln/nic_engine.h>
#include <kiln/prepare.h>

#include "command.h"

namespace kiln::cli {
namespace {

struct EngineAnswer {
  std::string name;
  std::string reason;  ///< empty: it can
  std::vector<HandoverPoint> handovers;  ///< nic: where the host goes on
};

std::set<std::string> helpers_used(const Program& program) {
  std::set<std::string> names;
  for (const Insn& insn : program.insns) {
    const InsnInfo* info = find_insn(insn);
    if (info == nullptr || info->op != Op::CALL_HELPER) {
      continue;
    }
    const HelperInfo* helper = find_helper(static_cast<std::uint32_t>(insn.imm));
    names.insert(helper != nullptr ? std::string(helper->name) : fmt::format("helper#{}", insn.imm));
  }
  return names;
}

/// Where the NIC would hand over, each instruction once.
std::vector<HandoverPoint> points(const Prepared& prepared) {
  std::vector<HandoverPoint> once;
  auto maps = initial_maps(prepared, "", 1);
  if (!maps) {
    return once;
  }
  auto image = lower_for_nic(prepared.verified, prepared.entry, *maps);
  if (!image) {
    return once;
  }
  for (const HandoverPoint& point : image->handovers) {
    const bool known = std::any_of(once.begin(), once.end(), [&](const HandoverPoint& other) {
      return other.program == point.program && other.insn == point.insn;
    });
    if (!known) {
      once.push_back(point);
    }
  }
  return once;
}

std::vector<EngineAnswer> ask_engines(const std::string& path, const Program& program,
                                      const LoadOptions& load_options) {
  std::vector<EngineAnswer> answers;
  auto prepared = prepare(path, program.name, load_options);
  for (std::string_view name : engine_names()) {
    EngineAnswer answer{.name = std::string(name), .reason = "", .handovers = {}};
    if (!prepared) {
      answer.reason = prepared.error().message;
    } else if (auto engine = make_engine(name, {}); !engine) {
      answer.reason = engine.error().message;
    } else if (auto maps = initial_maps(**prepared, "", 1); !maps) {
      answer.reason = maps.error().message;
    } else if (auto loaded = (*engine)->load((*prepared)->verified, (*prepared)->entry,
                                             std::move(maps).value(), (*prepared)->environment);
               !loaded) {
      answer.reason = loaded.error().message;
    } else if (name == "nic") {
      answer.handovers = points(**prepared);
    }
    answers.push_back(std::move(answer));
  }
  return answers;
}

nlohmann::ordered_json program_json(const Program& program, const std::vector<EngineAnswer>& answers) {
  nlohmann::ordered_json json = {{"name", program.name},
                                 {"section", program.section},
                                 {"type", program_type_name(program.type)},
                                 {"insns", program.insns.size()},
                                 {"subprograms", program.subprograms.size()},
                                 {"source_lines", program.lines.size()},
                                 {"helpers", helpers_used(program)}};
  for (const EngineAnswer& answer : answers) {
    json["engines"][answer.name] =
        answer.reason.empty() ? nlohmann::ordered_json(true) : nlohmann::ordered_json(answer.reason);
    for (const HandoverPoint& point : answer.handovers) {
      json["handovers"].push_back({{"program", point.program}, {"insn", point.insn}, {"reason", point.reason}});
    }
  }
  return json;
}

nlohmann::ordered_json map_json(const MapSpec& map) {
  return {{"name", map.name},
          {"type", map_type_name(map.type)},
          {"key_size", map.key_size},
          {"value_size", map.value_size},
          {"max_entries", map.max_entries},
          {"flags", map.flags}};
}

void print_program(const Program& program, const std::vector<EngineAnswer>& answers) {
  std::string helpers;
  for (const std::string& name : helpers_used(program)) {
    helpers += (helpers.empty() ? "" : ", ") + name;
  }
  fmt::print("program {}  type {}  section {}  {} insns, {} functions{}\n", program.name,
             program_type_name(program.type), program.section, program.insns.size(),
             program.subprograms.size(), program.lines.empty() ? "" : ", with source lines");
  fmt::print("  helpers: {}\n", helpers.empty() ? "none" : helpers);
  for (const EngineAnswer& answer : answers) {
    fmt::print("  {:<8} {}\n", answer.name, answer.reason.empty() ? "yes" : "no: " + answer.reason);
    for (const HandoverPoint& point : answer.handovers) {
      fmt::print("           hands over to the host at {}\n", point.reason);
    }
  }
}

int info(const ObjectOptions& options) {
  const LoadOptions load_options = options.load();
  auto object = load_object_file(options.object, load_options);
  if (!object) {
    return fail(object.error());
  }
  if (!options.program.empty()) {
    if (auto one = select_program(*object, options.program); !one) {
      return fail(one.error());
    }
  }
  nlohmann::ordered_json json = {{"object", options.object},
                                 {"license", object->license},
                                 {"btf_bytes", object->btf.size()},
                                 {"programs", nlohmann::ordered_json::array()},
                                 {"maps", nlohmann::ordered_json::array()}};
  if (!options.json) {
    fmt::print("{}: licence '{}', {} bytes of BTF\n", options.object, object->license, object->btf.size());
  }
  for (const MapSpec& map : object->maps) {
    json["maps"].push_back(map_json(map));
    if (!options.json) {
      fmt::print("map {}  type {}  key {} B  value {} B  max_entries {}  flags {:#x}\n", map.name,
                 map_type_name(map.type), map.key_size, map.value_size, map.max_entries, map.flags);
    }
  }
  for (const Program& program : object->programs) {
    if (!options.program.empty() && program.name != options.program) {
      continue;
    }
    const auto answers = ask_engines(options.object, program, load_options);
    json["programs"].push_back(program_json(program, answers));
    if (!options.json) {
      print_program(program, answers);
    }
  }
  if (options.json) {
    std::cout << json.dump(2) << '\n';
  }
  return kDone;
}

}  // namespace

void add_info(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("info", "what an object holds and which engines can run it");
  auto options = std::make_shared<ObjectOptions>();
  auto helpers = std::make_shared<bool>(false);
  add_object_options(*verb, *options, false);
  verb->add_flag("--helpers", *helpers, "list all helpers instead: who may call them, which engines carry them");
  verb->callback([options, helpers, &status] {
    if (*helpers) {
      list_helpers(options->json);
      status = kDone;
    } else if (options->object.empty()) {
      status = fail(Error{Errc::kUsage, "info: name an object, or give --helpers"});
    } else {
      status = info(*options);
    }
  });
}

}  // namespace kiln::cli
