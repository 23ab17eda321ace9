// SPDX-License-Identifier: Apache-2.0
//
// From emitter to memory, for whichever processor.
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "a64_emitter.h"
#include "jit_emitter.h"

namespace kiln {
namespace {

Error asmjit_error(asmjit::Error error) {
  return Error{Errc::kInternal, fmt::format("asmjit: {}", asmjit::DebugUtils::errorAsString(error))};
}

/// asmjit reports through this; the first error is kept.
class ErrorKeeper final : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter*) override {
    if (first == asmjit::kErrorOk) {
      first = error;
      text = message;
    }
  }
  asmjit::Error first = asmjit::kErrorOk;
  std::string text;
};

/// perf's format: address and length in hexadecimal, then the name. A file that can't be written is no loss to the program.
void write_perf_map(const JitInput& input, const JitCode& code, const std::byte* start, std::size_t bytes) {
  const auto address = [](const auto* at) { return reinterpret_cast<std::uintptr_t>(at); };
  std::map<std::uintptr_t, std::string> names = {{address(start), "kiln:enter"}};
  for (std::size_t program = 0; program < code.functions.size(); ++program) {
    const Program* source = input.programs[program].program;
    for (std::size_t number = 0; number < code.functions[program].size(); ++number) {
      // Function 0 is entered as the body.
      const void* at = number == 0 ? code.bodies[program] : code.functions[program][number];
      const std::string name = source == nullptr ? "raw" : number == 0 ? source->name : source->name + ":" + source->subprograms[number].name;
      if (at != nullptr) {
        names[address(static_cast<const std::byte*>(at))] = "bpf:" + name;
      }
    }
  }
  std::ofstream out(fmt::format("/tmp/perf-{}.map", ::getpid()), std::ios::app);
  for (auto name = names.begin(); name != names.end(); ++name) {
    const auto next = std::next(name);
    const std::uintptr_t end = next == names.end() ? address(start) + bytes : next->first;
    out << fmt::format("{:x} {:x} {}\n", name->first, end - name->first, name->second);
  }
}

}  // namespace

Result<JitCode> emit_code(const JitInput& input, const JitOptions& options) {
  const asmjit::Environment host = asmjit::Environment::host();
  asmjit::Environment environment = host;
  if (options.processor != Processor::kHost) {
    environment.setArch(options.processor == Processor::kX86_64 ? asmjit::Arch::kX64 : asmjit::Arch::kAArch64);
  }
  const bool is_a64 = environment.arch() == asmjit::Arch::kAArch64;
  if (!is_a64 && environment.arch() != asmjit::Arch::kX64) {
    return Error{Errc::kUnavailable, "the JIT emits x86-64 and AArch64 code, and this is another processor"};
  }
  if (is_a64 && options.harden) {
    return Error{Errc::kUnsupported, "constants are hidden in x86-64 code only, not in AArch64 code"};
  }
  ErrorKeeper errors;
  asmjit::StringLogger logger;
  asmjit::CodeHolder holder;
  holder.init(environment);
  holder.setErrorHandler(&errors);
  if (options.listing != nullptr) {
    holder.setLogger(&logger);
  }
  std::vector<MapView> views;
  for (std::size_t map = 0; map < input.maps.size(); ++map) {
    views.push_back(input.maps.view(map));
  }
  std::unique_ptr<ProgramEmitter> emitter;
  if (is_a64) {
    emitter = std::make_unique<A64Emitter>(input, options, views, holder);
  } else {
    emitter = std::make_unique<JitEmitter>(input, options, views, holder);
  }
  KILN_TRY(emitter->emit());
  if (errors.first != asmjit::kErrorOk) {
    return Error{Errc::kInternal, "asmjit: " + errors.text};
  }
  if (asmjit::Error error = holder.flatten()) {
    return asmjit_error(error);
  }
  if (asmjit::Error error = holder.resolveUnresolvedLinks()) {
    return asmjit_error(error);
  }
  if (options.listing != nullptr) {
    options.listing->assign(logger.data(), logger.dataSize());
  }
  if (environment.arch() != host.arch()) {
    return JitCode();  // to be looked at only
  }
  auto pages = CodePages::map(holder.codeSize());
  if (!pages) {
    return pages.error();
  }
  if (asmjit::Error error = holder.relocateToBase(reinterpret_cast<std::uint64_t>(pages->data()))) {
    return asmjit_error(error);
  }
  holder.copyFlattenedData(pages->data(), holder.codeSize());
  KILN_TRY(pages->seal());
  JitCode code;
  const auto at = [&](const asmjit::Label& label) { return pages->data() + holder.labelOffset(label); };
  code.enter = reinterpret_cast<decltype(code.enter)>(at(emitter->enter_label()));
  code.enter_empty = reinterpret_cast<decltype(code.enter_empty)>(at(emitter->enter_empty_label()));
  code.invoke = reinterpret_cast<decltype(code.invoke)>(at(emitter->invoke_label()));
  for (std::size_t program = 0; program < input.programs.size(); ++program) {
    const bool runs = !input.programs[program].insns.empty();
    code.bodies.push_back(runs ? at(emitter->bodies()[program]) : nullptr);
    auto& functions = code.functions.emplace_back();
    for (const asmjit::Label& label : emitter->functions()[program]) {
      functions.push_back(runs ? at(label) : nullptr);
    }
  }
  if (options.perf_map) {
    write_perf_map(input, code, pages->data(), holder.codeSize());
  }
  code.pages = std::move(*pages);
  code.views = std::move(views);
  return code;
}

}  // namespace kiln
