// SPDX-License-Identifier: Apache-2.0
//
// Machine code that Linux's JIT compiler made (compiler/include/kiln/kernel_code.h), run here: what the kernel's own code takes without the loop of
// BPF_PROG_TEST_RUN around it, and without the thunks through which it returns. For measuring only.
//
// The functions lie as far from each other as in the kernel, so that calls between them hold. A jump to a return thunk becomes a return; constants
// that are addresses of arrays become those of the arrays here; where this processor's copy of a value lies is read from a variable here, which is 0.
// Nothing else of the code is changed.
#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <kiln/cpu_engines.h>

#include "cpu_engine.h"
#include "jit_code.h"

namespace kiln {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kFarthest = 64u << 20;  ///< that functions may lie apart

/// Where kernel addresses begin that data can have: below are those of users, above are numbers that are small and negative.
constexpr std::uint64_t kKernelData = 0xffff'8000'0000'0000, kKernelDataEnd = 0xffff'ffff'8000'0000;

/// The beginning of the kernel's struct xdp_buff, which is what the code takes for its context. (include/net/xdp.h)
struct XdpBuffer {
  std::uint64_t data = 0, data_end = 0, data_meta = 0;
};

using Program = std::uint32_t (*)(const XdpBuffer*);

std::uint32_t empty_program(const XdpBuffer*) { return 1; }

/// Jumps to a return thunk, five bytes each, become returns. \param address  of `code` in the kernel.
void return_directly(std::span<std::byte> code, std::uint64_t address, std::span<const std::uint64_t> thunks) {
  constexpr std::byte kJump{0xe9}, kReturn{0xc3}, kTrap{0xcc};
  for (std::size_t i = 0; i + 5 <= code.size(); ++i) {
    std::int32_t distance = 0;
    std::memcpy(&distance, &code[i + 1], sizeof distance);
    const std::uint64_t target = address + i + 5 + static_cast<std::uint64_t>(static_cast<std::int64_t>(distance));
    if (code[i] == kJump && std::ranges::find(thunks, target) != thunks.end()) {
      code[i] = kReturn;
      std::fill_n(&code[i + 1], 4, kTrap);
    }
  }
}

/// Offsets of the eight bytes in `mov r64, imm64` whose constant is an address of kernel data.
void find_constants(std::span<const std::byte> code, std::vector<std::size_t>& found) {
  for (std::size_t i = 0; i + 10 <= code.size(); ++i) {
    const auto rex = std::to_integer<unsigned>(code[i]), opcode = std::to_integer<unsigned>(code[i + 1]);
    std::uint64_t constant = 0;
    std::memcpy(&constant, &code[i + 2], sizeof constant);
    if ((rex == 0x48 || rex == 0x49) && (opcode & 0xf8) == 0xb8 && constant >= kKernelData && constant < kKernelDataEnd) {
      found.push_back(i + 2);
      i += 9;
    }
  }
}

/// `add r64, gs:[disp32]` becomes `add r64, ds:[disp32]`, with the address given. \return how many.
std::size_t read_own_offset_from(const void* variable, std::span<std::byte> code) {
  constexpr std::byte kGs{0x65}, kDs{0x3e}, kAdd{0x03}, kAbsolute{0x25};
  const auto address = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(variable));
  std::size_t count = 0;
  for (std::size_t i = 0; i + 9 <= code.size(); ++i) {
    const auto rex = std::to_integer<unsigned>(code[i + 1]), registers = std::to_integer<unsigned>(code[i + 3]);
    if (code[i] == kGs && (rex & 0xfb) == 0x48 && code[i + 2] == kAdd && (registers & 0xc7) == 0x04 && code[i + 4] == kAbsolute) {
      code[i] = kDs;
      std::memcpy(&code[i + 5], &address, sizeof address);
      ++count;
    }
  }
  return count;
}

class KernelCodeEngine final : public CpuEngine {
 public:
  explicit KernelCodeEngine(KernelCompiler compile) : compile_(std::move(compile)) {}

  std::string_view name() const override { return "kernel-code"; }

 protected:
  EngineSet helper_set() const override { return kJit; }
  AddressSpaceKind address_space(bool trusted) const override {
    return trusted ? AddressSpaceKind::kHostTrusted : AddressSpaceKind::kHost;
  }
  Result<void> prepare(const VerifiedObject& object) override;
  Result<std::uint64_t> execute() override { return program_(context()); }
  Result<TimedRound> time_round(const FrameRack& rack, double seconds, bool empty) override {
    const Program program = empty ? empty_program : program_;
    return time_frames(runtime(), rack, seconds, restores_frames(), [this, program] {
      program(context());
      return true;
    });
  }
  std::uint64_t executed() const override { return 0; }

 private:
  Result<void> check(const VerifiedObject& object);
  Result<void> install(const KernelCode& code);
  void adapt(const KernelCode& code, const KernelCode::Function& function, std::span<std::byte> here);
  /// What the code takes for the first value of a map.
  std::int64_t values_of(std::size_t map);
  const XdpBuffer* context() {
    const FrameMemory& frame = runtime().frame;
    const std::uint64_t window = frame.window_address;
    buffer_ = {.data = window + frame.position.data, .data_end = window + frame.position.end, .data_meta = window + frame.position.meta};
    return &buffer_;
  }

  KernelCompiler compile_;
  CodePages pages_;
  LowPages own_offset_;  ///< eight bytes, zero
  std::vector<std::vector<const std::byte*>> value_lists_;  ///< of per-CPU arrays, by map: where each value is
  std::size_t constants_ = 0, own_offsets_ = 0;             ///< found so far
  Program program_ = nullptr;
  XdpBuffer buffer_;
};

/// Of the context only what XdpBuffer has.
Result<void> KernelCodeEngine::check(const VerifiedObject& object) {
  const kiln::Program& program = object.object->programs[entry()];
  const Facts& facts = object.facts[entry()];
  if (program.type != ProgramType::kXdp || facts.empty()) {
    return Error{Errc::kUnsupported, fmt::format("{}: the kernel's code is run for verified XDP programs only", program.name)};
  }
  for (std::size_t i = 0; i < facts.insns.size(); ++i) {
    const InsnFact& fact = facts.insns[i];
    if (fact.reachable && has(fact.memory, ValueKind::kContext) && fact.offset_max > address::kCtxDataMeta) {
      return Error{Errc::kUnsupported, fmt::format("{}: instruction {} reads of the context more than the packet's ends, which are the kernel's to know", program.name, i)};
    }
  }
  return {};
}

Result<void> KernelCodeEngine::prepare(const VerifiedObject& object) {
#if !defined(__x86_64__)
  return Error{Errc::kUnavailable, "the kernel's code is run on x86-64 only"};
#endif
  KILN_TRY(check(object));
  auto code = compile_(*object.object, object.object->programs[entry()]);
  if (!code) {
    return code.error();
  }
  return install(*code);
}

std::int64_t KernelCodeEngine::values_of(std::size_t map) {
  MapSet& maps = runtime().maps;
  const MapDescriptor& d = maps.descriptor(map);
  const std::byte* const first = maps.arena().data() + d.entries;
  if (maps.spec(map).type != MapType::kPercpuArray) {
    return reinterpret_cast<std::int64_t>(first);
  }
  std::vector<const std::byte*>& list = value_lists_[map];
  for (std::uint32_t i = 0; list.size() < d.max_entries; ++i) {
    list.push_back(first + std::size_t{i} * d.entry_stride);
  }
  return reinterpret_cast<std::int64_t>(list.data());
}

/// Changes what is the kernel's into what is here.
void KernelCodeEngine::adapt(const KernelCode& code, const KernelCode::Function& function, std::span<std::byte> here) {
  return_directly(here, function.address, code.return_thunks);
  own_offsets_ += read_own_offset_from(own_offset_.data(), here);
  std::vector<std::size_t> places;
  find_constants(here, places);
  for (const std::size_t place : places) {
    if (constants_ < code.constants.size()) {
      const KernelCode::MapConstant& constant = code.constants[constants_];
      const std::int64_t address = values_of(constant.map) + constant.from_values;
      std::memcpy(&here[place], &address, sizeof address);
    }
    ++constants_;
  }
}

Result<void> KernelCodeEngine::install(const KernelCode& code) {
  std::uint64_t first = code.functions.front().address, end = first;
  for (const KernelCode::Function& function : code.functions) {
    first = std::min(first, function.address / kPage * kPage);
    end = std::max(end, function.address + function.bytes.size());
  }
  if (end - first > kFarthest) {
    return Error{Errc::kUnsupported, "the functions of the program lie too far apart in the kernel"};
  }
  auto pages = CodePages::map(end - first);
  auto variable = LowPages::map(kPage);
  if (!pages || !variable) {
    return pages ? variable.error() : pages.error();
  }
  own_offset_ = std::move(*variable);
  value_lists_.assign(runtime().maps.size(), {});
  constants_ = own_offsets_ = 0;
  for (const KernelCode::Function& function : code.functions) {
    const std::span<std::byte> here(pages->data() + (function.address - first), function.bytes.size());
    std::ranges::copy(function.bytes, here.begin());
    adapt(code, function, here);
  }
  if (constants_ != code.constants.size() || own_offsets_ != code.own_offsets) {
    return Error{Errc::kUnsupported, fmt::format("the kernel's code has {} addresses of its data and {} of a processor's, not {} and {}", constants_,
                                                 own_offsets_, code.constants.size(), code.own_offsets)};
  }
  KILN_TRY(pages->seal());
  program_ = reinterpret_cast<Program>(pages->data() + (code.functions.front().address - first));
  pages_ = std::move(*pages);
  return {};
}

}  // namespace

std::unique_ptr<Engine> make_kernel_code(KernelCompiler compile) { return std::make_unique<KernelCodeEngine>(std::move(compile)); }

}  // namespace kiln
