// SPDX-License-Identifier: Apache-2.0
//
// Structures of the kernel that a program has pointers to, and such pointers kept in maps.
//
// Rules: a structure is read inside its fields, as BTF lays them out; what is loaded is a number, or, from a
// pointer field, an address. That is as valid as the kernel vouches for the field: for as long as the structure,
// until the RCU section ends, or good for reading only. Nothing is written into the kernel's structures. Objects of the
// program's own (bpf_obj_new) are written as memory, but for the fields that the kernel looks after.
#include "checker.h"
#include "kernel_names.h"
#include "kernel_walk.h"

namespace kiln::verifier {
namespace {

/// Flags that make more of a pointer than a bare one.
constexpr unsigned kUnsafe = kUntrusted | kUser | kPerCpu | kRcu;

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
  if (reg.has(kOwned)) {
    for (const Field& field : object_fields(type)) {
      if (off < s64{field.offset} + field.size && s64{field.offset} < off + s64{a.bytes}) {
        return reject("direct access to {} is disallowed", field_name(field.kind));
      }
    }
    if (a.access == Access::kWrite && reg.has(kUntrusted)) {
      return reject("only read is supported");
    }
    if (reg.ref == 0 && !reg.has(kNonOwning | kRcu | kUntrusted)) {
      return reject("allocated object must be referenced");
    }
  } else if (a.access == Access::kWrite) {
    return may_write_field(a, type, off);
  }
  const Walked found = walk_struct(*types, type, static_cast<u32>(off), a.bytes, !reg.has(kOwned) || reg.has(kUntrusted));
  if (found.kind == Walked::Kind::kRefused) {
    return reject("{}", found.error);
  }
  if (a.access == Access::kRead && a.value_reg >= 0) {
    const Reg loaded = loaded_field(reg, found);
    set_reg(static_cast<unsigned>(a.value_reg), loaded);
  }
  return true;
}

/// A load of the structure behind a map pointer.
bool Checker::access_map_struct(const MemoryAccess& a, const Reg& reg, s64 off) {
  const MapType type = object_.maps[static_cast<std::size_t>(reg.extra)].type;
  const std::string_view name = map_struct(type);
  if (name.empty()) {
    return reject("map_ptr access not supported for map type {}", static_cast<u32>(type));
  }
  if (off < 0) {
    return reject("R{} is {} invalid negative access: off={}", a.reg, name, off);
  }
  if (a.access == Access::kWrite) {
    return reject("only read from {} is supported", name);
  }
  Reg map = Reg::pointer(RegType::kBtf);
  if (!name_kernel_type(map, name)) {
    return false;
  }
  const Walked found = walk_struct(*kernel_types(), static_cast<u32>(map.extra), static_cast<u32>(off), a.bytes, true);
  if (found.kind == Walked::Kind::kRefused) {
    return reject("{}", found.error);
  }
  if (a.value_reg >= 0) {
    set_reg(static_cast<unsigned>(a.value_reg), loaded_field(map, found));
  }
  return true;
}

/// What a load gives: of the program's own objects numbers only.
Reg Checker::loaded_field(const Reg& from, const Walked& found) {
  if (found.kind == Walked::Kind::kAnyPointer) {
    Reg memory = Reg::pointer(RegType::kMem);
    memory.set(kReadOnly | kUntrusted);
    return memory;
  }
  if (found.kind != Walked::Kind::kPointer || (from.has(kOwned) && !from.has(kUntrusted))) {
    return Reg::unknown();
  }
  Reg loaded = Reg::pointer(RegType::kBtf);
  loaded.extra = static_cast<s32>(found.target);
  const auto vouched = [&](std::string_view list) {
    return vouched_.has(*kernel_types(), static_cast<u32>(from.extra), found, list);
  };
  const bool trusted = is_trusted(from) || from.has(kRcu);
  if (from.has(kUntrusted)) {
    loaded.set(kUntrusted | (from.flags & kOwned));
  } else if (!trusted) {
    loaded.set(found.flags & ~kRcu);
  } else if (vouched("__safe_trusted")) {
    loaded.set(found.flags | kTrusted);
  } else if (vouched("__safe_trusted_or_null")) {
    loaded.set(found.flags | kTrusted);
    loaded.maybe_null = true;
  } else if (!in_rcu_section() || from.maybe_null) {
    loaded.set(kUntrusted);
  } else if (vouched("__safe_rcu")) {
    loaded.set(found.flags | kRcu);
  } else if (const bool always = vouched("__safe_rcu_or_null"); always || (found.flags & kRcu) != 0) {
    loaded.set((found.flags & ~(always ? kUntrusted : 0u)) | kRcu);
    loaded.maybe_null = true;
  } else {
    loaded.set(found.flags);
  }
  loaded.id = loaded.maybe_null ? new_id() : 0;
  return loaded;
}

/// Valid for as long as the program runs or the reference is held.
bool Checker::is_trusted(const Reg& reg) {
  return reg.ref != 0 || (!reg.maybe_null && !reg.has(kUnsafe) &&
                          (is_socket(reg.type) || reg.type == RegType::kMapPtr || reg.has(kTrusted | kOwned | kNonOwning)));
}

/// A connection's mark is all that programs of a packet type may write of the kernel's.
bool Checker::may_write_field(const MemoryAccess& a, u32 type, s64 off) {
  const Btf& types = *kernel_types();
  if (state().reg(a.reg).has(kUntrusted)) {
    return reject("only read is supported");
  }
  if (const Operation* operation = traced_ ? traced_->operation() : nullptr) {
    const std::string why = refuse_write(types, *operation, type, off, a.bytes);
    return why.empty() || reject("{}", why);
  }
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

}  // namespace kiln::verifier
