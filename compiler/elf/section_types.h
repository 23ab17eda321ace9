// SPDX-License-Identifier: Apache-2.0
//
// What a section's name says about the programs in it.
#pragma once

#include <string_view>

#include <kiln/program.h>

namespace kiln::elf {

struct SectionType {
  ProgramType type = ProgramType::kUnspec;  ///< kUnspec: no such name
  bool has_frags = false;
};

/// A leading '?' (libbpf: do not load by default) is passed over.
SectionType section_type(std::string_view name);

}  // namespace kiln::elf
