// SPDX-License-Identifier: Apache-2.0
//
// Reads the conformance corpus: text files of cases, each a program in assembly and what it must yield.
//
//   # comment, anywhere at the start of a line
//   -- case NAME           starts a case; a file with one case may leave it out
//   -- asm                 instructions, in the syntax of disasm.h
//   -- raw                 instead: one slot a line, 16 hexadecimal digits, as a 64-bit number
//   -- mem                 optional: pairs of hexadecimal digits; R1 points there, R2 is the length
//   -- packet              instead of mem: a frame; the program runs as XDP program, R1 is the context
//   -- maps                optional, makes it an XDP program too: lines "TYPE KEY VALUE ENTRIES", map 0, 1, ...
//   -- result              R0, decimal or 0x
//   -- error               instead: the engine must refuse the program; a part of what interp and jit say
//   -- fault               instead: the run must stop; a part of what interp and jit say. The NIC does not check
//                          accesses (its programs are verified), so it is not given such a case
//   -- not kernel          optional: why Linux yields something else
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <kiln/isa.h>
#include <kiln/program.h>

namespace kiln::conformance {

struct Case {
  std::string file;
  std::string name;
  std::size_t line = 0;  ///< where it starts
  std::vector<Insn> insns;
  std::vector<std::byte> memory;
  bool is_xdp = false;  ///< memory is a frame
  std::vector<MapSpec> maps;
  std::optional<std::uint64_t> result;
  bool not_kernel = false;
  std::string error;  ///< expected message part, if there is no result
  bool is_fault = false;  ///< the error comes while running
};

/// \errors kInput with file and line.
Result<std::vector<Case>> read_data_file(const std::string& path);

}  // namespace kiln::conformance
