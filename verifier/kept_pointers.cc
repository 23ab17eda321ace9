// SPDX-License-Identifier: Apache-2.0
//
// Pointers that map values and the program's own objects keep ("kptr", "percpu_kptr", "uptr"), and per-CPU objects.
//
// Rules: they are loaded whole; what is loaded is NULL or, inside an RCU section and of a type that RCU frees,
// valid until that ends, else good for reading only. Only those without ownership are stored to; the others are
// exchanged (bpf_kptr_xchg), which takes what the program owns and gives it what was there. Types match exactly.
#include <algorithm>

#include "checker.h"
#include "kernel_names.h"

namespace kiln::verifier {
namespace {

/// Structures that are freed only after an RCU grace period. \source rcu_protected_types of the kernel
constexpr std::string_view kFreedByRcu[] = {"prog_test_ref_kfunc", "cgroup", "bpf_cpumask", "task_struct", "bpf_crypto_ctx"};

}  // namespace

/// What a field's pointer points at: a structure of the kernel's, or one of the program's if there is none of its name.
Checker::KeptType Checker::kept_type(const Field& field) {
  for (const KeptType& known : kept_types_) {
    if (known.declared == field.type) {
      return known;
    }
  }
  const Btf& own = *program_types();
  const Btf* kernel = kernel_types();
  const auto id = kernel == nullptr ? std::nullopt : kernel->find(own.kind(field.type), own.name(field.type));
  KeptType type{.declared = field.type, .type = id.value_or(field.type), .own = !id};
  type.freed_by_rcu = !id || std::find(std::begin(kFreedByRcu), std::end(kFreedByRcu), own.name(field.type)) != std::end(kFreedByRcu);
  kept_types_.push_back(type);
  return type;
}

/// May R`number` be put into `field`?
bool Checker::check_kept_type(unsigned number, const Field& field) {
  const Reg reg = state().reg(number);
  const KeptType want = kept_type(field);
  const bool untrusted_ok = field.kind == FieldKind::kKptrUntrusted;
  const bool own = reg.has(kOwned);
  unsigned allowed = own ? kOwned : kTrusted | kRcu | (untrusted_ok ? kUntrusted : 0u);
  allowed |= own && field.kind == FieldKind::kKptrPercpu ? kPerCpu : 0u;
  const bool kind_ok = reg.type == RegType::kBtf && (reg.flags & ~allowed) == 0;
  if (kind_ok && !check_fixed_object(reg)) {
    return false;
  }
  const Btf* types = own ? program_types() : kernel_types();
  const u32 have = static_cast<u32>(reg.extra);
  const bool inside = kind_ok && own == want.own && reg.off >= 0;
  if (inside && (untrusted_ok ? holds_struct(*types, have, static_cast<u32>(reg.off), want.type)
                              : have == want.type && reg.off == 0)) {
    return true;
  }
  const std::string_view target = program_types()->name(field.type);
  return reject("invalid kptr access, R{} type={}{} expected=ptr_{}{}", number, type_name(reg),
                reg.type == RegType::kBtf ? types->name(have) : "", target,
                untrusted_ok ? fmt::format(" or untrusted_ptr_{}", target) : "");
}

/// A load or store of a pointer kept in a map value.
bool Checker::access_kernel_pointer(const MemoryAccess& a, const Field& field) {
  if (a.atomic) {
    return reject("kptr in map can only be accessed using BPF_MEM instruction mode");
  }
  if (a.access == Access::kRead) {
    if (a.value_reg >= 0) {
      set_reg(static_cast<unsigned>(a.value_reg), load_kept(field));
    }
    return true;
  }
  if (field.kind != FieldKind::kKptrUntrusted) {
    return reject("{}", field.kind == FieldKind::kUptr ? "store to uptr disallowed" : "store to referenced kptr disallowed");
  }
  if (a.immediate) {
    return insn().imm == 0 || reject("BPF_ST imm must be 0 when storing to kptr at off={}", field.offset);
  }
  const unsigned number = static_cast<unsigned>(a.value_reg);
  return state().reg(number).is_null_constant() || check_kept_type(number, field);
}

Reg Checker::load_kept(const Field& field) {
  Reg loaded = Reg::pointer(RegType::kBtf);
  loaded.maybe_null = true;
  loaded.id = new_id();
  if (field.kind == FieldKind::kUptr) {
    loaded.type = RegType::kMem;
    loaded.extra = static_cast<s32>(program_types()->size_of(field.type).value_or(0));
    return loaded;
  }
  const KeptType type = kept_type(field);
  loaded.extra = static_cast<s32>(type.type);
  loaded.set(type.own ? kOwned : 0u);
  const bool percpu = field.kind == FieldKind::kKptrPercpu;
  const bool lasts = percpu || (field.kind == FieldKind::kKptr && type.freed_by_rcu);
  if (!lasts || !in_rcu_section()) {
    loaded.set(kUntrusted);
    return loaded;
  }
  loaded.set(percpu ? kRcu | kPerCpu : kRcu);
  if (type.own) {  // of a kind that lists and trees hold: as what is found there
    const FieldList& fields = object_fields(type.type);
    const bool node = find_field(fields, FieldKind::kListNode) != nullptr || find_field(fields, FieldKind::kRbNode) != nullptr;
    loaded.set(node ? kNonOwning : 0u);
  }
  return loaded;
}

/// bpf_kptr_xchg(): the place.
bool Checker::check_exchange(CallContext& call, unsigned number) {
  const Reg reg = state().reg(number);
  if (reg.type == RegType::kMapValue && object_.maps[static_cast<std::size_t>(reg.extra)].btf_value_type == 0) {
    return reject("map '{}' has to have BTF in order to use bpf_kptr_xchg", object_.maps[static_cast<std::size_t>(reg.extra)].name);
  }
  if (!reg.bounds.is_constant()) {
    return reject("R{} doesn't have constant offset. kptr has to be at the constant offset", number);
  }
  const FieldList& fields = fields_behind(reg);
  const auto is_kptr = [](const Field& f) { return f.is_pointer() && f.kind != FieldKind::kUptr; };
  if (std::none_of(fields.begin(), fields.end(), is_kptr)) {
    return reject("R{} has no valid kptr", number);
  }
  const s64 off = static_cast<s64>(reg.bounds.value()) + reg.off;
  const Field* field = field_at(fields, static_cast<u32>(off));
  if (field == nullptr || !is_kptr(*field)) {
    return reject("off={} doesn't point to kptr", off);
  }
  call.kept = field;
  return field->kind != FieldKind::kKptrUntrusted || reject("off={} kptr isn't referenced kptr", off);
}

/// What it gave away. A per-CPU object may still be read until the RCU section ends.
bool Checker::release_exchanged(u32 reference) {
  const bool in_section = in_rcu_section();
  if (!drop_reference(state(), reference)) {
    return false;
  }
  for_each_reg(state(), [&](Reg& reg) {
    if (reg.is_pointer() && reg.ref == reference && in_section && reg.has(kOwned) && reg.has(kPerCpu)) {
      reg.ref = 0;
      reg.set(kRcu);
    }
  });
  invalidate([reference](const Reg& reg) { return reg.ref == reference; });
  return true;
}

/// What it gives: what was there.
Reg Checker::exchanged(const CallContext& call) {
  const KeptType type = kept_type(*call.kept);
  Reg result = Reg::pointer(RegType::kBtf);
  result.maybe_null = true;
  result.extra = static_cast<s32>(type.type);
  result.set(type.own ? kOwned : 0u);
  result.set(type.own && call.kept->kind == FieldKind::kKptrPercpu ? kPerCpu : 0u);
  return result;
}

/// bpf_per_cpu_ptr() and bpf_this_cpu_ptr(): one processor's part of what `percpu` points at.
Reg Checker::part_of_percpu(const Reg& percpu) {
  Reg result = Reg::pointer(RegType::kBtf);
  result.extra = percpu.extra;
  result.set(percpu.has(kOwned) ? kOwned | kRcu : kTrusted);
  return result;
}

}  // namespace kiln::verifier
