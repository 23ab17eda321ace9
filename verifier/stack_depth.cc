// SPDX-License-Identifier: Apache-2.0
//
// The stack across calls.
//
// Rules: the frames of any chain of calls take 512 bytes together, each rounded up; at most 8 frames;
// a subprogram that tail-calls is entered with less than 256 bytes used, since the program called
// starts over with what is left. Functions of tracing programs that need 64 bytes or more have stacks of their own.
#include <algorithm>

#include "checker.h"

namespace kiln::verifier {
namespace {

constexpr u32 kTailCallLimit = 256;
constexpr u32 kOwnStackBytes = 64;  ///< BPF_PRIV_STACK_MIN_SIZE

/// Programs that may interrupt each other are given stacks of their own, function by function.
bool has_own_stacks(ProgramType type) {
  switch (type) {
    case ProgramType::kKprobe:
    case ProgramType::kTracepoint:
    case ProgramType::kPerfEvent:
    case ProgramType::kRawTracepoint:
    case ProgramType::kTracing: return true;
    default: return false;
  }
}

}  // namespace

/// Asynchronous callbacks start with a stack of their own.
bool Checker::check_stack_depth() {
  for (u32 i = 0; i < structure_.subprograms.size(); ++i) {
    const bool later = async_callback_[i] || structure_.subprograms[i].catches;
    if ((i == 0 || later) && !check_chain(i, 0, 0, later)) {
      return false;
    }
  }
  return true;
}

/// \param used  bytes of the frames above this one. \param calls  their number.
/// \param callback  some frame of the chain is a callback's.
bool Checker::check_chain(u32 subprogram, u32 used, u32 calls, bool callback) {
  const SubprogramInfo& sub = structure_.subprograms[subprogram];
  insn_ = sub.start;
  if (subprogram != 0 && sub.tail_calls && used >= kTailCallLimit) {
    return reject("tail_calls are not allowed when call stack of previous frames is {} bytes. Too large", used);
  }
  const bool tail_calls = std::any_of(structure_.subprograms.begin(), structure_.subprograms.end(),
                                      [](const SubprogramInfo& s) { return s.tail_calls; });
  const bool own = has_own_stacks(program_.type) && !tail_calls && stack_depth_[subprogram] >= kOwnStackBytes;
  const u32 rounded = (stack_depth_[subprogram] + kStackRound - 1) / kStackRound * kStackRound;
  const u32 total = used + (own ? 0 : rounded);
  if (own && rounded > kStackBytes) {
    return reject("stack size of subprog {} is {}. Too large", subprogram, rounded);
  }
  if (total > kStackBytes) {
    return reject("combined stack size of {} calls is {}. Too large", calls + 1, total);
  }
  for (u32 at = sub.start; at < sub.end; ++at) {
    const Decoded& d = structure_.code[at];
    if (callback && d.info != nullptr && d.form == Form::kLdPacket) {
      return reject("cannot use BPF_LD_[ABS|IND] within callback");
    }
    if (callback && is_throw(at)) {
      return reject("bpf_throw kfunc (insn {}) cannot be called from callback subprog {}", at, subprogram);
    }
    if (d.info != nullptr && d.is_subprogram_call() && structure_.subprograms[callee_of(at)].catches) {
      return reject("insn {} cannot call exception cb directly", at);
    }
    const bool refers = d.info != nullptr && d.op == Op::LD_CODE_ADDR;
    if (d.info == nullptr || !(d.is_subprogram_call() || refers) || (refers && async_callback_[callee_of(at)])) {
      continue;
    }
    if (calls + 1 >= kMaxFrames) {
      return reject("the call stack of {} frames is too deep !", calls + 1);
    }
    if (!check_chain(callee_of(at), total, calls + 1, callback || refers)) {
      return false;
    }
  }
  return true;
}

bool Checker::is_throw(u32 at) {
  const Decoded& d = structure_.code[at];
  const u32 id = static_cast<u32>(program_.insns[at].imm);
  return d.info != nullptr && d.is_kfunc_call() && kernel_types() != nullptr && id < kernel_types()->count() &&
         kernel_types()->name(id) == "bpf_throw";
}

u32 Checker::callee_of(u32 call) const {
  const s64 callee = structure_.subprogram_at(s64{call} + 1 + program_.insns[call].imm);
  KILN_CHECK(callee >= 0);
  return static_cast<u32>(callee);
}

}  // namespace kiln::verifier
