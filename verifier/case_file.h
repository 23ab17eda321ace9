// SPDX-License-Identifier: Apache-2.0
//
// Test only: reads cases/*.txt, small programs with the verdict that is expected of them.
//
//   == name                       one case
//   accept | reject WORDS         ours, and the kernel's log has the words too
//   kernel accept | reject WORDS  where the kernel's verdict is known to differ (a reason beside it)
//   type T, section S, license L  if not XDP, "xdp", GPL
//   needs BTF                     what types of Linux 6.18 say decides
//   call kfunc NAME               a kernel function (kernel_functions.def, where the running kernel lacks it)
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
  bool needs_btf = false;             ///< see running_kernel_is_known()
  std::uint32_t kernel_function = 0;  ///< largest id that it calls, of standard_object().kernel_types
};

/// All cases of all *.txt in a directory. Aborts with file and line on a malformed one.
std::vector<Case> read_cases(const std::string& directory);

/// Whether the running kernel's types are those that cases with needs_btf are written for.
bool running_kernel_is_known();
/// Its number in standard_object().kernel_types, which is the running kernel's where it has it; 0: nobody knows it.
std::uint32_t kernel_function(const std::string& name);

/// Maps that every engine carries, by index.
Object standard_object();
/// Maps that cases refer to by index: those, and of further types.
Object case_object();

}  // namespace kiln::verifier
