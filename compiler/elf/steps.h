// SPDX-License-Identifier: Apache-2.0
//
// The steps of load_object(). Each adds to the LoadState; errors are kInput and start with the
// path.
#pragma once

#include "elf/load_state.h"

namespace kiln::elf {

/// .BTF with the section sizes and variable offsets that compilers leave to the loader, and
/// .BTF.ext.
Result<void> read_btf(LoadState& state);

/// Object::maps: legacy, BTF-defined, global data, .kconfig, then the templates of inner maps.
Result<void> collect_maps(LoadState& state);

/// LoadOptions::max_entries and globals. \errors kUsage
Result<void> apply_settings(LoadState& state);

/// Code sections and the functions in them.
Result<void> collect_code(LoadState& state);
/// "section 'xdp', instruction 3 (drop.c:12)": where an error in code is.
std::string place_of(const LoadState& state, const CodeSection& code, std::uint64_t slot);
/// The target's BTF, read when it is first needed.
Result<const Btf*> kernel_types(LoadState& state);
/// CO-RE relocations of all code sections.
Result<void> relocate_core(LoadState& state);
/// ELF relocations of all code sections.
Result<void> relocate_code(LoadState& state);
/// Object::programs: each entry function followed by what it calls.
Result<void> link_programs(LoadState& state);
/// Program::hook of struct_ops programs.
Result<void> find_hooks(LoadState& state);
/// MapSpec::slots from the relocations of .maps.
Result<void> fill_map_slots(LoadState& state);

}  // namespace kiln::elf
