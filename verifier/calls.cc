// SPDX-License-Identifier: Apache-2.0
//
// Subprograms and the end of a path.
//
// Rules: at most 8 frames. A static subprogram is walked through at each call, with the caller's
// R1-R5; its R6-R9 and stack start empty. A global one is verified once by its prototype, so a call
// only needs fitting arguments and gives an unknown number. Both leave R1-R5 unreadable. A subprogram
// does not return a pointer to its stack. At the end R0 is initialised, a number where a global
// function ends, and in the program type's range if it has one.
#include <algorithm>

#include "checker.h"

namespace kiln::verifier {

const Signature& Checker::signature_of(u32 subprogram) {
  auto& cached = signatures_[subprogram];
  if (!cached) {
    cached = read_signature({program_types(), [this] { return kernel_types(); }, program_.type, rules_.attach},
                            structure_.subprograms[subprogram].btf_func);
  }
  return *cached;
}

Step Checker::call_global(u32 callee) {
  const SubprogramInfo& sub = structure_.subprograms[callee];
  const Signature& signature = signature_of(callee);
  const auto refuse = [&] {
    explain("Caller passes invalid args into func#{} ('{}')", callee, sub.name);
    return Step::kReject;
  };
  if (!signature.defect.empty()) {
    reject("{}", signature.defect);
    return Step::kReject;
  }
  if (state().held.locks != 0) {
    reject("global function calls are not allowed while holding a lock,\nuse static function instead");
    return Step::kReject;
  }
  if (sub.might_sleep && !in_sleepable_context()) {
    reject("global functions that may sleep are not allowed in non-sleepable context,\n"
           "i.e., in a RCU/IRQ/preempt-disabled section, or in\na non-sleepable BPF program context");
    return Step::kReject;
  }
  for (unsigned r = 1; r <= signature.arguments.size(); ++r) {
    const Reg& want = signature.arguments[r - 1];
    if (!check_readable(r)) {
      return refuse();
    }
    const Reg have = state().reg(r);
    if (want.is_scalar() && !have.is_scalar()) {
      reject("R{} is not a scalar", r);
      return refuse();
    }
    if (want.type == RegType::kCtx && (have.type != RegType::kCtx || !check_fixed_pointer(r, have))) {
      if (!failed_) {
        reject("arg#{} expects pointer to ctx", r - 1);
      }
      return refuse();
    }
    if (!want.has(kUntrusted) && !check_global_pointer(r, want)) {  // what is untrusted is read with checks
      return refuse();
    }
  }
  log_.print("Func#{} ('{}') is global and assumed valid.\n", callee, sub.name);
  global_called_[callee] = true;
  if (sub.changes_packet) {
    forget_packet_pointers();
  }
  for (unsigned r = 1; r <= 5; ++r) {
    set_reg(r, Reg{});
  }
  set_reg(0, Reg::unknown());
  return Step::kNext;
}

/// Memory, a dynptr or a struct of the kernel's for a global function.
bool Checker::check_global_pointer(unsigned number, const Reg& want) {
  const Reg have = state().reg(number);
  const bool null = have.is_null_constant();
  switch (want.type) {
    case RegType::kMem:
      if (!null && !check_global_memory(number, static_cast<u32>(want.extra))) {
        return false;
      }
      return want.maybe_null || !(have.maybe_null || null) || reject("arg#{} is expected to be non-NULL", number - 1);
    case RegType::kDynptr:
      return use_dynptr(number, std::nullopt, nullptr);
    case RegType::kBtf:
      if (null && want.maybe_null) {
        make_precise(number);
        return true;
      }
      return check_kernel_struct(number, static_cast<u32>(want.extra), want.maybe_null, true);
    default:
      return true;
  }
}

/// Memory handed to a global function may be read and written there, and may be NULL.
bool Checker::check_global_memory(unsigned number, u32 bytes) {
  return as_not_null(number, [&](const Reg& reg) {
    bool ok = check_memory_argument({.number = number, .bytes = bytes});
    if (ok && reg.type == RegType::kMapValue) {
      ok = check_map_direction(reg, reg.off, bytes, Access::kWrite);
    }
    if (ok && reg.type == RegType::kStack) {
      clobber_stack(reg, bytes);
    }
    return ok;
  });
}

Step Checker::call_subprogram() {
  const s64 target = jump_target(decoded(), insn(), insn_);
  const s64 callee = structure_.subprogram_at(target);
  KILN_CHECK(callee >= 0);
  const SubprogramInfo& sub = structure_.subprograms[static_cast<std::size_t>(callee)];
  if (sub.is_global) {
    return call_global(static_cast<u32>(callee));
  }
  if (state().frames.size() >= kMaxFrames) {
    reject("the call stack of {} frames is too deep", state().frames.size() + 1);
    return Step::kReject;
  }
  Frame frame = make_frame(state(), static_cast<u32>(callee), insn_);
  frame.async_entries = state().frame().async_entries;
  std::copy_n(state().frame().regs.begin() + 1, 5, frame.regs.begin() + 1);
  for (unsigned r = 0; r <= 5; ++r) {
    state().reg(r) = Reg{};
  }
  if (log_.on()) {
    log_.print("caller:\n{}\n", frame_text(state(), state().depth(), object_, ~0u, ~u64{0}));
  }
  state().frames.push_back(std::move(frame));
  if (log_.on()) {
    log_.print("callee:\n{}\n", frame_text(state(), state().depth(), object_, ~0u, ~u64{0}));
  }
  touched_regs_ = 0;
  touched_slots_ = 0;
  next_ = sub.start;
  return Step::kNext;
}

bool Checker::return_to_caller() {
  const Reg result = state().reg(0);
  if (result.type == RegType::kStack) {
    return reject("cannot return stack pointer to the caller");
  }
  if (log_.on()) {
    log_.print("returning from callee:\n{}\n", frame_text(state(), state().depth(), object_, ~0u, ~u64{0}));
  }
  const bool from_callback = state().frame().in_callback;
  if (from_callback && !leave_callback()) {
    return false;
  }
  next_ = state().frame().callsite + (from_callback ? 0 : 1);
  state().frames.pop_back();
  if (from_callback) {
    state().insn = next_;
    widen_turn();
  } else {
    state().reg(0) = result;
  }
  if (log_.on()) {
    log_.print("to caller at {}:\n{}\n", next_, frame_text(state(), state().depth(), object_, ~0u, ~u64{0}));
  }
  new_path_ = true;
  touched_regs_ = 0;
  touched_slots_ = 0;
  return true;
}

/// The instruction may end a subprogram, as a tail call does, or a packet load beyond the packet: then its
/// caller goes on with `result`. The other way, to the next instruction, is explored later.
bool Checker::return_early(const Reg& result, bool moves_packet) {
  if (state().frames.size() == 1) {
    return true;
  }
  if (state().frame().in_callback) {
    return reject("cannot {} within callback", moves_packet ? "tail call" : "use BPF_LD_[ABS|IND]");
  }
  auto onward = std::make_unique<State>(state());
  onward->last_insn = insn_;
  onward->insn = insn_ + 1;
  push_branch(std::move(onward));
  state().trace.back().returns_early = true;
  if (moves_packet) {
    forget_packet_pointers();
  }
  set_reg(0, result);
  return return_to_caller();
}

/// \param number  the register that holds it: R0, or R1 of an exception.
bool Checker::check_return_value(unsigned number) {
  const u32 subprogram = state().frame().subprogram;
  const bool ends_subprogram = subprogram != 0 && !structure_.subprograms[subprogram].catches;
  const Operation* operation = traced_ ? traced_->operation() : nullptr;
  const bool returns_nothing = operation != nullptr ? kernel_types()->target(operation->proto) == 0
                                                    : rules_.attach == AttachType::kLsmMac && !rules_.return_range;
  if (returns_nothing && !ends_subprogram) {
    return true;
  }
  if (!check_readable(number)) {
    return false;
  }
  const Reg result = state().reg(number);
  if (state().frame().in_async_callback) {
    const ReturnRange range{state().frame().return_min, state().frame().return_max};
    return result.is_scalar() ? check_range(number, range, "At async callback return")
                              : reject("At async callback return the register R{} is not a known value ({})", number,
                                       type_name(result));
  }
  if (ends_subprogram && !result.is_scalar()) {
    return reject("At subprogram exit the register R{} is not a scalar value ({})", number, type_name(result));
  }
  if (ends_subprogram || !rules_.return_range) {
    return true;
  }
  const ReturnRange range = *rules_.return_range;
  if (!result.is_scalar()) {
    return reject("At program exit the register R{} is not a known value ({})", number, type_name(result));
  }
  return check_range(number, range, "At program exit");
}

/// \param when  "At program exit", ...
bool Checker::check_range(unsigned number, const ReturnRange& range, const char* when) {
  const Reg result = state().reg(number);
  make_precise(number);
  const s64 low = range.of_low_half ? result.bounds.h.smin : result.bounds.w.smin;
  const s64 high = range.of_low_half ? result.bounds.h.smax : result.bounds.w.smax;
  if (low >= range.min && high <= range.max) {
    return true;
  }
  const s64 lowest = range.of_low_half ? std::numeric_limits<s32>::min() : std::numeric_limits<s64>::min();
  const s64 highest = range.of_low_half ? std::numeric_limits<s32>::max() : std::numeric_limits<s64>::max();
  std::string has;
  has += low != lowest ? fmt::format(" smin={}", low) : "";
  has += high != highest ? fmt::format(" smax={}", high) : "";
  return reject("{} the register R{} has{} should have been in [{}, {}]",
                when, number, has.empty() ? " unknown scalar value" : has, range.min, range.max);
}

Step Checker::execute_exit() {
  const bool ends = state().frames.size() == 1;
  if (!check_nothing_held("BPF_EXIT instruction in main prog", ends, ends)) {
    return Step::kReject;
  }
  if (state().frames.size() > 1) {
    return return_to_caller() ? Step::kNext : Step::kReject;
  }
  return check_return_value(0) ? Step::kEnd : Step::kReject;
}

}  // namespace kiln::verifier
