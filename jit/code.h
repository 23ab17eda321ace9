// SPDX-License-Identifier: Apache-2.0
//
// A program made ready to run: every slot looked up in the table once, jump targets absolute, functions
// and their stack frames known. Both CPU engines run this; neither sees encoded instructions.
//
// decode_program() also refuses what an engine can't run, naming slot and source line. It does not
// verify: a program without Facts may still fault, and the engines then check at run time.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kiln/facts.h>
#include <kiln/helpers.h>
#include <kiln/isa.h>
#include <kiln/program.h>
#include <kiln/result.h>

namespace kiln {

class Btf;

/// A slot that no path reaches (second half of a wide instruction, or dead by Facts): trapping.
inline constexpr Op kNeverReached = Op::kCount;

struct CodeInsn {
  Op op = kNeverReached;
  Form form = Form::kExit;
  std::uint8_t dst = 0;
  std::uint8_t src = 0;
  std::int16_t off = 0;
  std::int32_t imm = 0;
  std::uint32_t target = 0;  ///< jumps: slot; CALL_LOCAL, LD_CODE_ADDR: function number; CALL_KFUNC: row of kfunc_table()
  std::uint64_t wide = 0;    ///< LD_IMM64 and relatives: the value (maps: index, offset in the value << 32)
};

struct Function {
  std::uint32_t start = 0;  ///< slot
  std::uint32_t end = 0;    ///< one past the last slot
  /// Bytes that a callee's R10 lies below this function's R10: its stack depth rounded up to 32.
  std::uint32_t frame_bytes = 0;
};

struct Code {
  const Program* program = nullptr;  ///< nullptr for raw instructions
  std::vector<CodeInsn> insns;       ///< by slot
  std::vector<Function> functions;   ///< by start; [0] starts at slot 0
  bool verified = false;             ///< Facts were given: accesses need no check
  bool writes_packet = true;         ///< some store may change the frame, or a helper may move it

  const Function* function_at(std::uint32_t slot) const;  ///< the function that starts there, or nullptr
  const Function& function_of(std::uint32_t slot) const;  ///< the function that holds it
};

/// \param program  for messages and subprograms; nullptr: raw instructions, functions are call targets.
/// \param facts    nullptr or empty: nothing was proven.
/// \param maps     how many there are; a map reference beyond is refused.
/// \param kernel_types  where the ids of kernel functions are from; nullptr: none can be called.
/// \errors kUnsupported: unknown or malformed instruction, helper or kernel function that `engine` lacks, jump out of
///         its function, a path off the end, a map reference that is not canonical (program.h).
Result<Code> decode_program(std::span<const Insn> insns, const Program* program, const Facts* facts,
                            EngineSet engine, std::size_t maps, const Btf* kernel_types = nullptr);

/// "slot 12 (drop.c:34)", or "slot 12" without source lines.
std::string describe_slot(const Program* program, std::uint32_t slot);

/// The number of the map in `wide`, and for LD_MAP_IDX_VALUE the offset in its value.
inline std::uint32_t wide_map(const CodeInsn& insn) { return static_cast<std::uint32_t>(insn.wide); }
inline std::uint32_t wide_offset(const CodeInsn& insn) { return static_cast<std::uint32_t>(insn.wide >> 32); }

}  // namespace kiln
