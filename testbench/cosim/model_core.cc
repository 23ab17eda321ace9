// SPDX-License-Identifier: Apache-2.0
//
// The functional model as the core under test.
#include <optional>

#include "core_model.h"
#include "harness.h"

namespace kiln::cosim {
namespace {

constexpr std::uint32_t kImemWords = 65536;

class ModelCore final : public Core {
 public:
  explicit ModelCore(const CoreOptions& options) : options_{.busy = options.busy} {}

  Result<CoreImage> load(const VerifiedObject& object, std::size_t entry, const MapSet& maps,
                         const Environment& environment) override {
    auto image = lower(*object.object, object.facts, entry, core_maps(maps),
                       {.imem_words = kImemWords,
                        .window_bytes = environment.window_bytes,
                        .stage = stage_offset(maps),
                        .stage_bytes = kStageBytes});
    if (image) {
      model_.emplace(*image, maps, environment, options_);
    }
    return image;
  }

  Result<Outcome> run(const Frame& frame, std::vector<RetireRecord>& records) override {
    return model_->run(frame, records);
  }

  Result<MapSet> maps() override { return model_->maps(); }

 private:
  ModelOptions options_;
  std::optional<CoreModel> model_;
};

}  // namespace

std::unique_ptr<Core> make_core(const CoreOptions& options) { return std::make_unique<ModelCore>(options); }

std::size_t budget(std::size_t wanted) { return wanted; }

bool takes(std::size_t) { return true; }

}  // namespace kiln::cosim
