// SPDX-License-Identifier: Apache-2.0
//
// Lists and trees of objects that the program allocates: heads, roots and nodes as arguments of kernel functions.
//
// Rules: a head or root lies at its exact place in a map value or an object whose lock is held, in that very
// element; a node lies where "contains:" of the head says, in an object of that type. What is put into a collection
// belongs to it: pointers to it are borrowed from then on, good until the lock is given back (or, if the object counts
// its references, until the RCU section ends). What is taken out belongs to the program again.
#include "checker.h"
#include "kfunc_call.h"

namespace kiln::verifier {

bool puts_into_collection(std::string_view name) {
  return name.starts_with("bpf_list_push_") || name == "bpf_rbtree_add_impl";
}

/// An object of the program's own that nothing else is said of.
bool Checker::is_plain_object(const Reg& reg) {
  return reg.type == RegType::kBtf && reg.has(kOwned) && !reg.maybe_null &&
         !reg.has(kUntrusted | kNonOwning | kRcu | kPerCpu);
}

const FieldList& Checker::fields_behind(const Reg& reg) {
  return reg.type == RegType::kMapValue ? map_fields(reg.extra) : object_fields(static_cast<u32>(reg.extra));
}

bool Checker::check_same_allocation_locked(const Reg& reg) {
  const s32 owner = reg.type == RegType::kMapValue ? reg.extra : -1;
  for (const Reference& ref : state().held.refs) {
    if (ref.is_lock() && ref.id == reg.id && ref.owner == owner) {
      return true;
    }
  }
  if (state().held.locks != 0) {
    log_.print("held lock and object are not in the same allocation\n");
  }
  return false;
}

/// The field of `kind` that an argument points at exactly; nullptr after a reject().
const Field* Checker::collection_field(unsigned number, FieldKind kind) {
  const Reg& reg = state().reg(number);
  if (!reg.bounds.is_constant()) {
    reject("R{} doesn't have constant offset. {} has to be at the constant offset", number, field_name(kind));
    return nullptr;
  }
  const s64 off = static_cast<s64>(reg.bounds.value()) + reg.off;
  const bool has_fields = reg.type == RegType::kMapValue || (reg.type == RegType::kBtf && reg.has(kOwned));
  const Field* field = has_fields && off >= 0 ? field_at(fields_behind(reg), static_cast<u32>(off)) : nullptr;
  if (field == nullptr || field->kind != kind) {
    reject("{} not found at offset={}", field_name(kind), static_cast<u32>(off));
    return nullptr;
  }
  return field;
}

/// \param kind  kListHead or kRbRoot
bool Checker::check_collection(KfuncCall& call, unsigned number, FieldKind kind) {
  const Reg reg = state().reg(number);
  if (reg.type != RegType::kMapValue && !is_plain_object(reg)) {
    return reject("arg#{} expected pointer to map value or allocated object", number - 1);
  }
  if (reg.type == RegType::kBtf && reg.ref == 0) {
    return reject("allocated object must be referenced");
  }
  call.collection = collection_field(number, kind);
  if (call.collection == nullptr) {
    return false;
  }
  if (!check_same_allocation_locked(reg)) {
    const Field* lock = find_field(fields_behind(reg), FieldKind::kSpinLock);
    return reject("bpf_spin_lock at off={} must be held for {}", lock == nullptr ? -1 : static_cast<s32>(lock->offset),
                  field_name(kind));
  }
  return true;
}

/// \param kind  kListNode or kRbNode
bool Checker::check_collection_node(KfuncCall& call, unsigned number, FieldKind kind) {
  const Reg reg = state().reg(number);
  if (puts_into_collection(call.name)) {
    if (!is_plain_object(reg)) {
      return reject("arg#{} expected pointer to allocated object", number - 1);
    }
    if (reg.ref == 0) {
      return reject("allocated object must be referenced");
    }
  } else if (!reg.has(kNonOwning) && reg.ref == 0) {
    return reject("{} can only take non-owning or refcounted bpf_rb_node pointer", call.name);
  } else if (inside_tree_callback()) {
    return reject("{} not allowed in rbtree cb", call.name);
  }
  if (collection_field(number, kind) == nullptr) {
    return false;
  }
  const Btf& types = *program_types();
  const Field& collection = *call.collection;
  const u32 off = static_cast<u32>(static_cast<s64>(reg.bounds.value()) + reg.off);
  if (static_cast<u32>(reg.extra) != collection.type) {
    return reject("operation on {} expects arg#1 {} at offset={} in struct {}, but arg is at offset={} in struct {}",
                  field_name(collection.kind), field_name(kind), collection.node_offset, types.name(collection.type), off,
                  types.name(static_cast<u32>(reg.extra)));
  }
  return off == collection.node_offset ||
         reject("arg#1 offset={}, but expected {} at offset={} in struct {}", off, field_name(kind), collection.node_offset,
                types.name(collection.type));
}

/// "p__refcounted_kptr": one more reference to an object that counts them.
bool Checker::check_counted_object(KfuncCall& call, unsigned number) {
  const Reg reg = state().reg(number);
  if (reg.type != RegType::kBtf || !reg.has(kOwned) || reg.has(kUntrusted | kPerCpu)) {
    return reject("arg#{} is neither owning or non-owning ref", number - 1);
  }
  if (find_field(fields_behind(reg), FieldKind::kRefcount) == nullptr) {
    return reject("arg#{} doesn't point to a type with bpf_refcount field", number - 1);
  }
  call.owning = !reg.has(kNonOwning);
  call.object_type = static_cast<u32>(reg.extra);
  return true;
}

/// A pointer to the node of an element of `collection`.
Reg Checker::element_of(const Field& collection) const {
  Reg node = Reg::pointer(RegType::kBtf, static_cast<s32>(collection.node_offset));
  node.extra = static_cast<s32>(collection.type);
  node.set(kOwned);
  return node;
}

/// It belongs to a collection: good for as long as that is locked.
void Checker::make_borrowed(Reg& reg) {
  reg.set(kNonOwning);
  if (find_field(object_fields(static_cast<u32>(reg.extra)), FieldKind::kRefcount) != nullptr) {
    reg.set(kRcu);
  }
}

/// What R2 points at has been put into a collection.
void Checker::give_to_collection(u32 reference) {
  drop_reference(state(), reference);
  for_each_reg(state(), [&](Reg& reg) {
    if (reg.is_pointer() && reg.ref == reference) {
      reg.ref = 0;
      make_borrowed(reg);
    }
  });
  touched_regs_ = ~0u;
}

/// Some frame is of a function that orders a tree.
bool Checker::inside_tree_callback() {
  for (std::size_t f = 1; f < state().frames.size(); ++f) {
    const Frame& frame = state().frames[f];
    if (frame.in_callback && kernel_function_at(frame.callsite).starts_with("bpf_rbtree_")) {
      return true;
    }
  }
  return false;
}

/// The subprogram that bpf_rbtree_add_impl() asks which of two elements is less.
bool Checker::call_tree_order(const KfuncCall& call) {
  Reg element = element_of(*call.collection);
  make_borrowed(element);
  return push_callback(callback_of(state().reg(call.callback)), {element, element}, {0, 1});
}

}  // namespace kiln::verifier
