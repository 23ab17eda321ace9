// SPDX-License-Identifier: Apache-2.0
//
// What is to be emitted for each BPF slot: the instruction made simpler with what is known, or nothing.
//
// Steps keep BPF's slots and registers; making native words of them is codegen.h's. A step reads and
// writes what its emitted words will, which may be less than the BPF instruction did.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "branch_ways.h"
#include "call_plan.h"
#include "values.h"

namespace kiln::lowering {

struct Step {
  enum class Kind : std::uint8_t {
    kNothing,   ///< unreachable, or without effect
    kConstant,  ///< insn.dst = number
    kPlain,     ///< `insn` as it is: arithmetic, load or store
    kBranch,    ///< `insn`, by `ways`
    kJump,
    kExit,      ///< the result is in insn.src: R0, or in the program itself what R0 is a copy of
    kCall,      ///< of the function at `callee`
    kHelper,    ///< plan
    kAtomic,
    kPacket,    ///< LD_ABS, LD_IND; number: R6 is known to be the context
    kHandover,  ///< the host goes on here; `reason` says why
    kTrap,      ///< proven to lead nowhere
  };
  Kind kind = Kind::kNothing;
  bool reachable = false;
  bool pure = false;   ///< writes its destination and nothing else: may be dropped if that is dead
  bool dropped = false;  ///< found dead by liveness
  Ways ways;
  ValueKinds memory = 0xffff;  ///< kAtomic: what it can point at
  Insn insn;
  std::uint64_t number = 0;
  std::int32_t plan = -1;
  std::uint32_t callee = 0;
  RegMask uses = 0, defs = 0;
  RegMask live = 0;    ///< registers that hold BPF's value before it and are read later
  // Stack of this function's frame, by offset from R10.
  std::vector<StackRange> reads, writes;
  bool reads_any_stack = false;
  bool may_drop_store = false;  ///< a store to exactly `writes`
  RegMask bpf_live = 0;  ///< kHandover, kHelper with such a choice: what the program reads from here on
  std::string reason;
};

struct Steps {
  std::vector<Step> at;  ///< by slot
  std::vector<CallPlan> plans;
  const CallPlan& plan(std::uint32_t slot) const { return plans[static_cast<std::size_t>(at[slot].plan)]; }
};

struct StepOptions {
  bool handover = false;  ///< what the NIC can't do becomes kHandover
  std::map<std::uint32_t, std::string> forced{};  ///< slots that hand over whatever they are: why
};

/// \errors kUnsupported for what is reached and the NIC can't do, without hand-over.
Result<Steps> make_steps(const View& view, const Values& values, const StepOptions& options);

/// Fills `live` and `dropped`: drops what nothing needs, with what only fed it.
void find_live(const View& view, Steps& steps);

}  // namespace kiln::lowering
