// SPDX-License-Identifier: Apache-2.0
//
// Test only: random programs judged by us and by the running kernel.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <map>
#include <string>

#include <kiln/program.h>

namespace kiln::verifier {

struct VerdictTotals {
  std::uint64_t programs = 0, insns = 0;
  std::uint64_t kernel_accepts = 0;
  std::uint64_t we_only = 0, kernel_only = 0;  ///< accepted by one of the two, for no known reason
  std::uint64_t kernel_defects = 0;  ///< accepted by one of the two, because of a defect in the kernel's verifier
  std::uint64_t same_processed = 0;  ///< of the programs that both accept
  std::uint64_t same_words = 0;      ///< of the programs that both refuse: the same reason
  std::map<std::string, std::uint64_t> reasons;  ///< why we refuse, numbers left out
  std::string error;                 ///< the kernel could not be asked

  std::uint64_t differ() const { return we_only + kernel_only; }
  std::uint64_t both_accept = 0, both_refuse = 0;
};

/// Programs of seeds [first, first + count). Each difference of verdicts goes to `out`, one line.
VerdictTotals compare_verdicts(std::uint64_t first, std::uint64_t count, std::ostream& out);

/// One sentence about the totals.
std::string summary(const VerdictTotals& totals);

/// A program over the maps of standard_object() with both logs at `log_level`.
std::string show_program(Program program, int log_level);

}  // namespace kiln::verifier
