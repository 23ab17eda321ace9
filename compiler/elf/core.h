// SPDX-License-Identifier: Apache-2.0
//
// CO-RE: fields, types and enumerators of the object's BTF found again in the BTF of the target.
//
// A Spec is a field path. The local one comes from the access string ("0:1:2"); matching it to a
// candidate type gives the target's. Source: libbpf's documentation of the algorithm (relo_core.c,
// "Calculate CO-RE relocation target result"); rules follow it so that the patched instructions are
// the same.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <kiln/btf.h>
#include <kiln/isa.h>
#include <kiln/result.h>

namespace kiln::elf {

/// enum bpf_core_relo_kind.
enum class CoreKind : std::uint32_t {
  kFieldByteOffset = 0,
  kFieldByteSize = 1,
  kFieldExists = 2,
  kFieldSigned = 3,
  kFieldLeftShift = 4,
  kFieldRightShift = 5,
  kTypeIdLocal = 6,
  kTypeIdTarget = 7,
  kTypeExists = 8,
  kTypeSize = 9,
  kEnumvalExists = 10,
  kEnumvalValue = 11,
  kTypeMatches = 12,
};
bool is_field(CoreKind kind);
bool is_type(CoreKind kind);
bool is_enumval(CoreKind kind);

/// One step of a path that means something: a named field, or an array index (no name).
struct Accessor {
  std::uint32_t type = 0;  ///< the struct that has the field; for an index, the element's type
  std::uint32_t index = 0;
  std::string_view name;
};

struct Spec {
  const Btf* btf = nullptr;
  std::uint32_t root = 0;
  std::vector<Accessor> path;
  std::uint32_t bit_offset = 0;
};

/// "sample" of "sample___v2": what candidates must share.
std::string_view essential_name(std::string_view name);

/// Work that matching may still do; types that refer to each other can make it explode.
using Budget = std::uint64_t;

/// \errors kInput: the access string does not fit the type.
Result<Spec> parse_spec(const Btf& btf, CoreKind kind, std::uint32_t type, std::string_view access);
/// The same path in a candidate; nullopt: it has none. \errors kInput: too deep, out of budget.
Result<std::optional<Spec>> match_spec(const Spec& local, CoreKind kind, const Btf& target,
                                       std::uint32_t candidate, Budget& budget);

/// Do two kinds match for CO-RE: the same, or both enumerations.
bool kinds_compatible(BtfKind a, BtfKind b);
/// May a field of one type stand for a field of the other?
bool fields_compatible(const Btf& local, std::uint32_t local_id, const Btf& target,
                       std::uint32_t target_id);
/// bpf_core_type_exists: compatible at the top level.
Result<bool> types_compatible(const Btf& local, std::uint32_t local_id, const Btf& target,
                              std::uint32_t target_id, Budget& budget);
/// bpf_core_type_matches: every member of the local type is in the target, recursively.
Result<bool> types_match(const Btf& local, std::uint32_t local_id, const Btf& target,
                         std::uint32_t target_id, Budget& budget);

/// What a relocation does to an instruction.
struct Patch {
  std::uint64_t before = 0;  ///< what the compiler wrote
  std::uint64_t after = 0;
  std::uint32_t size_before = 0;  ///< bytes of the field, 0 where the access keeps its width
  std::uint32_t size_after = 0;
  bool check_before = true;  ///< the instruction must hold `before`
  bool poison = false;  ///< nothing to refer to: make the instruction one that no verifier lets run
  bool bad_width = false;  ///< sizes differ in a way that a load or store can't bridge
};
/// \param target  nullptr: no candidate has it.
Result<Patch> compute_patch(CoreKind kind, const Spec& local, const Spec* target);
/// \param second  the following slot of a wide load, else nullptr.
Result<void> apply_patch(const Patch& patch, Insn& insn, Insn* second);

}  // namespace kiln::elf
