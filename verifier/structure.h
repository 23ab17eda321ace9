// SPDX-License-Identifier: Apache-2.0
//
// The shape of a program before any path is explored: subprograms, jump targets, reachability,
// live registers, and where explored states are worth keeping.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <kiln/btf.h>

#include "decode.h"

namespace kiln::verifier {

/// Why a program is refused, and the slot it is about.
struct Defect {
  u32 insn = 0;
  std::string message;
};

struct SubprogramInfo {
  u32 start = 0;
  u32 end = 0;
  std::string name;
  bool is_global = false;
  u32 btf_func = 0;
  bool tail_calls = false;
  bool changes_packet = false;  ///< it or what it calls moves data or data_end
  bool might_sleep = false;     ///< it or what it calls
  bool catches = false;         ///< exceptions that the program throws end here
};

struct SlotInfo {
  bool prune_point = false;  ///< states here are compared with earlier ones
  bool jump_point = false;   ///< reached otherwise than from the slot before
  u16 live = 0;              ///< registers read later on some path before being written
  u16 uses = 0;              ///< registers the instruction reads
  u16 recorded = 0;          ///< of the live ones, those that Facts tell of: read here, or just written
  u32 subprogram = 0;
  u32 component = 0;          ///< the loop it is part of; 0: none (components.h)
  bool checkpoint = false;    ///< a state is kept at every visit
  bool calls_callback = false;  ///< calls a function that calls back before it returns
  bool calls_async = false;     ///< calls a function that calls back later
  bool iterates = false;        ///< calls the next function of an iterator
};

struct Structure {
  std::vector<Decoded> code;
  std::vector<SlotInfo> slots;
  std::vector<SubprogramInfo> subprograms;  ///< sorted by start
  /// Index of the subprogram that starts at a slot, or -1.
  s64 subprogram_at(s64 start) const;
};

/// Fills `structure`, or says what is wrong with the program's shape.
/// \param kernel_types  of the kernel functions it calls; nullptr: not known.
/// \param program_types  the program's own; nullptr: none.
std::optional<Defect> analyse_structure(const Program& program, const Btf* program_types, const Btf* kernel_types,
                                        Structure& structure);

/// Successors of a slot inside its subprogram; at most two.
struct Successors {
  u32 at[2] = {};
  unsigned count = 0;
};
Successors successors(const Structure& structure, const Program& program, u32 at);

/// liveness.cc: SlotInfo::uses, live and recorded.
void compute_live_registers(const Program& program, Structure& structure);

}  // namespace kiln::verifier
