// SPDX-License-Identifier: Apache-2.0
//
// What a program type may do: whether it may read and write packet bytes, what it may return. Its
// context is in context_fields.h. Types that are not here yet are refused by name.
#pragma once

#include <optional>

#include <kiln/program.h>

#include "state.h"

namespace kiln::verifier {

struct ReturnRange {
  s64 min = 0;
  s64 max = 0;
  bool of_low_half = false;  ///< R0 is taken as 32 bits, signed
};

struct ProgramRules {
  AttachType attach = AttachType::kNone;     ///< where the section says that it is attached
  bool sleepable = false;
  bool packet_read = false;                  ///< helpers that can read packet bytes may be given some
  bool packet_write = false;
  bool packet_to_helpers = false;            ///< any helper may be given packet bytes
  bool legacy_packet_loads = false;          ///< LD_ABS, LD_IND
  std::optional<ReturnRange> return_range;   ///< enforced on R0 at exit
  bool watches_function = false;             ///< the context is a function's arguments (traced_function.h)
};

/// nullopt: this type of program is not supported.
std::optional<ProgramRules> program_rules(const Program& program);

}  // namespace kiln::verifier
