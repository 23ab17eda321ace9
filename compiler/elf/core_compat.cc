// SPDX-License-Identifier: Apache-2.0
//
// When two types count as the same for CO-RE: for a field access, by bpf_core_type_exists, and
// member by member by bpf_core_type_matches.
#include <fmt/format.h>

#include "elf/core.h"

namespace kiln::elf {
namespace {

constexpr int kMaxDepth = 32;

Error too_deep() {
  return Error{Errc::kInput, "types are nested too deeply to be compared"};
}

bool same_name(std::string_view a, std::string_view b) {
  return essential_name(a) == essential_name(b);
}

/// Two types side by side, with modifiers and typedefs gone.
struct Pair {
  const Btf& local;
  std::uint32_t local_id;
  const Btf& target;
  std::uint32_t target_id;

  bool strip() {
    const auto a = local.strip(local_id);
    const auto b = target.strip(target_id);
    local_id = a.value_or(0);
    target_id = b.value_or(0);
    return a && b;
  }
  BtfKind local_kind() const { return local.kind(local_id); }
  BtfKind target_kind() const { return target.kind(target_id); }
  void follow_targets() {
    local_id = local.target(local_id);
    target_id = target.target(target_id);
  }
  void follow_elements() {
    local_id = local.array(local_id).element;
    target_id = target.array(target_id).element;
  }
};

/// Compares with the work limited: hostile types can branch without end.
class Matcher {
 public:
  explicit Matcher(Budget& budget) : budget_(budget) {}

  Result<bool> compatible(Pair pair, int level);
  Result<bool> match(Pair pair, bool behind_pointer, int level);

 private:
  Result<bool> composites(const Pair& pair, bool behind_pointer, int level);
  bool enums(const Pair& pair);
  Result<bool> params(const Pair& pair, bool behind_pointer, int level);
  static bool named_alike(const Pair& pair, bool behind_pointer);

  Budget& budget_;
};

Result<bool> Matcher::compatible(Pair pair, int level) {
  for (int depth = 0; depth < kMaxDepth && level >= 0 && budget_ > 0; ++depth, --budget_) {
    if (!pair.strip()) {
      return too_deep();
    }
    if (!kinds_compatible(pair.local_kind(), pair.target_kind())) {
      return false;
    }
    switch (pair.local_kind()) {
      case BtfKind::kVoid:
      case BtfKind::kStruct:
      case BtfKind::kUnion:
      case BtfKind::kEnum:
      case BtfKind::kEnum64:
      case BtfKind::kFwd:
        return true;
      case BtfKind::kInt:
        return pair.local.int_bit_offset(pair.local_id) == 0 &&
               pair.target.int_bit_offset(pair.target_id) == 0;
      case BtfKind::kPtr:
        pair.follow_targets();
        continue;
      case BtfKind::kArray:
        pair.follow_elements();
        continue;
      case BtfKind::kFuncProto:
        break;
      default:
        return false;
    }
    if (pair.local.vlen(pair.local_id) != pair.target.vlen(pair.target_id)) {
      return false;
    }
    for (std::uint32_t i = 0; i < pair.local.vlen(pair.local_id); ++i) {
      const Pair param{pair.local, pair.local.param(pair.local_id, i).type, pair.target,
                       pair.target.param(pair.target_id, i).type};
      const auto same = compatible(param, level - 1);
      if (!same || !*same) {
        return same;
      }
    }
    pair.follow_targets();  // the result
  }
  return too_deep();
}

bool Matcher::enums(const Pair& pair) {
  const std::uint32_t wanted = pair.local.vlen(pair.local_id);
  const std::uint32_t offered = pair.target.vlen(pair.target_id);
  if (pair.local.byte_size(pair.local_id) != pair.target.byte_size(pair.target_id) ||
      wanted > offered) {
    return false;
  }
  for (std::uint32_t i = 0; i < wanted; ++i) {
    const std::string_view name = pair.local.enumerator(pair.local_id, i).name;
    bool found = false;
    for (std::uint32_t k = 0; !found && k < offered && budget_ > 0; ++k, --budget_) {
      found = same_name(name, pair.target.enumerator(pair.target_id, k).name);
    }
    if (!found) {
      return false;
    }
  }
  return true;
}

Result<bool> Matcher::composites(const Pair& pair, bool behind_pointer, int level) {
  const std::uint32_t wanted = pair.local.vlen(pair.local_id);
  const std::uint32_t offered = pair.target.vlen(pair.target_id);
  if (wanted > offered) {
    return false;
  }
  for (std::uint32_t i = 0; i < wanted; ++i) {
    const Btf::Member member = pair.local.member(pair.local_id, i);
    bool found = false;
    for (std::uint32_t k = 0; !found && k < offered; ++k) {
      if (budget_ == 0) {
        return too_deep();
      }
      --budget_;
      const Btf::Member other = pair.target.member(pair.target_id, k);
      if (!same_name(member.name, other.name)) {
        continue;
      }
      const auto same =
          match({pair.local, member.type, pair.target, other.type}, behind_pointer, level - 1);
      if (!same) {
        return same;
      }
      found = *same;
    }
    if (!found) {
      return false;
    }
  }
  return true;
}

Result<bool> Matcher::params(const Pair& pair, bool behind_pointer, int level) {
  if (pair.local.vlen(pair.local_id) != pair.target.vlen(pair.target_id)) {
    return false;
  }
  for (std::uint32_t i = 0; i < pair.local.vlen(pair.local_id); ++i) {
    const auto same = match({pair.local, pair.local.param(pair.local_id, i).type, pair.target,
                             pair.target.param(pair.target_id, i).type},
                            behind_pointer, level - 1);
    if (!same || !*same) {
      return same;
    }
  }
  return true;
}

/// Structs, unions and their forward declarations where only the name can be compared.
bool Matcher::named_alike(const Pair& pair, bool behind_pointer) {
  const BtfKind local = pair.local_kind();
  const BtfKind target = pair.target_kind();
  const auto is_union = [](const Btf& btf, std::uint32_t id) {
    return btf.kind(id) == BtfKind::kUnion || (btf.kind(id) == BtfKind::kFwd && btf.kind_flag(id));
  };
  const auto is_record = [](BtfKind kind) {
    return kind == BtfKind::kStruct || kind == BtfKind::kUnion || kind == BtfKind::kFwd;
  };
  return is_record(local) && is_record(target) && (behind_pointer || local == target) &&
         is_union(pair.local, pair.local_id) == is_union(pair.target, pair.target_id);
}

Result<bool> Matcher::match(Pair pair, bool behind_pointer, int level) {
  if (level <= 0) {
    return too_deep();
  }
  for (int depth = 0; depth < kMaxDepth && budget_ > 0; ++depth, --budget_) {
    if (!pair.strip()) {
      return too_deep();
    }
    if (!same_name(pair.local.name(pair.local_id), pair.target.name(pair.target_id))) {
      return false;
    }
    const BtfKind kind = pair.local_kind();
    const bool same_kind = kind == pair.target_kind();
    switch (kind) {
      case BtfKind::kFwd:
        return named_alike(pair, behind_pointer);
      case BtfKind::kEnum:
      case BtfKind::kEnum64:
        return pair.target.is_enum(pair.target_id) && enums(pair);
      case BtfKind::kStruct:
      case BtfKind::kUnion:
        if (behind_pointer) {
          return named_alike(pair, true);
        }
        return same_kind ? composites(pair, behind_pointer, level) : Result<bool>(false);
      case BtfKind::kVoid:
        return same_kind;
      case BtfKind::kInt:
        return same_kind &&
               pair.local.byte_size(pair.local_id) == pair.target.byte_size(pair.target_id) &&
               pair.local.is_signed(pair.local_id) == pair.target.is_signed(pair.target_id);
      case BtfKind::kPtr:
        if (!same_kind) {
          return false;
        }
        behind_pointer = true;
        pair.follow_targets();
        continue;
      case BtfKind::kArray:
        if (!same_kind ||
            pair.local.array(pair.local_id).count != pair.target.array(pair.target_id).count) {
          return false;
        }
        pair.follow_elements();
        continue;
      case BtfKind::kFuncProto: {
        const auto same = same_kind ? params(pair, behind_pointer, level) : Result<bool>(false);
        if (!same || !*same) {
          return same;
        }
        pair.follow_targets();
        continue;
      }
      default:
        return false;
    }
  }
  return too_deep();
}

}  // namespace

bool kinds_compatible(BtfKind a, BtfKind b) {
  const auto is_enum = [](BtfKind kind) {
    return kind == BtfKind::kEnum || kind == BtfKind::kEnum64;
  };
  return a == b || (is_enum(a) && is_enum(b));
}

bool fields_compatible(const Btf& local, std::uint32_t local_id, const Btf& target,
                       std::uint32_t target_id) {
  Pair pair{local, local_id, target, target_id};
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (!pair.strip()) {
      return false;
    }
    if (local.is_composite(pair.local_id) && target.is_composite(pair.target_id)) {
      return true;
    }
    if (!kinds_compatible(pair.local_kind(), pair.target_kind())) {
      return false;
    }
    switch (pair.local_kind()) {
      case BtfKind::kPtr:
      case BtfKind::kFloat:
        return true;
      case BtfKind::kFwd:
      case BtfKind::kEnum:
      case BtfKind::kEnum64: {
        const std::string_view a = local.name(pair.local_id);
        const std::string_view b = target.name(pair.target_id);
        return a.empty() || b.empty() || same_name(a, b);
      }
      case BtfKind::kInt:
        return local.int_bit_offset(pair.local_id) == 0 &&
               target.int_bit_offset(pair.target_id) == 0;
      case BtfKind::kArray:
        pair.follow_elements();
        continue;
      default:
        return false;
    }
  }
  return false;
}

Result<bool> types_compatible(const Btf& local, std::uint32_t local_id, const Btf& target,
                              std::uint32_t target_id, Budget& budget) {
  // Before typedefs are looked through: a typedef is looked for by its own name.
  if (!kinds_compatible(local.kind(local_id), target.kind(target_id))) {
    return false;
  }
  return Matcher(budget).compatible({local, local_id, target, target_id}, kMaxDepth);
}

Result<bool> types_match(const Btf& local, std::uint32_t local_id, const Btf& target,
                         std::uint32_t target_id, Budget& budget) {
  return Matcher(budget).match({local, local_id, target, target_id}, false, kMaxDepth);
}

}  // namespace kiln::elf
