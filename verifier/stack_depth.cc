// SPDX-License-Identifier: Apache-2.0
//
// The stack across calls.
//
// Rules: the frames of any chain of calls take 512 bytes together, each rounded up; at most 8 frames;
// a subprogram that tail-calls is entered with less than 256 bytes used, since the program called
// starts over with what is left.
#include "checker.h"

namespace kiln::verifier {
namespace {

constexpr u32 kTailCallLimit = 256;

}  // namespace

bool Checker::check_stack_depth() { return check_chain(0, 0, 0); }

/// \param used  bytes of the frames above this one. \param calls  their number.
bool Checker::check_chain(u32 subprogram, u32 used, u32 calls) {
  const SubprogramInfo& sub = structure_.subprograms[subprogram];
  insn_ = sub.start;
  if (subprogram != 0 && sub.tail_calls && used >= kTailCallLimit) {
    return reject("tail_calls are not allowed when call stack of previous frames is {} bytes. Too large", used);
  }
  const u32 total = used + (stack_depth_[subprogram] + kStackRound - 1) / kStackRound * kStackRound;
  if (total > kStackBytes) {
    return reject("combined stack size of {} calls is {}. Too large", calls + 1, total);
  }
  for (u32 at = sub.start; at < sub.end; ++at) {
    const Decoded& d = structure_.code[at];
    if (d.info == nullptr || !d.is_subprogram_call()) {
      continue;
    }
    if (calls + 1 >= kMaxFrames) {
      return reject("the call stack of {} frames is too deep !", calls + 1);
    }
    if (!check_chain(callee_of(at), total, calls + 1)) {
      return false;
    }
  }
  return true;
}

u32 Checker::callee_of(u32 call) const {
  const s64 callee = structure_.subprogram_at(jump_target(structure_.code[call], program_.insns[call], call));
  KILN_CHECK(callee >= 0);
  return static_cast<u32>(callee);
}

}  // namespace kiln::verifier
