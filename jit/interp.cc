// SPDX-License-Identifier: Apache-2.0
//
// The interpreter as an Engine. What instructions do is in interp_machine.cc.
#include <optional>

#include <kiln/cpu_engines.h>

#include "cpu_engine.h"
#include "interp_machine.h"

namespace kiln {
namespace {

class Interp final : public CpuEngine {
 public:
  explicit Interp(StepObserver observer) : observer_(std::move(observer)) {}

  std::string_view name() const override { return "interp"; }

 protected:
  EngineSet helper_set() const override { return kInterp; }
  AddressSpaceKind address_space(bool) const override { return AddressSpaceKind::kTagged; }

  Result<void> prepare(const VerifiedObject&) override {
    machine_.emplace(programs(), runtime(), observer_ ? &observer_ : nullptr);
    return {};
  }

  Result<std::uint64_t> execute() override { return machine_->run(static_cast<std::uint32_t>(entry())); }

  Result<TimedRound> time_round(const FrameRack& rack, double seconds) override {
    std::optional<Error> failed;
    const TimedRound round = time_frames(runtime(), rack, seconds, restores_frames(), [&] {
      if (const Result<std::uint64_t> r0 = execute(); !r0) {
        failed = r0.error();
      }
      return !failed;
    });
    if (failed) {
      return *failed;
    }
    return round;
  }

  std::uint64_t executed() const override { return machine_ ? machine_->executed() : 0; }

 private:
  StepObserver observer_;
  std::optional<InterpMachine> machine_;
};

}  // namespace

std::unique_ptr<Engine> make_interp() { return make_interp(StepObserver()); }

std::unique_ptr<Engine> make_interp(StepObserver observer) { return std::make_unique<Interp>(std::move(observer)); }

}  // namespace kiln
