// SPDX-License-Identifier: Apache-2.0
//
// What the steps of load_object() hand to each other, in the order in which they run (load.cc).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <kiln/btf.h>
#include <kiln/load.h>
#include <kiln/program.h>

#include "elf/btf_ext.h"
#include "elf/elf_file.h"

namespace kiln::elf {

/// Where a map of Object::maps lies in the file, for relocations that point at it.
struct MapPlace {
  std::uint32_t section = 0;  ///< 0: nowhere (inner templates, .kconfig)
  std::uint64_t offset = 0;   ///< of the variable that declares it; 0 for global data
  std::uint64_t size = 0;
  std::optional<std::uint64_t> values;  ///< offset in the variable of its initialisers (`values`)
};

/// A function of a code section: slots start..start+count.
struct Function {
  std::string_view name;
  std::uint32_t start = 0;
  std::uint32_t count = 0;
  bool is_global = false;
  bool is_program = false;  ///< an entry point, else only called
  std::uint32_t btf_func = 0;
};

/// The function that an instruction names: a call or an address taken.
struct CodeTarget {
  std::uint32_t section = 0;
  std::uint32_t function = 0;  ///< index into CodeSection::functions
};

struct CodeSection {
  const Section* section = nullptr;
  std::vector<Insn> insns;
  std::vector<Function> functions;              ///< sorted by start
  std::map<std::uint32_t, CodeTarget> targets;  ///< by slot, after relocation
  const BtfExtSection* ext = nullptr;           ///< nullptr: no BTF.ext for it
};

/// A variable that the object expects from outside (.kconfig, .ksyms).
struct Extern {
  bool is_kconfig = false;
  bool is_function = false;
  std::uint32_t kconfig_offset = 0;  ///< of its value in the .kconfig map
  bool is_set = false;               ///< the running kernel has the setting
};

struct LoadState {
  const ElfFile& elf;
  const LoadOptions& options;
  Object object;
  std::optional<Btf> btf;
  BtfExt btf_ext;
  std::vector<MapPlace> places;              ///< parallel to object.maps
  std::optional<std::uint32_t> kconfig_map;  ///< index into object.maps
  std::map<std::string_view, Extern> externs;
  std::map<std::uint32_t, CodeSection> code;  ///< by section index
};

}  // namespace kiln::elf
