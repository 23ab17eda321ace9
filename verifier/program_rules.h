// SPDX-License-Identifier: Apache-2.0
//
// What a program type may do: which context fields it may touch and how, whether it may read and
// write packet bytes, what it may return. Types that are not here yet are refused by name.
#pragma once

#include <optional>

#include <kiln/program.h>

#include "state.h"

namespace kiln::verifier {

struct ReturnRange {
  s64 min = 0;
  s64 max = 0;
};

struct ProgramRules {
  bool packet_read = false;
  bool packet_write = false;
  bool legacy_packet_loads = false;          ///< LD_ABS, LD_IND
  std::optional<ReturnRange> return_range;   ///< enforced on R0 at exit
};

/// nullopt: this type of program is not supported.
std::optional<ProgramRules> program_rules(const Program& program);

/// What a load from the context gives: a scalar or a packet pointer; nullopt: not allowed.
std::optional<RegType> context_load(const Program& program, s64 off, u32 bytes, bool sign_extends);
bool context_store(const Program& program, s64 off, u32 bytes);

}  // namespace kiln::verifier
