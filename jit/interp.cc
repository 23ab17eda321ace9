// SPDX-License-Identifier: Apache-2.0
//
// The interpreter as an Engine. What instructions do is in interp_machine.cc.
#include <algorithm>
#include <cstring>
#include <optional>

#include <kiln/cpu_engines.h>

#include "cpu_engine.h"
#include "interp_machine.h"

namespace kiln {
namespace {

class Interp : public CpuEngine {
 public:
  explicit Interp(StepObserver observer) : observer_(std::move(observer)) {}

  std::string_view name() const override { return "interp"; }

 protected:
  EngineSet helper_set() const override { return kInterp; }
  AddressSpaceKind address_space(bool) const override { return AddressSpaceKind::kTagged; }

  Result<void> prepare(const VerifiedObject&) override {
    machine_.emplace(programs(), runtime(), observer_ ? &observer_ : nullptr);
    const std::vector<Insn> insns = {Insn{.opcode = 0xb7, .imm = 1}, Insn{.opcode = 0x95}};  // r0 = 1; exit
    auto empty = decode_program(insns, nullptr, nullptr, kInterp, 0);
    if (!empty) {
      return empty.error();
    }
    empty_.assign(1, std::move(*empty));
    return {};
  }

  Result<std::uint64_t> execute() override { return machine_->run(static_cast<std::uint32_t>(entry())); }

  Result<TimedRound> time_round(const FrameRack& rack, double seconds, bool empty) override {
    std::optional<Error> failed;
    FunctionCaller* const functions = runtime().functions;
    std::optional<InterpMachine> nothing;
    if (empty) {
      nothing.emplace(empty_, runtime(), nullptr);
    }
    const TimedRound round = time_frames(runtime(), rack, seconds, restores_frames(), [&] {
      if (const Result<std::uint64_t> r0 = empty ? nothing->run(0) : execute(); !r0) {
        failed = r0.error();
      }
      return !failed;
    });
    runtime().functions = functions;
    if (failed) {
      return *failed;
    }
    return round;
  }

  std::uint64_t executed() const override { return machine_ ? machine_->executed() : 0; }

  InterpMachine& machine() { return *machine_; }

 private:
  StepObserver observer_;
  std::optional<InterpMachine> machine_;
  std::vector<Code> empty_;  ///< what measuring subtracts
};

/// Leaves and enters runs in the middle (run_state.h).
class Resumable final : public ResumableInterp {
 public:
  Result<void> load(const VerifiedObject& object, std::size_t entry, MapSet maps, const Environment& environment,
                    Device* device) override {
    KILN_TRY(engine_.load(object, entry, std::move(maps), environment));
    engine_.runtime().device = device;
    engine_.runtime().maps.attach(device);
    return {};
  }

  Result<Outcome> resume(const RunState& state) override {
    KILN_TRY(check(state));
    engine_.put(state);
    const std::uint64_t before = engine_.executed();
    return engine_.outcome(engine_.machine().resume(state), before);
  }

  Result<RunState> suspend(const Frame& frame, std::uint64_t insns) override {
    KILN_TRY(engine_.place(frame));
    auto state = engine_.machine().suspend(static_cast<std::uint32_t>(engine_.entry()), insns);
    if (state) {
      engine_.get(*state);
    }
    return state;
  }

  MapSet& maps() override { return engine_.runtime().maps; }

 private:
  /// Opens what derived engines see.
  class Opened final : public Interp {
   public:
    Opened() : Interp(StepObserver()) {}
    using CpuEngine::entry;
    using CpuEngine::outcome;
    using CpuEngine::place;
    using CpuEngine::runtime;
    using Interp::executed;
    using Interp::machine;

    void put(const RunState& state) {
      FrameMemory& frame = runtime().frame;
      runtime().begin_frame();
      runtime().tail_calls = state.tail_calls;
      runtime().processor = state.cpu;
      if (state.redirect) {
        runtime().redirect = RedirectTarget{.map = state.redirect->map, .key = state.redirect->key};
      }
      std::copy(state.stack.begin(), state.stack.end(), frame.stack);
      std::memset(frame.window, 0, frame.window_bytes);
      std::copy(state.window.begin(), state.window.end(), frame.window + state.window_start);
      frame.position = {.meta = state.data_meta, .data = state.data, .end = state.data_end};
      if (frame.rest != nullptr) {
        frame.rest->pieces.clear();
      }
      frame.publish();
      frame.context[address::kCtxIngressIfindex / 4] = state.ingress_ifindex;
      frame.context[address::kCtxRxQueueIndex / 4] = state.rx_queue;
      frame.context[address::kCtxEgressIfindex / 4] = state.egress_ifindex;
    }

    void get(RunState& state) {
      const FrameMemory& frame = runtime().frame;
      state.tail_calls = runtime().tail_calls;
      state.cpu = runtime().cpu();
      if (const auto& target = runtime().redirect) {
        state.redirect = RunState::Redirect{.map = target->map, .key = target->key};
      }
      std::copy_n(frame.stack, state.stack.size(), state.stack.begin());
      state.data_meta = frame.position.meta;
      state.data = frame.position.data;
      state.data_end = frame.position.end;
      state.window_start = 0;
      state.window.assign(frame.window, frame.window + frame.window_bytes);
      state.ingress_ifindex = frame.context[address::kCtxIngressIfindex / 4];
      state.rx_queue = frame.context[address::kCtxRxQueueIndex / 4];
      state.egress_ifindex = frame.context[address::kCtxEgressIfindex / 4];
    }
  };

  Result<void> check(const RunState& state) {
    const std::uint32_t window = engine_.runtime().frame.window_bytes;
    const std::uint32_t cpus = engine_.runtime().maps.cpu_count();  // 1: per-CPU maps have one value for all
    if (state.window_start + state.window.size() > window || state.data_end > window ||
        (cpus > 1 && state.cpu >= cpus)) {
      return Error{Errc::kInput, "a saved run state of another machine: its packet window or processor number is larger"};
    }
    return engine_.machine().check_state(state);
  }

  Opened engine_;
};

}  // namespace

std::unique_ptr<Engine> make_interp() { return make_interp(StepObserver()); }

std::unique_ptr<ResumableInterp> make_resumable_interp() { return std::make_unique<Resumable>(); }

std::unique_ptr<Engine> make_interp(StepObserver observer) { return std::make_unique<Interp>(std::move(observer)); }

}  // namespace kiln
