// SPDX-License-Identifier: Apache-2.0
//
// A growing list of native words with labels, and the link step that makes addresses of them.
//
// Words are emitted in program order; code that is seldom run can be put aside with cold() and
// is emitted later, so that the usual path has no jump around it. Branches are written with
// labels; link() finds the shortest form that reaches. Every label used must be bound by then.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <kiln/core_image.h>

#include "native.h"

namespace kiln::lowering {

enum class Label : std::uint32_t {};
inline constexpr Label kNoLabel{0xffff'ffff};

class Emitter {
 public:
  Label make_label();
  void bind(Label label);
  /// A new label, bound here.
  Label here();

  /// The words that follow belong to `insn` of `program`; the first of them is marked `first`.
  void start(std::uint32_t program, std::uint32_t insn, std::uint16_t live);
  /// The words that follow belong to no BPF instruction.
  void start_prologue(std::uint32_t program);

  void emit(const Insn& word);
  /// A conditional jump, or JA; the offset is filled in by link().
  void branch(const Insn& word, Label target);
  void jump(Label target);
  /// JAL: the return address goes to `link_register`.
  void jump_and_link(unsigned link_register, Label target);
  /// reg = value, in one or two words.
  void constant(unsigned reg, std::uint64_t value);

  /// Calls `body` at the next flush_cold(), with the present origin (never `first`).
  /// REQUIRES: what `body` refers to lives until then.
  void cold(std::function<void()> body);
  void flush_cold();

  // What the image says about itself (core_image.h).
  std::uint32_t note(const CoreFunction& function);
  /// \param site  its word is what `label` turns out to be.
  void note(const CoreReturn& site, Label label);
  std::uint32_t note(HandoverPoint point);

  std::size_t size() const { return items_.size(); }
  Label label_at_item(std::size_t item);

  /// \errors kUnsupported if the image would be longer than `limit` words.
  Result<CoreImage> link(Label entry, std::uint32_t limit) const;

 private:
  enum class Fixup : std::uint8_t { kNone, kBranch, kJump, kAbsolute };
  struct Item {
    Insn word;
    Fixup fixup = Fixup::kNone;
    Label target = kNoLabel;
    CoreOrigin origin;
  };
  struct Cold {
    CoreOrigin origin;
    std::function<void()> body;
  };

  void push(const Insn& word, Fixup fixup, Label target);
  std::vector<std::uint32_t> place() const;
  static void write_branch(CoreImage& image, const Item& item, std::uint32_t words,
                           std::int64_t distance);

  std::vector<Item> items_;
  std::vector<std::uint32_t> labels_;  ///< item index, or kUnbound
  std::vector<Cold> cold_;
  CoreOrigin origin_;
  std::vector<CoreFunction> functions_;
  std::vector<std::pair<CoreReturn, Label>> returns_;
  std::vector<HandoverPoint> handovers_;
};

/// The conditional jump that is taken when `word` is not, or JSET's own form if there is none.
/// \return false for JSET.
bool invert(Insn& word);

}  // namespace kiln::lowering
