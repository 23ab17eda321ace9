// SPDX-License-Identifier: Apache-2.0
//
// Structures of the kernel that a program has pointers to, and such pointers kept in maps.
//
// Rules: a structure is read inside its fields, as BTF lays them out; what is loaded is a number, or, from a
// pointer field, an address that may be stale and is good for reading only (an RCU or trusted pointer's own
// fields do not make more than that here). Nothing is written into the kernel's structures. Objects of the
// program's own (bpf_obj_new) are written as memory, but for the fields that the kernel looks after.
#include "checker.h"
#include "kernel_names.h"

namespace kiln::verifier {
namespace {

/// What lies at `off` of a structure: descends through structs, unions and arrays.
struct Found {
  std::optional<u32> type;  ///< without modifiers; nullopt: no field holds these bytes whole
  bool user = false;        ///< the pointer is tagged as one to user space
};

Found field_of(const Btf& btf, u32 type, u32 off, u32 bytes, unsigned depth = 0) {
  constexpr unsigned kMaxDepth = 16;
  const auto plain = btf.strip(type);
  if (!plain || *plain == 0 || depth > kMaxDepth) {
    return {};
  }
  if (btf.kind(*plain) == BtfKind::kArray) {
    const u32 element = btf.size_of(btf.array(*plain).element).value_or(0);
    return element == 0 ? Found{} : field_of(btf, btf.array(*plain).element, off % element, bytes, depth + 1);
  }
  if (!btf.is_composite(*plain)) {
    const u32 size = btf.size_of(*plain).value_or(0);
    return off + bytes <= size ? Found{*plain} : Found{};
  }
  for (u32 i = 0; i < btf.vlen(*plain); ++i) {
    const Btf::Member member = btf.member(*plain, i);
    const u32 begin = member.bit_offset / 8;
    if (member.bitfield_size != 0) {
      const u32 end = (member.bit_offset + member.bitfield_size + 7) / 8;
      if (off < end && off + bytes > begin) {
        return {member.type};
      }
      continue;
    }
    const u32 size = btf.size_of(member.type).value_or(0);
    if (off >= begin && off + bytes <= begin + size) {
      const Found inner = field_of(btf, member.type, off - begin, bytes, depth + 1);
      if (inner.type) {
        return inner;
      }
    }
  }
  return {};
}

}  // namespace

bool Checker::access_kernel_object(const MemoryAccess& a, const Reg& reg, s64 off) {
  const Btf* types = reg.has(kOwned) ? program_types() : kernel_types();
  if (types == nullptr || static_cast<u32>(reg.extra) >= types->count()) {
    return reject("R{} invalid mem access '{}'", a.reg, type_name(reg));
  }
  const u32 type = static_cast<u32>(reg.extra);
  const std::string_view name = types->name(type);
  if (off < 0) {
    return reject("R{} is ptr_{} invalid negative access: off={}", a.reg, name, off);
  }
  if (!reg.bounds.is_constant() || reg.bounds.value() != 0) {
    return reject("R{} is ptr_{} invalid variable offset: off={}, var_off={}", a.reg, name, off,
                  reg.bounds.bits.text());
  }
  if (reg.has(kUser)) {
    return reject("R{} is ptr_{} access user memory: off={}", a.reg, name, off);
  }
  if (reg.has(kPerCpu)) {
    return reject("R{} is ptr_{} access percpu memory: off={}", a.reg, name, off);
  }
  const u32 size = types->size_of(type).value_or(0);
  if (reg.has(kOwned)) {
    for (const Field& field : object_fields(type)) {
      if (off < s64{field.offset} + field.size && s64{field.offset} < off + s64{a.bytes}) {
        return reject("direct access to {} is disallowed", field_name(field.kind));
      }
    }
    if (a.access == Access::kWrite && reg.ref == 0 && !reg.has(kNonOwning)) {
      return reject("allocated object must be referenced");
    }
  } else if (a.access == Access::kWrite) {
    return may_write_field(a, type, off);
  }
  const bool inside = off + s64{a.bytes} <= s64{size};
  const Found found = inside ? field_of(*types, type, static_cast<u32>(off), a.bytes) : Found{};
  if (!inside) {
    return reject("access beyond struct {} at off {} size {}", name, off, a.bytes);
  }
  if (!found.type && !reg.has(kOwned)) {
    return reject("access beyond the end of member of struct {} at off {} size {}", name, off, a.bytes);
  }
  if (a.access != Access::kRead || a.value_reg < 0) {
    return true;
  }
  Reg loaded = Reg::unknown();
  if (found.type && *found.type != 0 && types->kind(*found.type) == BtfKind::kPtr && a.bytes == kSlotBytes &&
      !reg.has(kOwned)) {
    const auto target = types->strip(types->target(*found.type));
    if (target && *target != 0 && types->is_composite(*target)) {
      loaded = Reg::pointer(RegType::kBtf);
      loaded.extra = static_cast<s32>(*target);
      const bool trusted = reg.ref != 0 || reg.has(kTrusted | kRcu);
      // What a valid pointer leads to is valid for helpers inside an RCU section; anything else is stale.
      loaded.set(reg.has(kUntrusted) || (trusted && !in_rcu_section()) ? kUntrusted : 0u);
    }
  }
  set_reg(static_cast<unsigned>(a.value_reg), loaded);
  return true;
}

/// A connection's mark is all that programs of a packet type may write of the kernel's.
bool Checker::may_write_field(const MemoryAccess& a, u32 type, s64 off) {
  const Btf& types = *kernel_types();
  const bool packets = program_.type == ProgramType::kXdp || program_.type == ProgramType::kSchedCls ||
                       program_.type == ProgramType::kSchedAct;
  const auto connection = types.find(BtfKind::kStruct, "nf_conn");
  const bool is_connection = connection && (type == *connection || types.name(type) == "nf_conn___init");
  for (u32 i = 0; packets && is_connection && i < types.vlen(*connection); ++i) {
    const Btf::Member member = types.member(*connection, i);
    const s64 begin = member.bit_offset / 8;
    if (member.name != "mark") {
      continue;
    }
    if (off != begin) {
      return reject("no write support to nf_conn at off {}", off);
    }
    const s64 end = begin + types.size_of(member.type).value_or(0);
    return off + s64{a.bytes} <= end ||
           reject("write access at off {} with size {} beyond the member of nf_conn ended at {}", off, a.bytes, end);
  }
  return reject("only read is supported");
}

/// An argument that is a struct of the kernel's, or holds one where it points.
/// \param trusted  it must be known to be valid; else only not known to be stale.
bool Checker::check_kernel_struct(unsigned number, u32 wanted, bool null_ok, bool trusted) {
  const Reg& reg = state().reg(number);
  const Btf& types = *kernel_types();
  const bool valid = !reg.has(kUntrusted | kUser | kPerCpu | kOwned | kNonOwning) && (!reg.maybe_null || null_ok) &&
                     (!trusted || reg.ref != 0 || reg.has(kTrusted));
  if (reg.type != RegType::kBtf || !valid) {
    return reject("R{} type={} expected={}", number, type_name(reg), "ptr_, trusted_ptr_, rcu_ptr_");
  }
  if (!reg.bounds.is_constant() || reg.bounds.value() != 0) {
    return reject("variable {} access var_off={} disallowed", type_name(reg), reg.bounds.bits.text());
  }
  const u32 have = static_cast<u32>(reg.extra);
  return (reg.off >= 0 && holds_struct(types, have, static_cast<u32>(reg.off), wanted)) ||
         reject("R{} is of type {} but {} is expected", number, types.name(have), types.name(wanted));
}

/// A load or store of a kernel pointer kept in a map value.
bool Checker::access_kernel_pointer(const MemoryAccess& a, const Field& field) {
  if (a.atomic) {
    return reject("kptr in map can only be accessed using BPF_MEM instruction mode");
  }
  if (a.access == Access::kWrite && field.kind != FieldKind::kKptrUntrusted) {
    return reject("{}", field.kind == FieldKind::kUptr ? "store to uptr disallowed" : "store to referenced kptr disallowed");
  }
  if (a.access == Access::kWrite) {
    const bool null = a.immediate ? insn().imm == 0
                                  : state().reg(static_cast<unsigned>(a.value_reg)).is_null_constant();
    if (a.immediate && !null) {
      return reject("BPF_ST imm must be 0 when storing to kptr at off={}", field.offset);
    }
    return null || reject("storing a kernel pointer into a map is not supported by this verifier");
  }
  const Btf* program = program_types();
  const Btf* kernel = kernel_types();
  const auto id = kernel == nullptr || field.kind == FieldKind::kUptr
                      ? std::nullopt
                      : kernel->find(BtfKind::kStruct, program->name(field.type));
  Reg loaded = Reg::pointer(RegType::kBtf);
  loaded.maybe_null = true;
  loaded.id = new_id();
  loaded.extra = static_cast<s32>(id.value_or(field.type));
  loaded.set(id ? kUntrusted : kUntrusted | kOwned);
  if (a.value_reg >= 0) {
    set_reg(static_cast<unsigned>(a.value_reg), loaded);
  }
  return true;
}

}  // namespace kiln::verifier
