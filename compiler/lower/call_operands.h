// SPDX-License-Identifier: Apache-2.0
//
// Where a helper call finds its operands: registers, constants, the frame, memory; keys and values in pieces of up to
// 8 bytes. Everything found goes into the CallPlan, with the registers and stack bytes that it reads or writes.
#pragma once

#include <string_view>
#include <vector>

#include "call_plan.h"

namespace kiln::lowering {

class CallOperands {
 protected:
  explicit CallOperands(const At& at) : at_(at) {}
  ~CallOperands() = default;

  void use(unsigned reg) { plan_.uses |= bit(reg); }
  void use_if_unknown(unsigned reg);
  const CoreMap& map() const { return at_.view.maps()[plan_.map]; }
  /// Prefers registers that survive calls: what was put into R1 for this call may then go.
  void find_context();
  /// Memory at `reg` that the helper reads.
  Operand operand(unsigned reg, std::uint32_t bytes);
  /// Memory that the helper writes.
  Operand written(unsigned reg, std::uint64_t bytes);
  /// Memory at `reg` that the helper reads: as many bytes as `size_reg` says.
  void buffer(unsigned reg, unsigned size_reg);
  /// Whether a thread's stage in map memory holds so many bytes; if not, that is the plan's problem.
  bool has_stage(std::uint64_t bytes, std::string_view what);
  /// Cuts a key into pushes. \param forbidden  registers that change before the last push.
  void key(unsigned reg, RegMask forbidden) { key(reg, map().key_size, forbidden); }
  void key(unsigned reg, std::uint32_t bytes, RegMask forbidden);
  /// An array's index is its key: 4 bytes behind R2.
  void array_index(unsigned reg, RegMask forbidden);
  /// Whether the element's place depends on the core.
  bool needs_cpu() const { return is_per_cpu(map().type) && map().cpu_count > 1; }
  /// What bpf_map_update_elem() stores: the memory behind R3, in pieces if it is short.
  void value();

  const At& at_;
  CallPlan plan_;

 private:
  /// Bytes [at, at+4) of an operand as a stack word, or nullptr.
  const Word* word(const Operand& operand, std::uint32_t at) const;
  /// Memory that turned out not to be read (its contents are known) need not be kept.
  void drop_read(const Operand& operand, std::uint32_t from, std::uint32_t bytes);
  bool find_register_piece(const Operand& operand, Piece& piece, bool zero_extended, RegMask forbidden);
  bool find_constant_piece(const Operand& operand, Piece& piece) const;
  /// The base register, if there are pieces that have to be read from memory.
  void use_base(const Operand& operand, const std::vector<Piece>& pieces);
};

}  // namespace kiln::lowering
