// SPDX-License-Identifier: Apache-2.0
//
// Objects for tests, made from assembly, and Facts that let the JIT leave out its checks.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <kiln/disasm.h>
#include <kiln/engine.h>

namespace kiln::conformance {

/// Appends a program; functions start where CALL_LOCAL and LD_CODE_ADDR lead.
inline void add_program(Object& object, std::string name, std::vector<Insn> insns) {
  Program& program = object.programs.emplace_back();
  program.name = std::move(name);
  program.section = "xdp";
  std::vector<std::uint32_t> starts = {0};
  for (std::uint32_t slot = 0; slot < insns.size(); ++slot) {
    const InsnInfo* info = find_insn(insns[slot]);
    if (info != nullptr && (info->op == Op::CALL_LOCAL || info->op == Op::LD_CODE_ADDR)) {
      starts.push_back(slot + 1 + static_cast<std::uint32_t>(insns[slot].imm));
    }
    slot += insns[slot].is_wide() ? 1 : 0;
  }
  std::sort(starts.begin(), starts.end());
  starts.erase(std::unique(starts.begin(), starts.end()), starts.end());
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const bool last = i + 1 == starts.size();
    program.subprograms.push_back({.name = "function" + std::to_string(i),
                                   .start = starts[i],
                                   .end = last ? static_cast<std::uint32_t>(insns.size()) : starts[i + 1]});
  }
  program.insns = std::move(insns);
}

/// Facts that promise nothing but that every instruction may be reached, and `depth` bytes of stack a function.
inline Facts trusting_facts(const Program& program, std::uint32_t depth = 64) {
  Facts facts;
  facts.insns.resize(program.insns.size());
  for (std::size_t slot = 0; slot < program.insns.size(); ++slot) {
    facts.insns[slot].reachable = true;
    facts.insns[slot].memory = static_cast<ValueKinds>(ValueKind::kPacket);
    slot += program.insns[slot].is_wide() ? 1 : 0;  // the second half is not reached
  }
  facts.stack_depth.assign(program.subprograms.size(), depth);
  facts.changes_packet = true;
  return facts;
}

inline VerifiedObject trusted(const Object& object) {
  VerifiedObject ready{.object = &object, .facts = {}};
  for (const Program& program : object.programs) {
    ready.facts.push_back(trusting_facts(program));
  }
  return ready;
}

inline VerifiedObject unverified(const Object& object) {
  return {.object = &object, .facts = std::vector<Facts>(object.programs.size())};
}

}  // namespace kiln::conformance
