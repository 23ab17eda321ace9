// SPDX-License-Identifier: Apache-2.0
//
// One line of assembly as an instruction. Labels stay names; assemble.cc knows where they are.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <kiln/isa.h>

#include "text/line_reader.h"

namespace kiln::text {

/// The grammar is read off isa.def by form and operator, so that a new row needs no new code unless
/// it brings a new form.
class LineParser : private LineReader {
 public:
  explicit LineParser(std::string_view text) : LineReader(text) {}

  /// Reads the whole line. After false, error() says why.
  bool instruction();

  using LineReader::at_end;
  using LineReader::error;

  Insn insn;
  std::optional<Insn> second;  ///< of a wide load
  std::string label;           ///< target name, if the target is a label
  bool label_in_imm = false;   ///< its distance goes to imm (gotol, call), else to off

 private:
  bool use(const std::function<bool(const InsnInfo&)>& fits, const char* what);
  bool use_form(Form form);
  bool use_op(Op op);

  bool place(std::string& type, std::uint8_t& base);
  std::string_view operation(Form form);

  bool assignment(Register dst);
  bool plain_assignment(Register dst);
  bool negation(Register dst);
  bool sign_extension(Register dst);
  bool byte_swap(Register dst, std::string_view name);
  bool load(Register dst);
  bool atomic_fetch(Register dst, std::string_view name);
  bool wide(Register dst, std::string_view what);
  bool address_cast(Register dst);
  bool wide_number(Register dst);
  bool map_reference(Op& op, std::int32_t& high);
  bool alu(Register dst);
  bool store();
  bool locked();
  bool jump_if();
  bool jump_target(bool in_imm);
  bool call();
};

}  // namespace kiln::text
