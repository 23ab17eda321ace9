// SPDX-License-Identifier: Apache-2.0
//
// ELF relocations of code: map references, global variables, calls and function addresses.
//
// Afterwards each LD_IMM64 of a map is an LD_MAP_IDX or LD_MAP_IDX_VALUE, and CodeSection::targets
// has the function of every call and every address taken; link.cc turns those into distances.
#include <algorithm>

#include "elf/relocations.h"
#include "elf/steps.h"

namespace kiln::elf {
namespace {

constexpr std::uint64_t kSlot = 8;
constexpr std::uint8_t kOpCall = 0x85;
constexpr std::int32_t kPoisonedCall =
    2002000000;  // libbpf's POISON_CALL_KFUNC_BASE: no helper, and easy to spot

/// Values of src in a wide load (isa.def).
enum WideSource : std::uint8_t { kNumber = 0, kVariable = 3, kCode = 4, kMapIndex = 5, kMapIndexValue = 6 };
/// Values of src in a call.
enum CallSource : std::uint8_t { kHelper = 0, kLocal = 1, kKernel = 2 };

class Relocator {
 public:
  Relocator(LoadState& state, CodeSection& code) : state_(state), code_(code) {}

  Result<void> apply(const Relocation& relocation);
  Result<void> calls_within();

 private:
  template <typename... Args>
  Error error(std::uint64_t slot, fmt::format_string<Args...> format, Args&&... args) const {
    return state_.elf.error("{}: {}", place_of(state_, code_, slot),
                            fmt::format(format, std::forward<Args>(args)...));
  }
  Result<void> call(std::uint32_t slot, const Symbol& symbol);
  Result<void> wide(std::uint32_t slot, const Symbol& symbol);
  Result<void> outside(std::uint32_t slot, const Symbol& symbol);
  Result<std::uint32_t> kernel_symbol(const Symbol& symbol, const Extern& declared);
  Result<void> code_address(std::uint32_t slot, std::uint32_t section, std::int64_t target);
  Result<void> map_reference(std::uint32_t slot, const Symbol& symbol, const Section& section);

  LoadState& state_;
  CodeSection& code_;
};

Result<void> Relocator::apply(const Relocation& relocation) {
  if (relocation.type == kRelNone) {
    return {};
  }
  const std::uint64_t slot = relocation.offset / kSlot;
  if (relocation.type != kRelWide && relocation.type != kRelCall) {
    return error(slot, "relocation type {} is not known in code", relocation.type);
  }
  if (relocation.offset % kSlot != 0 || slot >= code_.insns.size()) {
    return error(slot, "relocation at byte {}, where no instruction begins", relocation.offset);
  }
  const auto at = static_cast<std::uint32_t>(slot);
  const Symbol& symbol = state_.elf.symbols()[relocation.symbol];
  const Insn& insn = code_.insns[at];
  if (insn.opcode == kOpCall) {
    return call(at, symbol);
  }
  if (insn.is_wide() && at + 1 < code_.insns.size()) {
    return wide(at, symbol);
  }
  return error(slot, "relocation against '{}' on an instruction that takes none", symbol.name);
}

/// The function at a slot becomes the target of a call or an address.
Result<void> Relocator::code_address(std::uint32_t slot, std::uint32_t section,
                                     std::int64_t target) {
  const auto code = state_.code.find(section);
  if (code == state_.code.end()) {
    return error(slot, "it refers to code in a section that has none");
  }
  const auto& functions = code->second.functions;
  const auto found =
      std::lower_bound(functions.begin(), functions.end(), target,
                       [](const Function& f, std::int64_t at) { return f.start < at; });
  if (found == functions.end() || found->start != target) {
    return error(slot, "it refers to slot {} of section '{}', where no function begins", target,
                 code->second.section->name);
  }
  code_.targets[slot] = {.section = section,
                         .function = static_cast<std::uint32_t>(found - functions.begin())};
  return {};
}

Result<void> Relocator::call(std::uint32_t slot, const Symbol& symbol) {
  Insn& insn = code_.insns[slot];
  if (symbol.is_undefined()) {
    return outside(slot, symbol);
  }
  if (insn.src != kLocal) {
    return error(slot, "relocation against '{}' on a call that is not to a function of this object",
                 symbol.name);
  }
  if (symbol.value % kSlot != 0) {
    return error(slot, "'{}' lies at byte {}, where no instruction begins", symbol.name,
                 symbol.value);
  }
  // imm is the addend in slots, counted from the slot after the call.
  return code_address(slot, symbol.section,
                      static_cast<std::int64_t>(symbol.value / kSlot) + insn.imm + 1);
}

/// The kernel's function or variable of that name ("name___flavour" stands for "name"); 0: it has none.
Result<std::uint32_t> Relocator::kernel_symbol(const Symbol& symbol, const Extern& declared) {
  const auto types = kernel_types(state_);
  const std::string_view name = symbol.name.substr(0, symbol.name.find("___"));
  const BtfKind kind = declared.is_function ? BtfKind::kFunc : BtfKind::kVar;
  if (const auto id = types ? (*types)->find(kind, name) : std::nullopt) {
    return *id;
  }
  if (declared.is_function && state_.options.btf_path.empty()) {
    auto more = with_kernel_functions(state_.object.kernel_types);
    if (const auto id = more->find(kind, name)) {
      state_.object.kernel_types = std::move(more);  // with the ids that were given before
      return *id;
    }
  }
  return types || symbol.is_weak() ? Result<std::uint32_t>(0u) : Result<std::uint32_t>(types.error());
}

Result<void> Relocator::outside(std::uint32_t slot, const Symbol& symbol) {
  Insn& insn = code_.insns[slot];
  const auto found = state_.externs.find(symbol.name);
  if (found != state_.externs.end() && !found->second.is_kconfig) {
    const auto id = kernel_symbol(symbol, found->second);
    if (!id) {
      return error(slot, "extern '{}' can't be resolved: {}", symbol.name, id.error().message);
    }
    if (*id != 0) {
      insn.src = insn.opcode == kOpCall ? std::uint8_t{kKernel} : std::uint8_t{kVariable};
      insn.imm = static_cast<std::int32_t>(*id);
      if (insn.opcode != kOpCall) {
        code_.insns[slot + 1].imm = 0;
      }
      return {};
    }
  }
  if (!symbol.is_weak() && !(found != state_.externs.end() && found->second.is_set)) {
    const char* kind =
        found == state_.externs.end()
            ? "it is defined nowhere; link the objects with bpftool gen object"
        : found->second.is_kconfig
            ? "a setting (__kconfig) that the running kernel does not have"
            : "a symbol of the kernel (__ksym) that its BTF does not have";
    return error(slot, "extern '{}' can't be resolved: {}", symbol.name, kind);
  }
  if (insn.opcode == kOpCall) {
    insn = {.opcode = kOpCall, .src = kHelper, .imm = kPoisonedCall};
    return {};
  }
  Insn& second = code_.insns[slot + 1];
  if (found != state_.externs.end() && found->second.is_kconfig && state_.kconfig_map) {
    insn.src = kMapIndexValue;
    insn.imm = static_cast<std::int32_t>(*state_.kconfig_map);
    second.imm = static_cast<std::int32_t>(found->second.kconfig_offset);
    return {};
  }
  insn.src = kNumber;
  insn.imm = 0;
  second.imm = 0;
  return {};
}

Result<void> Relocator::map_reference(std::uint32_t slot, const Symbol& symbol,
                                      const Section& section) {
  Insn& insn = code_.insns[slot];
  // The addend stands in imm: the offset in the section if the symbol is the section itself.
  const std::int64_t offset = static_cast<std::int64_t>(symbol.value) + insn.imm;
  for (std::size_t i = 0; i < state_.places.size(); ++i) {
    const MapPlace& place = state_.places[i];
    if (place.section != section.index) {
      continue;
    }
    const bool is_data = state_.object.maps[i].is_global_data;
    if (!is_data && offset != static_cast<std::int64_t>(place.offset)) {
      continue;
    }
    if (is_data && offset != static_cast<std::int32_t>(offset)) {
      return error(slot, "offset {} in section '{}' is out of range", offset, section.name);
    }
    insn.src = is_data ? kMapIndexValue : kMapIndex;
    insn.imm = static_cast<std::int32_t>(i);
    code_.insns[slot + 1].imm = is_data ? static_cast<std::int32_t>(offset) : 0;
    return {};
  }
  return error(slot,
               "it refers to '{}', byte {} of section '{}', which is neither a map nor global data",
               symbol.name, offset, section.name);
}

Result<void> Relocator::wide(std::uint32_t slot, const Symbol& symbol) {
  Insn& insn = code_.insns[slot];
  if (symbol.is_undefined()) {
    return outside(slot, symbol);
  }
  const Section* section = state_.elf.section_of(symbol);
  if (section == nullptr || symbol.value > UINT32_MAX) {
    return error(slot, "'{}' has no place in this object", symbol.name);
  }
  if (!section->is_code()) {
    return map_reference(slot, symbol, *section);
  }
  const std::int64_t offset = static_cast<std::int64_t>(symbol.value) + insn.imm;
  if (offset < 0 || offset % static_cast<std::int64_t>(kSlot) != 0) {
    return error(slot, "the address of byte {} of section '{}' is no function", offset,
                 section->name);
  }
  insn.src = kCode;
  code_.insns[slot + 1].imm = 0;
  return code_address(slot, section->index, offset / static_cast<std::int64_t>(kSlot));
}

/// Calls that need no relocation, because caller and callee share a section.
Result<void> Relocator::calls_within() {
  for (std::uint32_t slot = 0; slot < code_.insns.size(); ++slot) {
    const Insn& insn = code_.insns[slot];
    const bool is_call = insn.opcode == kOpCall && insn.src == kLocal;
    if (is_call && !code_.targets.contains(slot)) {
      KILN_TRY(code_address(slot, code_.section->index, std::int64_t{slot} + insn.imm + 1));
    }
    slot += insn.is_wide() ? 1 : 0;
  }
  return {};
}

}  // namespace

Result<void> relocate_code(LoadState& state) {
  for (auto& [index, code] : state.code) {
    const auto relocations = state.elf.relocations(*code.section);
    if (!relocations) {
      return relocations.error();
    }
    Relocator relocator(state, code);
    for (const Relocation& relocation : *relocations) {
      KILN_TRY(relocator.apply(relocation));
    }
    KILN_TRY(relocator.calls_within());
  }
  return {};
}

}  // namespace kiln::elf
