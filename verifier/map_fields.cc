// SPDX-License-Identifier: Apache-2.0
//
// Fields of map values that the kernel looks after (fields.h): locks, timers, kernel pointers.
//
// Rules: loads, stores and helpers' memory stay clear of them; kernel pointers are loaded and stored whole.
// A lock or timer is named by its exact address. One lock is held at a time; under it nothing is called, and
// what is unlocked is what was locked: the same map element, not only the same map.
#include "checker.h"

namespace kiln::verifier {

/// The object's own BTF; nullptr: none.
const Btf* Checker::program_types() {
  if (!program_types_ && !object_.btf.empty()) {
    auto parsed = Btf::parse(object_.btf);
    if (parsed) {
      program_types_ = std::make_unique<Btf>(std::move(*parsed));
    }
  }
  return program_types_.get();
}

/// The kernel's BTF; nullptr: there is none here.
const Btf* Checker::kernel_types() {
  if (object_.kernel_types != nullptr) {
    return object_.kernel_types.get();
  }
  if (!kernel_types_) {
    auto found = kernel_btf();
    kernel_types_ = found ? *found : nullptr;
  }
  return kernel_types_->get();
}

/// Gives a kBtf register the kernel's struct of that name.
bool Checker::name_kernel_type(Reg& reg, std::string_view name) {
  const Btf* types = kernel_types();
  const auto id = types == nullptr ? std::nullopt : types->find(BtfKind::kStruct, name);
  if (!id) {
    return reject("the kernel's BTF has no struct {}, or is not here", name);
  }
  reg.extra = static_cast<s32>(*id);
  return true;
}

const FieldList& Checker::map_fields(s32 map) {
  if (map_fields_.empty()) {
    map_fields_.resize(object_.maps.size());
  }
  auto& cached = map_fields_[static_cast<std::size_t>(map)];
  if (!cached) {
    const Btf* types = program_types();
    const u32 type = object_.maps[static_cast<std::size_t>(map)].btf_value_type;
    cached = types == nullptr ? FieldList{} : find_fields(*types, type);
  }
  return *cached;
}

/// Map values with a lock keep their identity, so that lock and unlock can be told to be of one element.
bool Checker::keeps_id(const Reg& reg) {
  const bool owned = reg.type == RegType::kBtf && reg.has(kOwned) && !reg.has(kUntrusted);
  if (reg.type == RegType::kMapValue || owned) {
    const FieldList& fields = owned ? object_fields(static_cast<u32>(reg.extra)) : map_fields(reg.extra);
    return find_field(fields, FieldKind::kSpinLock) != nullptr || find_field(fields, FieldKind::kResSpinLock) != nullptr;
  }
  return false;
}

/// \param direct  by a load or store, not by a helper.
bool Checker::check_fields(const Reg& reg, const FieldList& fields, s64 off, u32 bytes, bool direct) {
  for (const Field& field : fields) {
    const s64 begin = field.offset, end = begin + field.size;
    const bool touches = reg.bounds.w.smin + off < end &&
                         begin < static_cast<s64>(reg.bounds.w.umax) + off + s64{bytes};
    if (!touches) {
      continue;
    }
    const std::string_view name = field_name(field.kind);
    if (!field.is_pointer()) {
      return reject("{} cannot be accessed directly by load/store", name);
    }
    if (!direct) {
      return reject("{} cannot be accessed indirectly by helper", name);
    }
    if (!reg.bounds.is_constant()) {
      return reject("{} access cannot have variable offset", name);
    }
    if (begin != off + static_cast<s64>(reg.bounds.value())) {
      return reject("{} access misaligned expected={} off={}", name, begin, off + static_cast<s64>(reg.bounds.value()));
    }
    if (bytes != kSlotBytes) {
      return reject("{} access size must be BPF_DW", name);
    }
  }
  return true;
}

/// The field of `kind` that an argument must point at. \param name  of its struct: "bpf_timer".
const Field* Checker::exact_field(unsigned number, FieldKind kind, std::string_view name) {
  const Reg& reg = state().reg(number);
  if (!reg.bounds.is_constant()) {
    reject("R{} doesn't have constant offset. {} has to be at the constant offset", number, name);
    return nullptr;
  }
  const bool in_map = reg.type == RegType::kMapValue;
  const std::string owner = in_map ? object_.maps[static_cast<std::size_t>(reg.extra)].name : "kptr";
  if (in_map && object_.maps[static_cast<std::size_t>(reg.extra)].btf_value_type == 0) {
    reject("map '{}' has to have BTF in order to use {}", owner, name);
    return nullptr;
  }
  const FieldList& fields = in_map ? map_fields(reg.extra) : object_fields(static_cast<u32>(reg.extra));
  const Field* field = find_field(fields, kind);
  if (field == nullptr) {
    reject("{} '{}' has no valid {}", in_map ? "map" : "local", owner, name);
    return nullptr;
  }
  const s64 off = static_cast<s64>(reg.bounds.value()) + reg.off;
  if (off != s64{field->offset}) {
    reject("off {} doesn't point to 'struct {}' that is at {}", off, name, field->offset);
    return nullptr;
  }
  return field;
}

/// Fields of a structure that bpf_obj_new() makes. \param type  of the program's BTF.
const FieldList& Checker::object_fields(u32 type) {
  for (const auto& [id, fields] : object_fields_) {
    if (id == type) {
      return *fields;
    }
  }
  const Btf* types = program_types();
  object_fields_.emplace_back(type, std::make_unique<FieldList>(types == nullptr ? FieldList{} : find_fields(*types, type)));
  return *object_fields_.back().second;
}

bool Checker::check_spin_lock(unsigned number, bool lock) {
  const Reg reg = state().reg(number);
  if (inside_tree_callback()) {
    return reject("can't spin_{{lock,unlock}} in rbtree cb");
  }
  if (exact_field(number, FieldKind::kSpinLock, "bpf_spin_lock") == nullptr) {
    return false;
  }
  const s32 owner = reg.type == RegType::kMapValue ? reg.extra : -1;
  return lock ? take_lock(Reference::Kind::kLock, reg.id, owner)
              : give_lock(Reference::Kind::kLock, reg.id, owner, "bpf_spin");
}

/// Programs that may run in the middle of anything can't wait for a lock.
bool Checker::check_map_for_program(const MapSpec& map, s32 index) {
  const bool tracing = program_.type == ProgramType::kKprobe || program_.type == ProgramType::kTracepoint ||
                       program_.type == ProgramType::kPerfEvent || program_.type == ProgramType::kRawTracepoint ||
                       program_.type == ProgramType::kRawTracepointWritable;
  const FieldList& fields = map_fields(index);
  const auto has = [&fields](FieldKind kind) { return find_field(fields, kind) != nullptr; };
  if (map.btf_value_type == 0 || fields.empty()) {
    return true;
  }
  if (has(FieldKind::kListHead) || has(FieldKind::kRbRoot)) {
    if (tracing) {
      return reject("tracing progs cannot use bpf_{{list_head,rb_root}} yet");
    }
  }
  if (has(FieldKind::kSpinLock) || has(FieldKind::kResSpinLock)) {
    if (program_.type == ProgramType::kSocketFilter) {
      return reject("socket filter progs cannot use bpf_spin_lock yet");
    }
    if (tracing) {
      return reject("tracing progs cannot use bpf_spin_lock yet");
    }
  }
  if (has(FieldKind::kTimer) && tracing) {
    return reject("tracing progs cannot use bpf_timer yet");
  }
  if (has(FieldKind::kWorkQueue) && tracing) {
    return reject("tracing progs cannot use bpf_wq yet");
  }
  return true;
}

}  // namespace kiln::verifier
