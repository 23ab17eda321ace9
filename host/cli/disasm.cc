// SPDX-License-Identifier: Apache-2.0
//
// kiln disasm: BPF with source lines, machine code, or the NIC's native code.
#include <iostream>
#include <memory>

#include <fmt/format.h>

#include <kiln/core_image.h>
#include <kiln/cpu_engines.h>
#include <kiln/disasm.h>
#include <kiln/nic_engine.h>
#include <kiln/prepare.h>

#include "command.h"

namespace kiln::cli {
namespace {

struct DisasmOptions {
  ObjectOptions object;
  JitSettings jit_settings;
  bool ir = false, jit = false, core = false;
};

Result<std::string> text_of(const DisasmOptions& options) {
  const LoadOptions load_options = options.object.load();
  if (!options.jit && !options.core && !options.ir) {
    auto object = load_object_file(options.object.object, load_options);
    if (!object) {
      return object.error();
    }
    auto index = select_program(*object, options.object.program);
    if (!index) {
      return index.error();
    }
    return disassemble(object->programs[*index], *object);
  }
  auto prepared = prepare(options.object.object, options.object.program, load_options);
  if (!prepared) {
    return prepared.error();
  }
  auto maps = initial_maps(**prepared, "", 1);
  if (!maps) {
    return maps.error();
  }
  if (options.jit) {
    return disassemble_jit((*prepared)->verified, (*prepared)->entry, std::move(*maps), options.jit_settings);
  }
  if (options.ir) {
    return disassemble_ir((*prepared)->verified, (*prepared)->entry, std::move(*maps), options.jit_settings);
  }
  auto image = lower_for_nic((*prepared)->verified, (*prepared)->entry, *maps);
  if (!image) {
    return image.error();
  }
  return disassemble_core(*image, (*prepared)->object);
}

int disasm(const DisasmOptions& options) {
  auto text = text_of(options);
  if (!text) {
    return fail(text.error());
  }
  if (options.object.json) {
    std::cout << nlohmann::ordered_json{{"object", options.object.object}, {"text", *text}}.dump(2) << '\n';
  } else {
    std::cout << *text;
  }
  return kDone;
}

}  // namespace

void add_disasm(CLI::App& app, int& status) {
  auto* verb = app.add_subcommand("disasm", "a program as text");
  auto options = std::make_shared<DisasmOptions>();
  add_object_options(*verb, options->object);
  auto* ir = verb->add_flag("--ir", options->ir, "optimised intermediate form");
  auto* jit = verb->add_flag("--jit", options->jit, "machine code of the JIT")->excludes(ir);
  verb->add_flag("--core", options->core, "native code of the NIC's core")->excludes(ir)->excludes(jit);
  verb->add_flag("--harden", options->jit_settings.harden, "with constants hidden in the code");
  verb->add_option("--processor", options->jit_settings.processor, "whose machine code: x86-64 or aarch64 (default: this machine's)")->needs(jit);
  verb->add_option("--passes", options->jit_settings.passes, "of the optimiser: a,b or -a,-b, all, none");
  verb->callback([options, &status] { status = disasm(*options); });
}

}  // namespace kiln::cli
