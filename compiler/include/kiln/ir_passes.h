// SPDX-License-Identifier: Apache-2.0
//
// What changes the intermediate form: passes that keep what the function does, each of which can be left out.
//
// Names and what they do are in ir_passes.def. Passes that need the layout of maps are a back end's own.
#pragma once

#include <cstdint>
#include <string_view>

#include <kiln/ir.h>
#include <kiln/result.h>

namespace kiln::ir {

enum class Pass : std::uint8_t {
#define KILN_IR_PASS(name, text) name,
#include <kiln/ir_passes.def>
  kCount
};

/// Which passes run.
class PassSet {
 public:
  constexpr PassSet() = default;  ///< all
  static constexpr PassSet none() {
    PassSet set;
    set.bits_ = 0;
    return set;
  }
  constexpr bool has(Pass pass) const { return (bits_ >> static_cast<unsigned>(pass) & 1) != 0; }
  constexpr void set(Pass pass, bool on) {
    const std::uint32_t bit = 1u << static_cast<unsigned>(pass);
    bits_ = on ? bits_ | bit : bits_ & ~bit;
  }
  /// "all", "none", "fold,cse" (these and no others), "-licm,-merge" (all but these).
  /// \errors kUsage with the names that there are.
  static Result<PassSet> parse(std::string_view list);

 private:
  std::uint32_t bits_ = (1u << static_cast<unsigned>(Pass::kCount)) - 1;
};
std::string_view pass_name(Pass pass);

/// \param function  number in Program order.
/// \param passes  kFacts, kInline, and what simplify() looks at.
/// \param frame_bytes  by function: its stack depth, rounded up.
/// \errors kUnsupported for what the form has no node for, naming it.
Result<Function> build_ir(const Program& program, const Facts& facts, std::uint32_t function,
                          std::span<const std::uint32_t> frame_bytes, PassSet passes);

/// Simplifies one node in place, or replaces it by one that is there. \return what stands for it now.
/// Constants alone are always folded; other rules need kFold or kRotate.
Id simplify(Function& f, Id id, PassSet passes);
/// Of what simplify() looks at in a node itself, never 0: another for a node that has changed.
std::uint64_t signature(const Function& f, Id id);

void fold(Function& f, PassSet passes);             ///< kFold, kRotate: simplify() on every node, and branches
bool branches(Function& f);                         ///< kBranches; true if something changed
bool narrow(Function& f);                           ///< kNarrow; true if something changed
void eliminate_common(Function& f);                 ///< kCse
void promote_stack(Function& f);                    ///< kStack
void forward_memory(Function& f);                   ///< kLoads; leaves operands to be resolved
bool merge_memory(Function& f);                     ///< kMerge; true if something changed
bool unroll(Function& f);                           ///< kUnroll; true if something changed
bool reduce_strength(Function& f);                  ///< kStrength; true if something changed
void hoist(Function& f);                            ///< kLicm
void make_atomics_plain(Function& f);               ///< kAlone. REQUIRES: no other thread has the memory
void unify_phis(Function& f);                       ///< always: phis that are one value
void remove_dead(Function& f);                      ///< always
bool has_short_loop(const Function& f);             ///< a block that is its own successor: what unroll() works on

/// The target-independent passes, in the order in which they help each other. Leaves nodes that nobody uses: remove_dead().
void optimise(Function& f, PassSet passes);

/// A phi at the block's start, without operands yet.
Id make_phi(Function& f, BlockId block);
/// Gives it its operands, by predecessor. \return what stands for it.
Id complete_phi(Function& f, Id phi, std::span<const Id> operands, PassSet passes);

inline constexpr Id kBusy = kNone - 1;  ///< in a table of values: what it is depends on what is being found out

/// What a variable is at the start of a block with several predecessors: a phi only where their values differ, or where the way up comes round to this
/// block again, which finds kBusy and then makes it. \param at  the variable's place in a table, which holds the result. \param read  its value at the
/// end of a predecessor.
template <typename Read>
Id join_values(Function& f, BlockId block, Id& at, PassSet passes, Read&& read) {
  at = kBusy;
  const List<BlockId>& preds = f.blocks[block].preds;
  List<Id> operands;
  operands.reserve(preds.size());
  for (const BlockId pred : preds) {
    operands.push_back(read(pred));
  }
  bool differ = false;
  for (Id& operand : operands) {
    operand = f.resolve(operand);
    differ |= operand != operands[0];
  }
  if (at == kBusy && !differ) {
    return at = operands[0];
  }
  return at = complete_phi(f, at == kBusy ? make_phi(f, block) : at, operands, passes);
}

/// Values of variables that are assigned in several blocks, and phis where they meet. For passes that give a value
/// more than one definition. All edges of the function must be there.
class VariableBuilder {
 public:
  VariableBuilder(Function& f, std::uint32_t variables);
  void write(BlockId block, std::uint32_t variable, Id value) { at_end_[block * std::size_t{variables_} + variable] = value; }
  /// The value at the block's end, or at its start if it doesn't write the variable.
  Id read_end(BlockId block, std::uint32_t variable);
  /// The value at the block's start.
  Id read_start(BlockId block, std::uint32_t variable);
  /// Whether some read could reach the function's start without a write (the value is 0 there).
  bool read_undefined() const { return undefined_; }

 private:
  Function& f_;
  std::uint32_t variables_;
  List<Id> at_start_, at_end_;
  bool undefined_ = false;
};

}  // namespace kiln::ir
