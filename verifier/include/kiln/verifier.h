// SPDX-License-Identifier: Apache-2.0
//
// Proves that a program is safe, the way Linux's verifier does, and keeps what it proved as Facts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kiln/facts.h>
#include <kiln/program.h>

namespace kiln {

struct VerifyOptions {
  int log_level = 0;                       ///< 0: only the reason; 1, 2: as the kernel's
  std::uint64_t insn_limit = 1'000'000;    ///< processed instructions (BPF_COMPLEXITY_LIMIT_INSNS)
  /// Unsound, as Linux 6.18 is here: that a number was fetched from the stack by an atomic is not followed back.
  /// For telling whether that alone is why Linux accepts a program.
  bool forget_atomic_fetches = false;
};

/// Why a program is refused, in words beyond the kernel's.
struct Explanation {
  std::string reason;                 ///< what is wrong, one or two sentences
  std::vector<std::string> at;        ///< the C line if known, then the instruction
  std::vector<std::string> path;      ///< what led there, oldest first: C lines, and instructions indented below
  std::string suggestion;             ///< what would have made it safe
  /// The four blocks, each with its heading.
  std::string text() const;
};

struct VerifyResult {
  bool accepted = false;
  std::string message;      ///< rejected: the kernel's words, one line, e.g. "R1 !read_ok"
  std::uint32_t insn = 0;   ///< rejected: slot it is about
  std::string log;          ///< by log_level, ends with "processed N insns (limit 1000000) ..."
  std::uint64_t processed = 0;
  std::uint64_t peak_states = 0, total_states = 0, max_states_per_insn = 0;
  std::uint64_t peak_bytes = 0;  ///< memory of states kept at one time, at most
  std::uint32_t stack_bytes = 0;  ///< sum over subprograms
  double time_us = 0;
  Facts facts;              ///< accepted only
  Explanation explanation;  ///< rejected only
};

/// REQUIRES: program is one of object.programs. Never fails: a program that can't be proven safe, for
/// whatever reason, is rejected.
VerifyResult verify(const Object& object, const Program& program, const VerifyOptions& options = {});

}  // namespace kiln
