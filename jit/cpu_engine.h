// SPDX-License-Identifier: Apache-2.0
//
// What the two CPU engines have in common: loading an object, giving a frame to a program, measuring.
//
// A derived engine prepares the decoded programs (nothing, or machine code) and executes one frame.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <kiln/btf.h>
#include <kiln/engine.h>

#include "helper_runtime.h"
#include "measure.h"

namespace kiln {

class CpuEngine : public Engine {
 public:
  Result<void> load(const VerifiedObject& object, std::size_t entry, MapSet maps,
                    const Environment& environment) override;
  Result<Outcome> run(const Frame& frame) override;
  Result<MapSet> maps() override;
  Result<Throughput> measure(std::span<const Frame> frames, const MeasureOptions& options) override;
  /// make_sibling().
  Result<std::unique_ptr<Engine>> sibling(std::uint32_t cpu);

 protected:
  /// Which helpers it has (helpers.def).
  virtual EngineSet helper_set() const = 0;
  /// How its programs address memory. \param trusted  every program that can run was verified.
  virtual AddressSpaceKind address_space(bool trusted) const = 0;
  /// Called once per load(), when runtime() and programs() are complete.
  /// \param object  as load() has it; its Facts are there only meanwhile.
  virtual Result<void> prepare(const VerifiedObject& object) = 0;
  /// An engine of the same kind, not loaded; nullptr: programs of this kind are run by one thread.
  virtual std::unique_ptr<CpuEngine> another() const { return nullptr; }
  /// prepare() of an engine that another() made, from what this one prepared. \param first  of the same class.
  virtual Result<void> adopt(const CpuEngine&) { return {}; }
  /// Runs the entry program on the frame that is in frame memory. \return R0.
  virtual Result<std::uint64_t> execute() = 0;
  /// The timed part of measure(). \param empty  instead of the program one that returns at once, all else the same.
  virtual Result<TimedRound> time_round(const FrameRack& rack, double seconds, bool empty) = 0;
  /// Instructions executed so far by all runs, 0 if it does not count.
  virtual std::uint64_t executed() const = 0;

  HelperRuntime& runtime() { return *runtime_; }
  const std::vector<Code>& programs() const { return programs_; }
  std::size_t entry() const { return entry_; }
  /// What run() reports after execute(). \param before  executed() then.
  Result<Outcome> outcome(const Result<std::uint64_t>& r0, std::uint64_t before);
  /// Puts a frame into frame memory, as run() does, and begins it. \errors kInput: it does not fit.
  Result<void> place(const Frame& frame);
  /// Whether measure() has to put the frame's bytes back after each run, unless the rack says of a frame that it comes back by itself.
  bool restores_frames() const;

 private:
  Result<void> make_machine(const Program& program, std::shared_ptr<MapSet> maps, const Environment& environment);
  Result<void> check_loaded() const;
  /// Whether a second run finds the frame as the first did, or makes it so. Runs the program twice.
  bool comes_back(const Frame& frame);
  Result<void> check_frame(const Frame& frame) const;
  /// What the run left, into the outcome, whose code is there.
  void take_frame(Outcome& outcome) const;
  Result<std::vector<Code>> decode(const VerifiedObject& object, std::size_t entry, MapSet& maps) const;

  std::vector<Code> programs_;
  std::size_t entry_ = 0;
  LowPages pages_;
  FrameMemory frame_;
  FrameRest rest_;
  std::shared_ptr<const Btf> types_;  ///< the object's own, if it has any and some kernel function may ask for them
  std::unique_ptr<HelperRuntime> runtime_;
};

}  // namespace kiln
