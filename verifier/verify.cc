// SPDX-License-Identifier: Apache-2.0
//
// The way in: shape first, then all paths of the program, then of each global function, then the
// stack across calls. The order is the kernel's, so that the first reason found is the same.
#include <kiln/verifier.h>

#include <algorithm>
#include <chrono>

#include "checker.h"
#include "explain.h"
#include "helper_rules.h"

namespace kiln::verifier {

Checker::Checker(const Object& object, const Program& program, const VerifyOptions& options)
    : object_(object),
      program_(program),
      options_(options),
      stack_liveness_(program, structure_),
      loops_(structure_),
      facts_(program, structure_),
      log_(options.log_level) {}

void Checker::fail(std::string message) {
  KILN_CHECK(!failed_);  // the first reason ends everything
  failed_ = true;
  failed_insn_ = insn_;
  log_.print("{}\n", message);
  message_ = std::move(message);
}

/// A path at the entry of a subprogram that has no caller.
void Checker::start(u32 subprogram) {
  current_ = std::make_unique<State>();
  Frame frame;
  frame.subprogram = subprogram;
  frame.instance = stack_liveness_.root(subprogram);
  frame.regs[kFramePointer] = Reg::pointer(RegType::kStack);
  frame.regs[1] = Reg::pointer(RegType::kCtx);
  current_->frames.push_back(std::move(frame));
  current_->sleepable = rules_.sleepable;
  current_->insn = structure_.subprograms[subprogram].start;
  current_->last_insn = current_->insn;
  entry_ = subprogram;
  jumps_at_checkpoint_ = processed_at_checkpoint_ = jumps_ = 0;
  for (auto& states : seen_) {
    states.clear();
  }
  retired_.clear();
  loops_.clear();
  new_path_ = false;
  touched_regs_ = ~0u;
  touched_slots_ = ~u64{0};
}

bool Checker::check_main() {
  start(0);
  return explore();
}

bool Checker::check_global_functions() {
  // A global function may call further ones, so look again until nothing new is called.
  std::vector<bool> done(structure_.subprograms.size());
  for (bool again = true; again;) {
    again = false;
    for (u32 i = 1; i < structure_.subprograms.size(); ++i) {
      const SubprogramInfo& sub = structure_.subprograms[i];
      if (!sub.is_global || done[i] || !(global_called_[i] || sub.catches)) {
        continue;
      }
      done[i] = again = true;
      start(i);
      insn_ = sub.start;
      const Signature& signature = signature_of(i);
      if (!signature.defect.empty()) {
        return reject("{}", signature.defect);
      }
      log_.print("Validating {}() func#{}...\n", sub.name, i);
      if (sub.catches && (signature.arguments.size() != 1 || !signature.arguments[0].is_scalar())) {
        return reject("exception cb only supports single integer argument");
      }
      state().reg(1) = Reg{};
      for (std::size_t k = 0; k < signature.arguments.size(); ++k) {
        Reg reg = signature.arguments[k];
        reg.id = reg.maybe_null || reg.type == RegType::kDynptr ? new_id() : 0;
        state().reg(static_cast<unsigned>(k) + 1) = reg;
      }
      if (!explore()) {
        return false;
      }
      log_.print("Func#{} ('{}') is safe for any args that match its prototype\n", i, sub.name);
    }
  }
  return true;
}

void Checker::fill_statistics(VerifyResult& result) {
  if (log_.statistics()) {
    log_.print("verification time {} usec\nstack depth ", static_cast<u64>(result.time_us));
    for (std::size_t i = 0; i < stack_depth_.size(); ++i) {
      log_.print("{}{}", i == 0 ? "" : "+", stack_depth_[i]);
    }
    log_.print("\n");
  }
  log_.print("processed {} insns (limit {}) max_states_per_insn {} total_states {} peak_states {} mark_read {}\n",
             processed_, options_.insn_limit, max_states_at_slot_, total_states_, peak_states_, 0);
  result.processed = processed_;
  result.total_states = total_states_;
  result.peak_states = peak_states_;
  result.max_states_per_insn = max_states_at_slot_;
  result.peak_bytes = memory_.peak;
  for (const u32 bytes : stack_depth_) {
    result.stack_bytes += bytes;
  }
}

/// Bytes of stack in Program's order of subprograms; in ours if the program lists none.
std::vector<u32> Checker::stack_depths() const {
  std::vector<u32> depths;
  for (const Subprogram& sub : program_.subprograms) {
    const s64 index = structure_.subprogram_at(sub.start);
    depths.push_back(index < 0 ? 0 : stack_depth_[static_cast<std::size_t>(index)]);
  }
  return depths.empty() ? stack_depth_ : depths;
}

/// What may end a subprogram in the middle needs one whose result is a number.
bool Checker::check_abnormal_returns() {
  if (object_.btf.empty()) {
    return true;  // no prototypes to go by, as in programs made of instructions only
  }
  for (std::size_t i = 1; i < structure_.subprograms.size(); ++i) {
    const SubprogramInfo& sub = structure_.subprograms[i];
    const auto begin = structure_.code.begin() + sub.start, end = structure_.code.begin() + sub.end;
    const bool loads = std::any_of(begin, end, [](const Decoded& d) { return d.info != nullptr && d.form == Form::kLdPacket; });
    if (!loads && !sub.tail_calls) {
      continue;
    }
    insn_ = sub.start;
    const char* what = loads ? "LD_ABS" : "tail_call";
    const Btf* types = program_types();
    if (sub.btf_func == 0 || types == nullptr) {
      return reject("{} is not allowed in subprogs without BTF", what);
    }
    const auto result = types->strip(types->target(types->target(sub.btf_func)));
    const bool number = result && *result != 0 && (types->kind(*result) == BtfKind::kInt || types->is_enum(*result));
    if (!number) {
      return reject("{} is only allowed in functions that return 'int'.", what);
    }
  }
  return true;
}

bool Checker::calls_kfuncs() const {
  return std::any_of(program_.insns.begin(), program_.insns.end(), [](const Insn& insn) {
    const InsnInfo* info = find_insn(insn);
    return info != nullptr && info->op == Op::CALL_KFUNC;
  });
}

bool Checker::may_sleep() const {
  switch (program_.type) {
    case ProgramType::kTracing:
      return rules_.attach != AttachType::kTraceRawTp;
    case ProgramType::kLsm:
    case ProgramType::kKprobe:
    case ProgramType::kStructOps:
    case ProgramType::kSyscall:
      return true;
    default:
      return false;
  }
}

/// REQUIRES: rules_ are those of a program that watches a function.
bool Checker::find_traced_function() {
  auto found = TracedFunction::find(program_, rules_.attach, kernel_types());
  if (const auto* reason = std::get_if<std::string>(&found)) {
    return reject("{}", *reason);
  }
  traced_ = std::get<TracedFunction>(std::move(found));
  rules_.return_range = traced_->return_range();
  return true;
}

VerifyResult Checker::run() {
  VerifyResult result;
  const auto rules = program_rules(program_);
  rules_ = rules.value_or(ProgramRules{});
  // Finding things in the kernel's types is no part of verifying: they are there before, and for all programs.
  const Btf* kernel = rules_.watches_function || calls_kfuncs() ? kernel_types() : nullptr;
  const bool licensed = program_.type != ProgramType::kStructOps || is_gpl_compatible(object_.license);
  const bool knows_function = !licensed || !rules_.watches_function || find_traced_function();
  const auto began = std::chrono::steady_clock::now();
  if (program_.type == ProgramType::kUnspec) {
    reject("missing BPF prog type, check ELF section name '{}'", program_.section);
  } else if (!rules) {
    reject("program type {} is not supported by this verifier", program_type_name(program_.type));
  } else if (!licensed) {
    reject("struct ops programs must have a GPL compatible license");
  } else if (!knows_function) {
    // Refused already.
  } else if (rules_.sleepable && !may_sleep()) {
    reject("Only fentry/fexit/fmod_ret, lsm, iter, uprobe, and struct_ops programs can be sleepable");
  } else if (const auto defect = analyse_structure(program_, program_types(), kernel, structure_)) {
    insn_ = defect->insn;
    reject("{}", defect->message);
  } else {
    seen_.resize(program_.insns.size());
    stack_depth_.resize(structure_.subprograms.size());
    signatures_.resize(structure_.subprograms.size());
    global_called_.resize(structure_.subprograms.size());
    async_callback_.resize(structure_.subprograms.size());
    visited_.resize(program_.insns.size());
    region_.resize(program_.insns.size());
    facts_.begin();
    log_shape();
    result.accepted = check_abnormal_returns() && check_main() && check_global_functions() && check_stack_depth();
  }
  result.time_us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began).count();
  fill_statistics(result);
  if (!result.accepted) {
    result.explanation = verifier::explain({object_, program_, structure_, current_.get(), message_, failed_insn_});
  }
  if (result.accepted) {
    result.facts = facts_.finish(stack_depths());
  }
  result.message = message_;
  result.insn = failed_insn_;
  result.log = log_.take();
  return result;
}

}  // namespace kiln::verifier

namespace kiln {

VerifyResult verify(const Object& object, const Program& program, const VerifyOptions& options) {
  return verifier::Checker(object, program, options).run();
}

}  // namespace kiln
