// SPDX-License-Identifier: Apache-2.0
//
// BPF as text, in the syntax of bpftool, LLVM and the kernel's log, and back.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <kiln/isa.h>
#include <kiln/program.h>

namespace kiln {

/// One instruction: "r1 = *(u32 *)(r6 +4)", "if r1 s> 0x5 goto pc+3", "(85) call" parts without the
/// opcode in front. \param second  the following slot, for LD_IMM64.
std::string disassemble(const Insn& insn, const Insn* second = nullptr);

/// A program: "   12: (b7) r0 = 1" lines with "; source line" lines before them, map names and
/// helper names resolved, as `bpftool prog dump xlated linum` prints.
std::string disassemble(const Program& program, const Object& object);

/// The inverse of disassemble(), line by line; "//", "#" and ";" start comments; labels ("name:")
/// may be used as jump and call targets ("goto name", "call name").
/// \errors kInput with the line number.
Result<std::vector<Insn>> assemble(std::string_view text);

}  // namespace kiln
