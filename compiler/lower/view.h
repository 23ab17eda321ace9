// SPDX-License-Identifier: Apache-2.0
//
// One program as the lowering is given it, and its shape: functions, successors, access sizes.
//
// Nothing here is an opinion about values; that is values.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kiln/core_image.h>
#include <kiln/facts.h>
#include <kiln/program.h>
#include <kiln/result.h>

namespace kiln::lowering {

/// Bit r: native register r.
using RegMask = std::uint16_t;
/// An immediate or offset as 64-bit instructions take it.
constexpr std::uint64_t sign_extended(std::int32_t imm) { return static_cast<std::uint64_t>(std::int64_t{imm}); }

constexpr RegMask bit(unsigned reg) { return static_cast<RegMask>(1u << reg); }
inline constexpr RegMask kCallerSaved = 0b11'1111;  ///< R0..R5: a call may change them
inline constexpr RegMask kArguments = 0b11'1110;    ///< R1..R5

/// A BPF function: the program itself (the first one) or one that CALL_LOCAL reaches.
struct Function {
  std::uint32_t start = 0;
  std::uint32_t end = 0;          ///< one past the last slot
  std::uint32_t frame_bytes = 0;  ///< from its R10 to that of a function it calls
};

class View {
 public:
  /// \errors kInput if the slots do not make a program (unknown opcode, jump out of range, or an end
  ///         that is fallen off); the verifier never accepts such a thing, but unverified ones exist.
  static Result<View> create(const Object& object, std::uint32_t program, const Facts& facts,
                             std::span<const CoreMap> maps, const LowerOptions& options);

  const Object& object() const { return *object_; }
  const Program& program() const { return object_->programs[index_]; }
  std::uint32_t index() const { return index_; }
  std::span<const CoreMap> maps() const { return maps_; }
  const LowerOptions& options() const { return *options_; }
  bool proven() const { return !facts_->empty(); }
  std::uint32_t slots() const { return static_cast<std::uint32_t>(program().insns.size()); }

  const Insn& insn(std::uint32_t slot) const { return program().insns[slot]; }
  /// Row of the instruction table; nullptr for the second half of a LD_IMM64.
  const InsnInfo* row(std::uint32_t slot) const { return rows_[slot]; }
  Op op(std::uint32_t slot) const { return rows_[slot]->op; }
  /// Facts of a slot, or nullptr if there are none.
  const InsnFact* fact(std::uint32_t slot) const;
  /// Proven never to be reached.
  bool dead(std::uint32_t slot) const;
  /// What was proven of a register before a slot, or nullptr.
  const RegFact* fact(std::uint32_t slot, unsigned reg) const;

  std::span<const Function> functions() const { return functions_; }
  std::uint32_t function_of(std::uint32_t slot) const { return owner_[slot]; }
  bool in_main(std::uint32_t slot) const { return owner_[slot] == 0; }

  /// The slot after this one in memory; the other way of a jump, or the function that CALL_LOCAL or
  /// LD_CODE_ADDR names.
  std::uint32_t next(std::uint32_t slot) const { return slot + (insn(slot).is_wide() ? 2 : 1); }
  std::uint32_t target(std::uint32_t slot) const;
  /// LD_IMM64's 64 bits. REQUIRES: insn(slot).is_wide().
  std::uint64_t wide_value(std::uint32_t slot) const;

  /// kUnsupported, with the instruction's text and source line in front of the reason.
  Error refuse(std::uint32_t slot, const std::string& reason) const;

 private:
  Result<void> decode();
  Result<void> find_functions();
  void measure_frames();

  const Object* object_ = nullptr;
  std::uint32_t index_ = 0;
  const Facts* facts_ = nullptr;
  std::span<const CoreMap> maps_;
  const LowerOptions* options_ = nullptr;
  std::vector<const InsnInfo*> rows_;
  std::vector<Function> functions_;
  std::vector<std::uint32_t> owner_;
};

bool is_conditional(const InsnInfo& row);

}  // namespace kiln::lowering
