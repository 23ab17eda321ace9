// SPDX-License-Identifier: Apache-2.0
//
// Says why a program is refused, beyond the kernel's one line: the reason in plain words, where, the steps
// of the path that matter, and what would have made it safe.
//
// The rule that was broken is known by the words of the message (explain_rules.cc), so that the rules
// themselves need not know about explanations. What led there is found by following values along the
// failing path (explain_path.cc).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <kiln/verifier.h>

#include "state.h"
#include "structure.h"

namespace kiln::verifier {

/// One executed instruction of the failing path.
struct PathStep {
  u32 insn = 0;
  TraceEntry entry;
};

/// A refused program at the moment of its refusal. What it refers to must outlive it.
struct Failure {
  const Object& object;
  const Program& program;
  const Structure& structure;
  const State* state = nullptr;  ///< null: refused before any path was walked
  std::string_view message;
  u32 insn = 0;
};

/// Every step from the entry to the failing instruction.
std::vector<PathStep> failing_path(const State& state);

/// What the reader must look at: the value in a register before the failing instruction, or the result of
/// an instruction of the path.
struct Focus {
  std::optional<unsigned> reg;
  std::optional<u32> insn;
  std::string remark;  ///< with both: what `insn` did
};

/// Definitions of the focus and the branches that decided about it; C lines, instructions indented.
std::vector<std::string> causal_path(const Failure& failure, const Focus& focus);

/// The call that made R1 to R5 unreadable last, or after which packet pointers are gone; nullopt: none.
std::optional<u32> last_call(const Failure& failure, bool moves_packet);

/// The register has what a % gave, but for shifts.
bool is_remainder(const Failure& failure, unsigned reg);

/// "file.c:12: text" of a slot, if the object says.
std::optional<std::string> source_text(const Program& program, u32 insn);
/// "12: (61) r0 = *(u32 *)(r1 +4)".
std::string insn_text(const Program& program, u32 insn);

Explanation explain(const Failure& failure);

}  // namespace kiln::verifier
