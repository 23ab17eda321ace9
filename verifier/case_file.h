// SPDX-License-Identifier: Apache-2.0
//
// Test only: reads cases/*.txt, small programs with the verdict that is expected of them.
//
//   == name                       one case
//   accept | reject WORDS         ours, and the kernel's log has the words too
//   kernel accept | reject WORDS  where the kernel's verdict is known to differ (a reason beside it)
//   type T, section S, license L  if not XDP, "xdp", GPL
//   call kfunc NAME               a function of the running kernel
//   ...                           the program, in assemble()'s syntax; "#" comments
//
// Every case runs with the maps of case_object().
#pragma once

#include <string>
#include <vector>

#include <kiln/program.h>

namespace kiln::verifier {

struct Expectation {
  bool accept = true;
  std::string words;
};

struct Case {
  std::string file, name;
  Expectation ours, kernel;
  bool differs = false;
  std::string license = "GPL";
  Program program;
};

/// All cases of all *.txt in a directory. Aborts with file and line on a malformed one.
std::vector<Case> read_cases(const std::string& directory);

/// The kernel's number of a function; 0: it has none of that name, or there is no BTF here.
std::uint32_t kernel_function(const std::string& name);

/// Maps that every engine carries, by index.
Object standard_object();
/// Maps that cases refer to by index: those, and of further types.
Object case_object();

}  // namespace kiln::verifier
