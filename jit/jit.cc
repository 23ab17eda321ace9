// SPDX-License-Identifier: Apache-2.0
//
// The JIT as an Engine, the raw run, and the listing. Machine code is made in emit_code.cc and what it includes.
#include <optional>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>

#include "cpu_engine.h"
#include "ir_compile.h"
#include "jit_code.h"
#include "raw.h"

namespace kiln {
namespace {

Error fault_of(const HelperRuntime& machine, const Program* program) {
  return Error{Errc::kFault, fmt::format("{}: {}", describe_slot(program, machine.slot), machine.fault_message),
               machine.slot};
}

/// Callbacks of helpers into emitted code.
class JitFunctionCaller final : public FunctionCaller {
 public:
  JitFunctionCaller(const JitCode& code, const std::vector<Code>& programs, HelperRuntime& machine)
      : code_(code), programs_(programs), machine_(machine) {
    machine.functions = this;
  }

  std::uint64_t call(std::uint64_t address, const FunctionArguments& arguments) override {
    const std::uint32_t program = machine_.program;
    const CallxTarget target = resolve_callx(address, programs_[program], machine_);
    if (machine_.faulted != 0 || target.helper != 0) {
      return machine_.fault("a callback that is not a function of the program");
    }
    if (machine_.call_depth >= kMaxCallFrames - 1) {
      return machine_.fault(fmt::format("call of a function while {} are active", kMaxCallFrames));
    }
    const std::uint64_t callee_stack = machine_.callee_stack;  // the callback may call helpers that call back
    ++machine_.call_depth;
    const std::uint64_t result = code_.invoke(&machine_, code_.functions[program][target.function], &arguments);
    --machine_.call_depth;
    machine_.callee_stack = callee_stack;
    machine_.program = program;
    return result;
  }

 private:
  const JitCode& code_;
  const std::vector<Code>& programs_;
  HelperRuntime& machine_;
};

/// \errors kUsage: no such pass or processor.
Result<JitOptions> options_from(const JitSettings& settings) {
  auto passes = ir::PassSet::parse(settings.passes);
  if (!passes) {
    return passes.error();
  }
  Processor processor = Processor::kHost;
  if (settings.processor == "x86-64") {
    processor = Processor::kX86_64;
  } else if (settings.processor == "aarch64") {
    processor = Processor::kAArch64;
  } else if (!settings.processor.empty()) {
    return Error{Errc::kUsage, fmt::format("no processor '{}': there are x86-64 and aarch64", settings.processor)};
  }
  return JitOptions{.processor = processor, .harden = settings.harden, .perf_map = settings.perf_map, .optimise = settings.optimise, .passes = *passes};
}

class Jit final : public CpuEngine {
 public:
  explicit Jit(JitSettings settings) : settings_(std::move(settings)) {}

  std::string_view name() const override { return "jit"; }

 protected:
  EngineSet helper_set() const override { return kJit; }

  AddressSpaceKind address_space(bool trusted) const override {
    return trusted ? AddressSpaceKind::kHostTrusted : AddressSpaceKind::kHost;
  }

  Result<void> prepare(const VerifiedObject& object) override {
    auto options = options_from(settings_);
    if (!options) {
      return options.error();
    }
    runtime().maps.index_prefixes();
    auto code = emit_code({.programs = programs(), .entry = entry(), .maps = runtime().maps, .cpu = runtime().cpu(), .facts = object.facts}, *options);
    if (!code) {
      return code.error();
    }
    code_ = std::make_shared<const JitCode>(std::move(*code));
    caller_.emplace(*code_, programs(), runtime());
    return {};
  }

  std::unique_ptr<CpuEngine> another() const override { return std::make_unique<Jit>(settings_); }
  Result<void> adopt(const CpuEngine& first) override {
    code_ = static_cast<const Jit&>(first).code_;
    caller_.emplace(*code_, programs(), runtime());
    return {};
  }

  Result<std::uint64_t> execute() override {
    const std::uint64_t r0 = code_->enter(&runtime());
    if (runtime().faulted != 0) {
      return fault_of(runtime(), programs()[runtime().program].program);
    }
    return r0;
  }

  Result<TimedRound> time_round(const FrameRack& rack, double seconds, bool empty) override {
    HelperRuntime& machine = runtime();
    const auto enter = empty ? code_->enter_empty : code_->enter;
    const TimedRound round = time_frames(machine, rack, seconds, restores_frames(), [&machine, enter] {
      enter(&machine);
      return machine.faulted == 0;
    });
    if (machine.faulted != 0) {
      return fault_of(machine, programs()[machine.program].program);
    }
    return round;
  }

  std::uint64_t executed() const override { return 0; }

 private:
  JitSettings settings_;
  std::shared_ptr<const JitCode> code_;  ///< siblings have the same
  std::optional<JitFunctionCaller> caller_;
};

}  // namespace

std::unique_ptr<Engine> make_jit(const JitSettings& settings) { return std::make_unique<Jit>(settings); }

Result<std::uint64_t> run_raw_jit(std::span<const Insn> insns, std::span<std::byte> memory) {
  auto code = decode_program(insns, nullptr, nullptr, kJit, 0);
  if (!code) {
    return code.error();
  }
  auto machine = RawMachine::make(memory, AddressSpaceKind::kHost);
  if (!machine) {
    return machine.error();
  }
  std::vector<Code> programs;
  programs.push_back(std::move(*code));
  HelperRuntime& runtime = (*machine)->runtime();
  auto emitted = emit_code({.programs = programs, .entry = 0, .maps = runtime.maps}, {});
  if (!emitted) {
    return emitted.error();
  }
  const JitFunctionCaller caller(*emitted, programs, runtime);
  const std::uint64_t r0 = emitted->enter(&runtime);
  if (runtime.faulted != 0) {
    return fault_of(runtime, nullptr);
  }
  return r0;
}

Result<std::string> disassemble_jit(const VerifiedObject& object, std::size_t program, MapSet maps,
                                    const JitSettings& settings) {
  auto options = options_from(settings);
  if (!options) {
    return options.error();
  }
  KILN_CHECK(object.object != nullptr && program < object.object->programs.size());
  const Program& source = object.object->programs[program];
  const Facts* facts = program < object.facts.size() ? &object.facts[program] : nullptr;
  auto code = decode_program(source.insns, &source, facts, kJit, maps.size(), object.object->kernel_types.get());
  if (!code) {
    return code.error();
  }
  std::vector<Code> programs;
  programs.push_back(std::move(*code));
  std::string listing;
  options->listing = &listing;
  const std::span<const Facts> with = facts != nullptr ? std::span(facts, 1) : std::span<const Facts>();
  auto emitted = emit_code({.programs = programs, .entry = 0, .maps = maps, .facts = with}, *options);
  if (!emitted) {
    return emitted.error();
  }
  return listing;
}

Result<std::string> disassemble_ir(const VerifiedObject& object, std::size_t program, MapSet maps,
                                   const JitSettings& settings) {
  KILN_CHECK(object.object != nullptr && program < object.object->programs.size());
  auto options = options_from(settings);
  if (!options) {
    return options.error();
  }
  const Program& source = object.object->programs[program];
  auto code = decode_program(source.insns, &source, &object.facts[program], kJit, maps.size(), object.object->kernel_types.get());
  if (!code) {
    return code.error();
  }
  std::vector<MapView> views;
  for (std::size_t map = 0; map < maps.size(); ++map) {
    views.push_back(maps.view(map));
  }
  std::string text;
  for (std::uint32_t number = 0; number < code->functions.size(); ++number) {
    auto compiled = compile_ir(*code, object.facts[program], number, {.maps = maps, .views = views}, options->passes, true);
    if (!compiled) {
      return compiled.error();
    }
    text += ir::to_text(*compiled);
  }
  return text;
}

}  // namespace kiln
