// SPDX-License-Identifier: Apache-2.0
//
// From programs to an image: which programs go in, one after another through the passes, then linked.
//
//   View -> Values -> Steps -> liveness -> Codegen, per program; Emitter::link() for all.
#include <algorithm>
#include <memory>
#include <set>

#include <fmt/format.h>

#include <kiln/core_image.h>

#include "codegen.h"

namespace kiln {
namespace lowering {
namespace {

const Facts kNoFacts;

/// One program, up to what can be emitted.
struct Prepared {
  View view;
  Steps steps;
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
      KILN_TRY(prepare_targets(object_.programs[entry].type));
    }
    note_use();
    return emit(entry);
  }

 private:
  const Facts& facts_of(std::size_t program) const {
    return program < facts_.size() ? facts_[program] : kNoFacts;
  }

  Result<void> prepare(std::uint32_t index) {
    auto view = View::create(object_, index, facts_of(index), maps_);
    if (!view) {
      return view.error();
    }
    auto prepared = std::make_unique<Prepared>(Prepared{.view = std::move(view).value(), .steps = {}});
    const Values values(prepared->view);
    auto steps = make_steps(prepared->view, values);
    if (!steps) {
      return steps.error();
    }
    prepared->steps = std::move(steps).value();
    find_live(prepared->view, prepared->steps);
    programs_[index] = std::move(prepared);
    return {};
  }

  static bool has_tail_calls(const Prepared& prepared) {
    return std::any_of(prepared.steps.plans.begin(), prepared.steps.plans.end(),
                       [](const CallPlan& plan) { return plan.helper == Helper::tail_call; });
  }

  /// Any verified program of the same type may be put into a prog array. One that the NIC can't run
  /// is an error if the object itself puts it there; otherwise calls of it find an empty slot.
  Result<void> prepare_targets(ProgramType type) {
    std::set<std::uint32_t> wanted;
    for (const MapSpec& map : object_.maps) {
      for (const MapSpec::Slot& slot : map.slots) {
        if (map.type == MapType::kProgArray) {
          wanted.insert(slot.target);
        }
      }
    }
    for (std::uint32_t i = 0; i < programs_.size(); ++i) {
      if (programs_[i] != nullptr || object_.programs[i].type != type || facts_of(i).empty()) {
        continue;
      }
      const auto result = prepare(i);
      if (!result && wanted.contains(i)) {
        return result.error();
      }
    }
    return {};
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
    std::vector<Label> entries(programs_.size(), kNoLabel);
    for (std::uint32_t i = 0; i < programs_.size(); ++i) {
      emitter.start_prologue(i);
      if (programs_[i] == nullptr) {
        emitter.emit(core(CoreOp::JR, 0, kScratch2, 0, 0));  // back to the tail call
      } else {
        entries[i] = emitter.make_label();
        emitter.jump(entries[i]);
      }
    }
    for (std::uint32_t i = 0; i < programs_.size(); ++i) {
      if (programs_[i] != nullptr) {
        KILN_TRY(Codegen(programs_[i]->view, programs_[i]->steps, emitter, use_).run(entries[i]));
      }
    }
    return emitter.link(entries[entry], options_.imem_words);
  }

  const Object& object_;
  std::span<const Facts> facts_;
  std::span<const CoreMap> maps_;
  const LowerOptions& options_;
  std::vector<std::unique_ptr<Prepared>> programs_;  ///< nullptr: not in the image
  ImageUse use_;
};

}  // namespace
}  // namespace lowering

Result<CoreImage> lower(const Object& object, std::span<const Facts> facts, std::size_t entry,
                        std::span<const CoreMap> maps, const LowerOptions& options) {
  return lowering::ImageMaker(object, facts, maps, options).make(entry);
}

}  // namespace kiln
