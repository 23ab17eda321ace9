// SPDX-License-Identifier: Apache-2.0
//
// What a resolved CO-RE relocation means for its instruction: the value, and how it is written in.
#include <fmt/format.h>

#include <limits>

#include "elf/core.h"

namespace kiln::elf {
namespace {

constexpr std::int32_t kBadRelocation =
    195896080;  // 0xbad2310, libbpf's mark: "invalid func unknown#195896080"
constexpr std::uint8_t kOpCall = 0x85;

Error bad(std::string message) {
  return Error{Errc::kInput, std::move(message)};
}

/// One side, local or target, of a field relocation.
struct FieldValue {
  std::uint64_t value = 0;
  std::uint32_t size = 0;  ///< of the field, where a load or store may need another width
  std::uint32_t type = 0;
  bool is_certain = true;  ///< the compiler must have written just this value
};

Result<FieldValue> element_value(CoreKind kind, const Spec& spec) {
  const Accessor& last = spec.path.back();
  const auto size = spec.btf->size_of(last.type);
  if (!size) {
    return bad("the size of an array element is not known");
  }
  if (kind == CoreKind::kFieldByteOffset) {
    return FieldValue{.value = spec.bit_offset / 8, .size = *size, .type = last.type};
  }
  if (kind == CoreKind::kFieldByteSize) {
    return FieldValue{.value = *size};
  }
  return bad("an array element has no such property");
}

/// The aligned unit that a field is loaded with.
struct Unit {
  std::uint32_t offset = 0;  ///< bytes
  std::uint32_t size = 0;    ///< bytes
  std::uint32_t bits = 0;    ///< of the field in it
};

/// Bit-fields: the smallest unit of 1, 2, 4 or 8 bytes, naturally aligned, that holds all bits.
Result<Unit> bitfield_unit(std::uint32_t bit_offset, std::uint32_t bits, std::uint32_t declared) {
  std::uint64_t size = declared;
  if (size == 0 || size > 8) {
    return bad("a bit-field of impossible type");
  }
  std::uint64_t offset = bit_offset / 8 / size * size;
  while (std::uint64_t{bit_offset} + bits - offset * 8 > size * 8) {
    if (size >= 8) {
      return bad("a bit-field that no single load can reach");
    }
    size *= 2;
    offset = bit_offset / 8 / size * size;
  }
  return Unit{static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(size), bits};
}

Result<FieldValue> field_value(CoreKind kind, const Spec& spec) {
  const Btf& btf = *spec.btf;
  const Accessor& last = spec.path.back();
  if (last.name.empty()) {
    return element_value(kind, spec);
  }
  const Btf::Member member = btf.member(last.type, last.index);
  const auto type = btf.strip(member.type);
  const auto size = type ? btf.size_of(*type) : std::nullopt;
  if (!size) {
    return bad(fmt::format("the size of field '{}' is not known", last.name));
  }
  const bool is_bitfield = member.bitfield_size != 0;
  const auto unit = is_bitfield ? bitfield_unit(spec.bit_offset, member.bitfield_size, *size)
                                : Result<Unit>(Unit{spec.bit_offset / 8, *size, *size * 8});
  if (!unit) {
    return unit.error();
  }
  FieldValue out{.value = 0, .size = 0, .type = *type, .is_certain = !is_bitfield};
  switch (kind) {
    case CoreKind::kFieldByteOffset:
      out.value = unit->offset;
      out.size = is_bitfield ? 0 : unit->size;
      break;
    case CoreKind::kFieldByteSize:
      out.value = unit->size;
      break;
    case CoreKind::kFieldSigned:
      out.value = btf.is_enum(*type) ? btf.kind_flag(*type)
                                     : btf.kind(*type) == BtfKind::kInt && btf.is_signed(*type);
      out.is_certain = true;
      break;
    case CoreKind::kFieldLeftShift:
      out.value = std::uint64_t{64} -
                  (std::uint64_t{spec.bit_offset} + unit->bits - std::uint64_t{unit->offset} * 8);
      break;
    case CoreKind::kFieldRightShift:
      out.value = std::uint64_t{64} - unit->bits;
      out.is_certain = true;
      break;
    default:
      return bad("unknown kind of field relocation");
  }
  return out;
}

/// A load or store may change its width for pointers and unsigned integers: the upper bits are 0
/// anyway.
bool width_may_change(const Spec& local, std::uint32_t local_type, const Spec& target,
                      std::uint32_t target_type) {
  const BtfKind a = local.btf->kind(local_type);
  const BtfKind b = target.btf->kind(target_type);
  if (a == BtfKind::kPtr && b == BtfKind::kPtr) {
    return true;
  }
  return a == BtfKind::kInt && b == BtfKind::kInt && !local.btf->is_signed(local_type) &&
         !target.btf->is_signed(target_type);
}

Result<Patch> field_patch(CoreKind kind, const Spec& local, const Spec* target) {
  Patch patch;
  if (kind == CoreKind::kFieldExists) {
    patch.before = 1;
    patch.after = target != nullptr ? 1 : 0;
    return patch;
  }
  const auto before = field_value(kind, local);
  if (!before) {
    return before.error();
  }
  patch.before = before->value;
  patch.check_before = before->is_certain;
  if (target == nullptr) {
    patch.poison = true;
    return patch;
  }
  const auto after = field_value(kind, *target);
  if (!after) {
    return after.error();
  }
  patch.after = after->value;
  patch.size_before = before->size;
  patch.size_after = after->size;
  patch.bad_width =
      before->size != after->size && !width_may_change(local, before->type, *target, after->type);
  return patch;
}

Result<Patch> type_patch(CoreKind kind, const Spec& local, const Spec* target) {
  Patch patch;
  switch (kind) {
    case CoreKind::kTypeIdTarget:
      patch.before = local.root;
      patch.after = target != nullptr ? target->root : 0;
      patch.check_before = false;  // linkers renumber types
      return patch;
    case CoreKind::kTypeSize: {
      const auto before = local.btf->size_of(local.root);
      const auto after =
          target != nullptr ? target->btf->size_of(target->root) : std::optional<std::uint32_t>(0);
      if (!before || !after) {
        return bad("the size of the type is not known");
      }
      patch.before = *before;
      patch.after = *after;
      return patch;
    }
    default:
      patch.before = 1;
      patch.after = target != nullptr ? 1 : 0;
      return patch;
  }
}

void poison(Insn& insn) {
  insn = {.opcode = kOpCall, .imm = kBadRelocation};
}

/// The opcode of the same access with another width, or nullopt: there is none.
std::optional<std::uint8_t> with_width(std::uint8_t opcode, std::uint32_t bytes) {
  constexpr unsigned kSizeMask = 0x18;
  for (const unsigned size : {0x00u, 0x08u, 0x10u, 0x18u}) {
    const auto changed = static_cast<std::uint8_t>((opcode & ~kSizeMask) | size);
    if (access_bytes(changed) == bytes) {
      return changed;
    }
  }
  return std::nullopt;
}

Result<void> patch_memory(const Patch& patch, Insn& insn) {
  if (patch.check_before && static_cast<std::uint64_t>(std::int64_t{insn.off}) != patch.before) {
    return bad(fmt::format("the instruction has offset {}, but its field is at {}", insn.off,
                           patch.before));
  }
  if (patch.after > std::numeric_limits<std::int16_t>::max()) {
    return bad(fmt::format("the field is at {}, too far for an instruction", patch.after));
  }
  if (patch.bad_width) {
    poison(insn);
    return {};
  }
  insn.off = static_cast<std::int16_t>(patch.after);
  if (patch.size_before == patch.size_after) {
    return {};
  }
  const auto opcode = with_width(insn.opcode, patch.size_after);
  if (access_bytes(insn.opcode) != patch.size_before || !opcode) {
    return bad(fmt::format("an access of {} bytes can't become one of {}",
                           access_bytes(insn.opcode), patch.size_after));
  }
  insn.opcode = *opcode;
  return {};
}

Result<void> patch_wide(const Patch& patch, Insn& insn, Insn* second) {
  if (!insn.is_wide() || second == nullptr || insn.src != 0 || insn.off != 0 ||
      *second != Insn{.imm = second->imm}) {
    return bad("the instruction is no plain 64-bit constant");
  }
  const std::uint64_t value = std::uint64_t{static_cast<std::uint32_t>(second->imm)} << 32 |
                              static_cast<std::uint32_t>(insn.imm);
  if (patch.check_before && value != patch.before) {
    return bad(fmt::format("the instruction holds {}, not the {} that its type says", value,
                           patch.before));
  }
  insn.imm = static_cast<std::int32_t>(patch.after);
  second->imm = static_cast<std::int32_t>(patch.after >> 32);
  return {};
}

}  // namespace

Result<Patch> compute_patch(CoreKind kind, const Spec& local, const Spec* target) {
  if (is_field(kind)) {
    return field_patch(kind, local, target);
  }
  if (is_type(kind)) {
    return type_patch(kind, local, target);
  }
  Patch patch;
  const auto value = [](const Spec& spec) {
    const Accessor& accessor = spec.path.front();
    return static_cast<std::uint64_t>(spec.btf->enumerator(accessor.type, accessor.index).value);
  };
  const bool wants_value = kind == CoreKind::kEnumvalValue;
  patch.before = wants_value ? value(local) : 1;
  patch.after = target == nullptr ? 0 : wants_value ? value(*target) : 1;
  patch.poison = wants_value && target == nullptr;
  return patch;
}

Result<void> apply_patch(const Patch& patch, Insn& insn, Insn* second) {
  enum Class : std::uint8_t { kLd = 0, kLdx = 1, kSt = 2, kStx = 3, kAlu = 4, kAlu64 = 7 };
  constexpr std::uint8_t kSourceRegister = 0x08;
  if (patch.poison) {
    if (second != nullptr) {
      poison(*second);
    }
    poison(insn);
    return {};
  }
  switch (insn.cls()) {
    case kAlu:
    case kAlu64:
      if ((insn.opcode & kSourceRegister) != 0) {
        return bad("the instruction has no constant to change");
      }
      if (patch.check_before &&
          static_cast<std::uint64_t>(std::int64_t{insn.imm}) != patch.before) {
        return bad(fmt::format("the instruction holds {}, not the {} that its type says", insn.imm,
                               patch.before));
      }
      insn.imm = static_cast<std::int32_t>(patch.after);
      return {};
    case kLdx:
    case kSt:
    case kStx:
      return patch_memory(patch, insn);
    case kLd:
      return patch_wide(patch, insn, second);
    default:
      return bad("the instruction is of no kind that CO-RE changes");
  }
}

}  // namespace kiln::elf
