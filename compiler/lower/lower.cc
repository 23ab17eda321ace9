// SPDX-License-Identifier: Apache-2.0
//
// From programs to an image: which programs go in, one after another through the passes, then linked.
//
//   View -> Values -> Steps -> liveness -> Codegen, per program; Emitter::link() for all.
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include <fmt/format.h>

#include <kiln/core_image.h>

#include "codegen.h"

namespace kiln {
namespace lowering {
namespace {

const Facts kNoFacts;
constexpr std::int32_t kTrapNoProgram = 2;  // TRAP's cause: a tail call of a program that is not in the image

/// One program, up to what can be emitted.
struct Prepared {
  View view;
  Steps steps;
  CallShape calls;
};

class ImageMaker {
 public:
  ImageMaker(const Object& object, std::span<const Facts> facts, std::span<const CoreMap> maps,
             const LowerOptions& options)
      : object_(object), facts_(facts), maps_(maps), options_(options), programs_(object.programs.size()) {}

  Result<CoreImage> make(std::size_t entry) {
    if (entry >= programs_.size()) {
      return Error{Errc::kUsage, fmt::format("there is no program {}", entry)};
    }
    if (maps_.size() != object_.maps.size()) {
      return Error{Errc::kUsage, fmt::format("{} maps are described, the object has {}", maps_.size(), object_.maps.size())};
    }
    KILN_TRY(prepare(static_cast<std::uint32_t>(entry)));
    if (has_tail_calls(*programs_[entry])) {
      KILN_TRY(prepare_targets());
    }
    for (bool again = true; again;) {
      again = false;
      KILN_TRY(check_nesting(static_cast<std::uint32_t>(entry), again));
    }
    note_use();
    return emit(entry);
  }

 private:
  const Facts& facts_of(std::size_t program) const {
    return program < facts_.size() ? facts_[program] : kNoFacts;
  }

  Result<void> prepare(std::uint32_t index) {
    auto view = View::create(object_, index, facts_of(index), maps_, options_);
    if (!view) {
      return view.error();
    }
    auto prepared = std::make_unique<Prepared>(Prepared{.view = std::move(view).value(), .steps = {}, .calls = {}});
    const Values values(prepared->view);
    StepOptions how{.handover = options_.handover && prepared->view.proven()};
    if (const auto forced = forced_.find(index); forced != forced_.end()) {
      how.forced = forced->second;
    }
    auto steps = make_steps(prepared->view, values, how);
    if (!steps) {
      return steps.error();
    }
    prepared->steps = std::move(steps).value();
    find_live(prepared->view, prepared->steps);
    prepared->calls = shape_of_calls(prepared->view, prepared->steps);
    programs_[index] = std::move(prepared);
    return {};
  }

  static bool has_tail_calls(const Prepared& prepared) {
    return std::any_of(prepared.steps.at.begin(), prepared.steps.at.end(), [&](const Step& step) {
      return step.kind == Step::Kind::kHelper &&
             prepared.steps.plans[static_cast<std::size_t>(step.plan)].helper == Helper::tail_call;
    });
  }

  /// What prog arrays hold, if it was verified: nothing else is tail-called (engine.h).
  Result<void> prepare_targets() {
    for (const CoreMap& map : maps_) {
      for (const std::uint32_t program : map.programs) {
        if (program >= programs_.size() || facts_of(program).empty()) {
          has_unproven_targets_ = true;
          continue;
        }
        if (programs_[program] == nullptr) {
          KILN_TRY(prepare(program));
        }
        targets_.insert(program);
      }
    }
    return {};
  }

  /// Tail calls from subprograms keep that subprogram's callers' registers and frames: do all fit?
  /// One that does not becomes a hand-over where there is one; `again` is set then.
  Result<void> check_nesting(std::uint32_t entry, bool& again) {
    needs_functions_ = false;
    for (std::uint32_t i = 0; i < programs_.size(); ++i) {
      if (programs_[i] == nullptr || !programs_[i]->calls.tail_calls_from_subprogram()) {
        continue;
      }
      needs_functions_ = true;
      const CallShape& calls = programs_[i]->calls;
      std::uint32_t slot = 0;
      while (!(programs_[i]->steps.at[slot].kind == Step::Kind::kHelper && !programs_[i]->view.in_main(slot) &&
               programs_[i]->steps.plan(slot).helper == Helper::tail_call)) {
        ++slot;
      }
      if (has_unproven_targets_) {
        return hand_over_at(i, slot, "a tail call from a subprogram, and the programs it may go to are not verified", again);
      }
      for (const std::uint32_t target : targets_) {
        const Prepared& other = *programs_[target];
        const char* problem = nullptr;
        if (other.calls.tail_calls_from_subprogram()) {
          problem = "which tail-calls from a subprogram in turn";
        } else if (calls.recursive || calls.most_levels() + 1 + other.calls.most_levels() > kMostSavedLevels) {
          problem = "and the calls of both are nested too deeply";
        } else if (calls.most_stack(programs_[i]->view) + other.calls.most_stack(other.view) > address::kStackBytes) {
          problem = "and their stacks together are larger than the NIC's";
        }
        if (problem != nullptr && (i == entry || targets_.contains(i))) {
          return hand_over_at(
              i, slot, fmt::format("a tail call from a subprogram may go to '{}', {}", object_.programs[target].name, problem),
              again);
        }
      }
    }
    return {};
  }

  Result<void> hand_over_at(std::uint32_t program, std::uint32_t slot, const std::string& why, bool& again) {
    if (!options_.handover || !programs_[program]->view.proven()) {
      return programs_[program]->view.refuse(slot, why);
    }
    forced_[program][slot] = why;
    again = true;
    return prepare(program);
  }

  void note_use() {
    use_.window_bytes = options_.window_bytes;
    for (const auto& program : programs_) {
      if (program == nullptr) {
        continue;
      }
      for (const CallPlan& plan : program->steps.plans) {
        use_.adjusts_meta |= plan.helper == Helper::xdp_adjust_meta;
        use_.redirects_map |= plan.helper == Helper::redirect_map;
      }
      for (std::uint32_t slot = 0; slot < program->view.slots(); ++slot) {
        use_.reads_meta |= program->steps.at[slot].bpf_live != 0;  // the host is told
        use_.reads_meta |= may_read_meta(*program, slot);
      }
    }
    use_.reads_meta |= use_.adjusts_meta;
  }

  static bool may_read_meta(const Prepared& program, std::uint32_t slot) {
    const Step& step = program.steps.at[slot];
    if (step.kind != Step::Kind::kPlain || step.dropped || program.view.row(slot)->form != Form::kLoad) {
      return false;
    }
    const InsnFact* fact = program.view.fact(slot);
    return fact == nullptr ||
           (has(fact->memory, ValueKind::kContext) && program.view.insn(slot).off == address::kCtxDataMeta);
  }

  Result<CoreImage> emit(std::size_t entry) {
    Emitter emitter;
    const Label start = emitter.make_label();
    const auto programs = static_cast<std::uint32_t>(programs_.size());
    std::vector<Label> entries(2 * programs, kNoLabel);
    for (std::uint32_t i = 0; i < (needs_functions_ ? 2 : 1) * programs; ++i) {
      emitter.start_prologue(i % programs);
      if (targets_.contains(i % programs)) {
        entries[i] = emitter.make_label();
        emitter.jump(entries[i]);
      } else if (i < programs) {
        emitter.emit(core(CoreOp::JR, 0, kScratch2, 0, 0));  // back to the tail call
      } else {
        emitter.emit(core(CoreOp::TRAP, 0, 0, 0, kTrapNoProgram));
      }
    }
    for (std::uint32_t i = 0; i < programs; ++i) {
      if (programs_[i] == nullptr) {
        continue;
      }
      const Prepared& program = *programs_[i];
      const auto generate = [&](Label at, Codegen::Role role) {
        Codegen(program.view, program.steps, program.calls, emitter, use_, role).run(at);
      };
      if (i == entry) {
        emitter.bind(start);
      }
      generate(entries[i] == kNoLabel ? emitter.make_label() : entries[i], Codegen::Role::kProgram);
      if (entries[i + programs] != kNoLabel) {
        generate(entries[i + programs], Codegen::Role::kFunction);
      }
    }
    return emitter.link(start, options_.imem_words);
  }

  const Object& object_;
  std::span<const Facts> facts_;
  std::span<const CoreMap> maps_;
  const LowerOptions& options_;
  std::vector<std::unique_ptr<Prepared>> programs_;  ///< nullptr: not in the image
  std::set<std::uint32_t> targets_;  ///< of tail calls
  std::map<std::uint32_t, std::map<std::uint32_t, std::string>> forced_;  ///< hand-overs by program and slot
  bool has_unproven_targets_ = false;  ///< prog arrays hold programs that are not tail-called
  bool needs_functions_ = false;     ///< some tail call is made from a subprogram
  ImageUse use_;
};

}  // namespace
}  // namespace lowering

Result<CoreImage> lower(const Object& object, std::span<const Facts> facts, std::size_t entry,
                        std::span<const CoreMap> maps, const LowerOptions& options) {
  return lowering::ImageMaker(object, facts, maps, options).make(entry);
}

}  // namespace kiln
