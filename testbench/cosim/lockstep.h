// SPDX-License-Identifier: Apache-2.0
//
// Lockstep: the interpreter's steps against what a core retired, instruction by BPF instruction.
//
// Works on two recordings of one frame, so the core may be the verilated RTL or the functional
// model. It follows CoreOrigin (core_image.h): at every word with `first`, the registers that the
// lowering calls live must hold what the interpreter's hold; a store that BPF makes must be made, with
// the same address, size and bytes; and only instructions without words may be stepped over.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kiln/core_image.h>
#include <kiln/cpu_engines.h>
#include <kiln/nic_engine.h>

namespace kiln::cosim {

class Lockstep {
 public:
  /// REQUIRES: object and image outlive the checker.
  Lockstep(const Object& object, const CoreImage& image);

  /// One frame. \param steps    as StepObserver gave them, the one after EXIT included.
  /// \param records  what retired for the frame, in order.
  /// \return nullopt, or the first difference with eight instructions before and after it.
  std::optional<std::string> compare(std::span<const InterpState> steps, std::span<const RetireRecord> records);

  /// BPF instructions that began on the core and whose registers were compared, over all frames.
  std::uint64_t compared() const { return compared_; }
  std::uint64_t stepped_over() const { return stepped_over_; }
  std::uint64_t words() const { return words_; }

 private:
  struct Frame;

  bool may_step_over(std::uint32_t program, std::uint32_t insn) const;
  std::optional<std::string> registers(Frame& frame, const InterpState& state, std::uint16_t live) const;
  std::optional<std::string> stores(Frame& frame, const InterpState& state, std::size_t from, std::size_t to) const;
  std::string listing(const Frame& frame, const std::string& what) const;
  std::string insn_text(const InterpState& state) const;

  const Object& object_;
  const CoreImage& image_;
  std::vector<std::vector<bool>> has_words_;  ///< by program and slot: words other than plain jumps
  std::uint64_t compared_ = 0, stepped_over_ = 0, words_ = 0;
};

}  // namespace kiln::cosim
