// SPDX-License-Identifier: Apache-2.0
//
// CO-RE relocations of an object: candidates by name, agreement between them, one patch each.
#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "elf/core.h"
#include "elf/steps.h"

namespace kiln::elf {
namespace {

constexpr std::uint32_t kSlotBytes = 8;
constexpr Budget kBudget =
    200'000'000;  // members looked at per object; the kernel's own objects need thousands

/// The target's types by essential name.
class Candidates {
 public:
  explicit Candidates(const Btf& target) : target_(target) {
    for (std::uint32_t id = 1; id < target.count(); ++id) {
      if (const std::string_view name = target.name(id); !name.empty()) {
        by_name_[essential_name(name)].push_back(id);
      }
    }
  }
  const Btf& btf() const { return target_; }

  /// Those that a local type may stand for. A relocation that some of them satisfy narrows the list
  /// for the ones that follow, so that all are resolved against the same type.
  std::vector<std::uint32_t>& of(const Btf& local, std::uint32_t id) {
    const auto [at, is_new] = by_type_.try_emplace(id);
    const auto named = is_new ? by_name_.find(essential_name(local.name(id))) : by_name_.end();
    if (named != by_name_.end()) {
      std::copy_if(named->second.begin(), named->second.end(), std::back_inserter(at->second),
                   [&](std::uint32_t other) {
                     return kinds_compatible(local.kind(id), target_.kind(other));
                   });
    }
    return at->second;
  }

 private:
  const Btf& target_;
  std::unordered_map<std::string_view, std::vector<std::uint32_t>> by_name_;
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> by_type_;
};

bool agree(const Spec& a, const Patch& first, const Spec& b, const Patch& other) {
  return a.bit_offset == b.bit_offset && first.poison == other.poison && first.after == other.after;
}

/// The patch that all candidates agree on.
Result<Patch> resolve(const Spec& local, CoreKind kind, Candidates& candidates, Budget& budget) {
  std::vector<std::uint32_t>& list = candidates.of(*local.btf, local.root);
  std::vector<std::uint32_t> fitting;
  std::optional<Spec> chosen;
  std::optional<Patch> patch;
  for (const std::uint32_t id : list) {
    auto spec = match_spec(local, kind, candidates.btf(), id, budget);
    if (!spec) {
      return spec.error();
    }
    if (!*spec) {
      continue;
    }
    const auto candidate = compute_patch(kind, local, &**spec);
    if (!candidate) {
      return candidate.error();
    }
    fitting.push_back(id);
    if (!patch) {
      patch = *candidate;
      chosen = std::move(**spec);
    } else if (!agree(*chosen, *patch, **spec, *candidate)) {
      return Error{Errc::kInput, "the target has several such types, and they disagree"};
    }
  }
  if (!patch) {
    return compute_patch(kind, local, nullptr);
  }
  list = std::move(fitting);
  return *patch;
}

/// Applies the relocations of an object, reading the target's BTF when it is first needed.
class CoreRelocator {
 public:
  explicit CoreRelocator(LoadState& state) : state_(state) {}

  Result<void> apply(CodeSection& code, const CoreRecord& record);

 private:
  Result<Patch> patch(const CoreRecord& record);
  Result<Candidates*> candidates();

  LoadState& state_;
  std::optional<Candidates> candidates_;
  Budget budget_ = kBudget;
};

Result<Candidates*> CoreRelocator::candidates() {
  if (!candidates_) {
    auto target = kernel_types(state_);
    if (!target) {
      return target.error();
    }
    candidates_.emplace(**target);
  }
  return &*candidates_;
}

Result<Patch> CoreRelocator::patch(const CoreRecord& record) {
  const Btf& btf = *state_.btf;
  const auto kind = static_cast<CoreKind>(record.kind);
  const auto access = btf.string(record.access);
  if (record.kind > static_cast<std::uint32_t>(CoreKind::kTypeMatches) || record.type == 0 ||
      record.type >= btf.count() || !access) {
    return Error{Errc::kInput,
                 fmt::format("kind {} of type {} is not known", record.kind, record.type)};
  }
  const auto local = parse_spec(btf, kind, record.type, *access);
  if (!local) {
    return local.error();
  }
  if (kind == CoreKind::kTypeIdLocal) {
    return Patch{.before = record.type, .after = record.type, .check_before = false};
  }
  if (btf.name(record.type).empty()) {
    return Error{Errc::kInput, "a type without a name can't be looked for"};
  }
  const auto found = candidates();
  if (!found) {
    return found.error();
  }
  return resolve(*local, kind, **found, budget_);
}

Result<void> CoreRelocator::apply(CodeSection& code, const CoreRecord& record) {
  const std::uint32_t slot = record.offset / kSlotBytes;
  const auto fail = [&](const Error& error) {
    const bool named = record.type < state_.btf->count();
    return state_.elf.error("{}: CO-RE relocation of '{}': {}", place_of(state_, code, slot),
                            named ? state_.btf->name(record.type) : "?", error.message);
  };
  if (record.offset % kSlotBytes != 0 || slot >= code.insns.size()) {
    return fail({Errc::kInput, "no instruction begins there"});
  }
  const auto found = patch(record);
  if (!found) {
    return fail(found.error());
  }
  Insn& insn = code.insns[slot];
  Insn* second = insn.is_wide() && slot + 1 < code.insns.size() ? &code.insns[slot + 1] : nullptr;
  if (const auto applied = apply_patch(*found, insn, second); !applied) {
    return fail(applied.error());
  }
  return {};
}

/// Linkers keep the records of functions that they dropped.
bool in_function(const CodeSection& code, std::uint32_t offset) {
  const auto after =
      std::upper_bound(code.functions.begin(), code.functions.end(), offset / kSlotBytes,
                       [](std::uint32_t slot, const Function& f) { return slot < f.start; });
  return after != code.functions.begin() &&
         offset / kSlotBytes - std::prev(after)->start < std::prev(after)->count;
}

}  // namespace

Result<const Btf*> kernel_types(LoadState& state) {
  if (state.object.kernel_types == nullptr) {
    auto found = kernel_btf(state.options.btf_path);
    if (!found) {
      return Error{Errc::kInput,
                   fmt::format("no BTF to relocate against ({}); name a file that has it", found.error().message)};
    }
    state.object.kernel_types = *found;
  }
  return state.object.kernel_types.get();
}

Result<void> relocate_core(LoadState& state) {
  CoreRelocator relocator(state);
  for (auto& [index, code] : state.code) {
    if (code.ext == nullptr) {
      continue;
    }
    for (const CoreRecord& record : code.ext->core) {
      if (in_function(code, record.offset)) {
        KILN_TRY(relocator.apply(code, record));
      }
    }
  }
  return {};
}

}  // namespace kiln::elf
