// SPDX-License-Identifier: Apache-2.0
//
// usage: soundness_run [--count N] [--seed FIRST]
//
// Generates random programs until N of them have been accepted and run, each on random frames in the checking
// interpreter: no access may leave its region, no register value its fact. Exit status: 0 all hold, 1 not,
// 2 usage.
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "facts_check.h"

int main(int argc, char** argv) {
  std::uint64_t count = 1'000'000, seed = 1, failures = 0;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view option = argv[i];
    if (i + 1 == argc || (option != "--count" && option != "--seed")) {
      std::cerr << "usage: soundness_run [--count N] [--seed FIRST]\n";
      return 2;
    }
    (option == "--count" ? count : seed) = std::strtoull(argv[i + 1], nullptr, 10);
  }
  const std::uint64_t first = seed;
  kiln::FactsTotals totals;
  for (; totals.programs < count; ++seed) {
    if (const auto failure = kiln::check_seed(seed, totals)) {
      std::cout << "seed " << seed << ": " << *failure << std::endl;
      ++failures;
    }
    if ((seed - first) % 100'000 == 99'999) {
      std::cout << totals.programs << " programs so far, up to seed " << seed << std::endl;
    }
  }
  std::cout << totals.programs << " accepted random programs of " << seed - first << ", " << totals.frames
            << " frames, " << totals.steps << " instructions executed, " << totals.values
            << " register values inside their facts, " << failures << " programs failed\n";
  return failures == 0 ? 0 : 1;
}
