// SPDX-License-Identifier: Apache-2.0
//
// Arguments of kernel functions, by their prototype in the kernel's BTF and the suffixes of their names.
//
// Rules: numbers are numbers, "__k" ones known; a context is the context; a dynptr or iterator is one;
// "__sz" behind a pointer is the size of its memory, "__szk" a known one; a structure is of the kernel's
// type, valid ("trusted") where the function asks for that; other pointers are to memory as long as their type.
// What a releasing function is given holds a reference.
#include "checker.h"
#include "kernel_names.h"
#include "kfunc_call.h"

namespace kiln::verifier {
namespace {

constexpr std::string_view kDynptrName = "bpf_dynptr", kIterPrefix = "bpf_iter_";

bool is_number(const Btf& btf, u32 type) { return btf.kind(type) == BtfKind::kInt || btf.is_enum(type); }

struct Suffixes {
  std::string_view name;
  bool has(std::string_view suffix) const { return name.ends_with(suffix); }
};

}  // namespace

bool is_scalar_struct(const Btf& btf, u32 type, unsigned depth) {
  constexpr unsigned kMaxDepth = 4;
  for (u32 i = 0; i < btf.vlen(type); ++i) {
    auto member = btf.strip(btf.member(type, i).type);
    while (member && *member != 0 && btf.kind(*member) == BtfKind::kArray) {
      member = btf.strip(btf.array(*member).element);
    }
    if (!member || *member == 0) {
      return false;
    }
    if (btf.is_composite(*member)) {
      if (depth >= kMaxDepth || !is_scalar_struct(btf, *member, depth + 1)) {
        return false;
      }
    } else if (btf.kind(*member) != BtfKind::kInt && !btf.is_enum(*member)) {
      return false;
    }
  }
  return true;
}

bool Checker::check_kfunc_number(KfuncCall& call, unsigned number, std::string_view name) {
  const Reg& reg = state().reg(number);
  if (!reg.is_scalar()) {
    return reject("R{} is not a scalar", number);
  }
  if (!Suffixes{name}.has("__k")) {
    return true;
  }
  if (!reg.bounds.is_constant()) {
    return reject("R{} must be a known constant", number);
  }
  call.constant = reg.bounds.value();
  call.has_constant = true;
  make_precise(number);
  return true;
}

/// A structure of the kernel's.
bool Checker::check_kfunc_object(KfuncCall& call, unsigned number, u32 wanted) {
  const Reg reg = state().reg(number);
  const Btf& types = *call.types;
  const bool trusted_type = reg.type != RegType::kBtf && (is_socket(reg.type) || reg.type == RegType::kMapPtr);
  const bool unsafe = reg.has(kUntrusted | kUser | kPerCpu) || reg.maybe_null || reg.has(kRcu);
  if (call.info->has(kKfTrusted) || call.info->has(kKfRcu) || call.info->has(kKfReleases)) {
    const bool trusted = is_trusted(reg);
    if (!trusted && !call.info->has(kKfRcu)) {
      return reject("R{} must be referenced or trusted", number);
    }
    if (!trusted && !reg.has(kRcu)) {
      return reject("R{} must be a rcu pointer", number);
    }
  }
  if (call.info->has(kKfReleases) && reg.ref != 0 && reg.off != 0) {
    return reject("R{} must have zero offset when passed to release func or trusted arg to kfunc", number);
  }
  if ((reg.type != RegType::kBtf && !trusted_type) || (unsafe && !reg.has(kRcu))) {
    return reject("arg#{} is {} expected {} or socket", number - 1, type_name(reg), type_name(reg.type));
  }
  if (!reg.bounds.is_constant() || reg.bounds.value() != 0) {
    return reject("variable {} access var_off={} disallowed", type_name(reg), reg.bounds.bits.text());
  }
  u32 have = static_cast<u32>(reg.extra);
  if (reg.type != RegType::kBtf) {
    const char* name = reg.type == RegType::kSocket       ? "sock"
                       : reg.type == RegType::kSockCommon ? "sock_common"
                       : reg.type == RegType::kTcpSock    ? "tcp_sock"
                                                          : "bpf_map";
    have = types.find(BtfKind::kStruct, name).value_or(0);
  }
  const bool own = reg.type == RegType::kBtf && reg.has(kOwned);
  const std::string_view want_name = types.name(wanted);
  const std::string_view have_name = own ? program_types()->name(have) : types.name(have);
  const auto is_variant = [](std::string_view a, std::string_view b) {
    return a.starts_with(b) && a.substr(b.size()).starts_with("___init");
  };
  const bool strict = (call.info->has(kKfReleases) && reg.ref != 0) || is_variant(want_name, have_name) ||
                      is_variant(have_name, want_name);
  const bool same = !own && (strict ? have == wanted && reg.off == 0
                                    : reg.off >= 0 && holds_struct(types, have, static_cast<u32>(reg.off), wanted));
  const bool projection = (want_name == "__sk_buff" && have_name == "sk_buff") ||
                          (want_name == "xdp_md" && have_name == "xdp_buff");
  return same || projection ||
         reject("kernel function {} args#{} expected pointer to {} {} but R{} has a pointer to {} {}", call.name,
                number - 1, kind_word(types, wanted), want_name, number, "STRUCT", have_name);
}

bool Checker::check_kfunc_dynptr(KfuncCall& call, unsigned number, std::string_view name) {
  if (!Suffixes{name}.has("__uninit")) {
    return use_dynptr(number, std::nullopt, &call.dynptr);
  }
  const Reg& reg = state().reg(number);
  if (reg.type == RegType::kDynptr) {
    return reject("Dynptr has to be an uninitialized dynptr");
  }
  const bool clone = call.name == "bpf_dynptr_clone";
  const DynptrType type = call.name == "bpf_dynptr_from_skb"        ? DynptrType::kSkb
                          : call.name == "bpf_dynptr_from_xdp"      ? DynptrType::kXdp
                          : call.name == "bpf_dynptr_from_skb_meta" ? DynptrType::kSkbMeta
                                                                    : static_cast<DynptrType>(call.dynptr.extra);
  return make_dynptr(number, type, clone ? call.dynptr.ref : 0);
}

bool Checker::check_kfunc_iterator(KfuncCall& call, unsigned number, u32 type) {
  std::string_view name = call.types->name(type);
  name.remove_prefix(std::min(kIterPrefix.size(), name.size()));
  const u32 slots = call.types->size_of(type).value_or(0) / kSlotBytes;
  if (call.info->has(kKfIterNew)) {
    return make_iterator(number, name, type, slots, call.info->has(kKfRcuProtected));
  }
  const Reg* iterator = use_iterator(number, name, type, slots, call.name);
  if (iterator == nullptr) {
    return false;
  }
  call.iterator_in_rcu = iterator->has(kRcuLocked);
  call.reference = iterator->ref;  // what it gives lives as long
  if (call.info->has(kKfIterDestroy)) {
    destroy_iterator(state().reg(number), slots);
  }
  return true;
}

/// Interrupt flags saved in a stack slot.
bool Checker::check_kfunc_irq_flag(const KfuncCall& call, unsigned number) {
  const Reg reg = state().reg(number);
  if (reg.type != RegType::kStack) {
    return reject("arg#{} doesn't point to an irq flag on stack", number - 1);
  }
  const bool saves = call.name == "bpf_local_irq_save" || call.name == "bpf_res_spin_lock_irqsave";
  const bool of_lock = call.name.starts_with("bpf_res_spin_");
  const auto slot = object_slot(reg, "irq_flag", 1);
  Frame& frame = state().frames[reg.frame];
  const bool holds = slot && holds_object(frame, *slot, 1, Byte::kIrqFlag);
  if (saves) {
    if (!slot || (*slot < frame.stack.size() && frame.stack[*slot].bytes[0] == Byte::kIrqFlag)) {
      return reject("expected uninitialized irq flag as arg#{}", number - 1);
    }
    if (!end_dynptr_at(frame, *slot)) {
      return false;
    }
    Reg flag = Reg::pointer(RegType::kIrqFlag);
    flag.extra = of_lock ? 1 : 0;
    flag.ref = new_id();
    state().held.refs.push_back({.id = flag.ref, .insn = insn_, .kind = Reference::Kind::kIrq});
    state().held.irq_id = flag.ref;
    place_object(reg.frame, *slot, 1, Byte::kIrqFlag, flag);
    return true;
  }
  if (!holds) {
    return reject("expected an initialized irq flag as arg#{}", number - 1);
  }
  const Reg flag = frame.stack[*slot].value;
  note_object_read(reg.frame, *slot, 1);
  if (flag.extra != (of_lock ? 1 : 0)) {
    return reject("irq flag acquired by {} kfuncs cannot be restored with {} kfuncs", flag.extra != 0 ? "lock" : "native",
                  of_lock ? "lock" : "native");
  }
  Held& held = state().held;
  if (held.irq_id != flag.ref) {
    for (const Reference& ref : held.refs) {
      if (ref.id == held.irq_id) {
        return reject("cannot restore irq state out of order, expected id={} acquired at insn_idx={}", ref.id, ref.insn);
      }
    }
  }
  std::erase_if(held.refs, [&](const Reference& ref) { return ref.id == flag.ref; });
  held.irq_id = 0;
  for (const Reference& ref : held.refs) {
    held.irq_id = ref.kind == Reference::Kind::kIrq ? ref.id : held.irq_id;
  }
  frame.stack[*slot] = StackSlot{};
  return true;
}

bool Checker::check_kfunc_res_lock(const KfuncCall& call, unsigned number) {
  const Reg reg = state().reg(number);
  if (reg.type != RegType::kMapValue && !(reg.type == RegType::kBtf && reg.has(kOwned))) {
    return reject("arg#{} doesn't point to map value or allocated object", number - 1);
  }
  if (exact_field(number, FieldKind::kResSpinLock, "bpf_res_spin_lock") == nullptr) {
    return false;
  }
  const bool irq = call.name.ends_with("_irqsave") || call.name.ends_with("_irqrestore");
  const auto kind = irq ? Reference::Kind::kResLockIrq : Reference::Kind::kResLock;
  const s32 owner = reg.type == RegType::kMapValue ? reg.extra : -1;
  const bool lock = call.name.starts_with("bpf_res_spin_lock");
  return lock ? take_lock(kind, reg.id, owner) : give_lock(kind, reg.id, owner, "bpf_res_spin");
}

/// Memory and its size in the register behind.
bool Checker::check_kfunc_buffer(KfuncCall& call, unsigned number, std::string_view name, std::string_view size_name) {
  const Reg reg = state().reg(number);
  if (!check_readable(number + 1)) {
    return false;
  }
  const Reg size = state().reg(number + 1);
  if (!size.is_scalar()) {
    return reject("R{} is not a scalar", number + 1);
  }
  if (!(reg.is_null_constant() && Suffixes{name}.has("__opt"))) {
    const auto blame = [&] {
      return explain("arg#{} arg#{} memory, len pair leads to invalid memory access", number - 1, number);
    };
    if (size.bounds.w.smin < 0) {
      reject("R{} min value is negative, either use unsigned or 'var &= const'", number + 1);
      return blame();
    }
    constexpr u64 kMaxSize = u64{1} << 29;  // BPF_MAX_VAR_SIZ
    if (size.bounds.w.umax >= kMaxSize) {
      reject("R{} unbounded memory access, use 'var &= const' or 'if (var < const)'", number + 1);
      return blame();
    }
    const bool null = reg.is_null_constant() && size.bounds.w.umax != 0;
    if (null ? !reject("R{} type={} expected=fp", number, type_name(reg))
             : !check_kfunc_memory(number, static_cast<u32>(size.bounds.w.umax))) {
      return blame();
    }
    make_precise(number + 1);
  }
  if (Suffixes{size_name}.has("__szk")) {
    if (!size.bounds.is_constant()) {
      return reject("R{} must be a known constant", number + 1);
    }
    call.constant = size.bounds.value();
    call.has_constant = true;
    make_precise(number + 1);
  }
  return true;
}

/// Memory that the function may read and write, or NULL.
bool Checker::check_kfunc_memory(unsigned number, u32 bytes) {
  if (state().reg(number).is_null_constant()) {
    return true;
  }
  return as_not_null(number, [&](const Reg&) {
    return check_memory_argument({.number = number, .bytes = bytes, .zero_size = true}) &&
           check_memory_argument({.number = number, .bytes = bytes, .access = Access::kWrite, .zero_size = true});
  });
}

/// What is not memory may not have moved by an unknown distance.
bool Checker::check_fixed_object(const Reg& reg) {
  if (reg.type != RegType::kBtf) {
    return true;
  }
  return (reg.bounds.is_constant() && reg.bounds.value() == 0) ||
         reject("variable {} access var_off={} disallowed", type_name(reg), reg.bounds.bits.text());
}

bool Checker::check_kfunc_pointer(KfuncCall& call, unsigned index, unsigned& next) {
  const Btf& types = *call.types;
  const unsigned number = index + 1;
  const Btf::Param param = types.param(call.proto, index);
  const Suffixes suffix{param.name};
  const auto pointer = types.strip(param.type);
  const u32 target = types.strip(types.target(*pointer)).value_or(0);
  const std::string_view struct_name = target == 0 ? "" : types.name(target);
  const Reg reg = state().reg(number);
  const bool nullable = suffix.has("__nullable");
  const bool strict = call.info->has(kKfTrusted) || call.info->has(kKfRcu) || call.info->has(kKfReleases);
  if (strict && (reg.is_null_constant() || reg.maybe_null) && !nullable) {
    return reject("Possibly NULL pointer passed to trusted arg{}", index);
  }
  if (reg.ref != 0) {
    if (call.info->has(kKfReleases) && call.reference != 0) {
      return reject("more than one arg with ref_obj_id R{} {} {}", number, reg.ref, call.reference);
    }
    call.reference = reg.ref;
    call.released = call.info->has(kKfReleases) ? number : 0;
  }
  const bool is_context = call.name == "bpf_cast_to_kern_ctx" || is_context_name(program_.type, struct_name);
  if (is_context && (reg.type == RegType::kCtx || reg.type != RegType::kBtf)) {
    return reg.type == RegType::kCtx
               ? check_fixed_pointer(number, reg)
               : reject("arg#{} expected pointer to ctx, but got {}", index, type_name(reg));
  }
  if (nullable && reg.is_null_constant()) {
    return true;
  }
  if (suffix.has("__alloc")) {
    const bool percpu = reg.type == RegType::kBtf && reg.has(kOwned) && reg.has(kPerCpu) && !reg.has(kRcu | kUntrusted);
    if (strict && !is_trusted(reg)) {
      return reject("R{} must be referenced or trusted", number);
    }
    if (!is_plain_object(reg) && !percpu) {
      return reject("arg#{} expected pointer to allocated object", index);
    }
    const std::string_view taker = percpu ? "bpf_percpu_obj_drop_impl" : "bpf_obj_drop_impl";
    if (call.name != taker) {
      return reject("arg#{} expected for {}()", index, taker);
    }
    return reg.ref != 0 ? reg.off == 0 || reject("R{} must have zero offset when passed to release func or trusted arg to kfunc", number)
                        : reject("allocated object must be referenced");
  }
  if (suffix.has("__refcounted_kptr")) {
    return check_fixed_object(reg) && check_counted_object(call, number);
  }
  if (struct_name == kDynptrName) {
    return check_kfunc_dynptr(call, number, param.name);
  }
  if (suffix.has("__iter") ||
      (index == 0 && (call.info->has(kKfIterNew) || call.info->has(kKfIterNext) || call.info->has(kKfIterDestroy)))) {
    return check_kfunc_iterator(call, number, target);
  }
  if (struct_name == "bpf_list_head" || struct_name == "bpf_rb_root") {
    return check_fixed_object(reg) &&
           check_collection(call, number, struct_name == "bpf_list_head" ? FieldKind::kListHead : FieldKind::kRbRoot);
  }
  if (struct_name == "bpf_list_node" || struct_name == "bpf_rb_node") {
    return check_fixed_object(reg) &&
           check_collection_node(call, number, struct_name == "bpf_list_node" ? FieldKind::kListNode : FieldKind::kRbNode);
  }
  if (suffix.has("__str")) {
    return reg.type == RegType::kMapValue ? check_const_string(number, reg)
                                          : reject("arg#{} doesn't point to a const string", index);
  }
  if (suffix.has("__map")) {
    if (reg.type != RegType::kMapPtr) {
      return reject("pointer in R{} isn't map pointer", number);
    }
    return call.map < 0 || (call.map == reg.extra && call.map_uid == reg.uid) ||
           reject("{} pointer in R{} map_uid={} doesn't match map pointer in R{} map_uid={}",
                  call.name.starts_with("bpf_task_work_") ? "bpf_task_work" : "workqueue", number - 1, call.map_uid, number,
                  reg.uid);
  }
  if (struct_name == "bpf_wq" || struct_name == "bpf_task_work") {
    if (reg.type != RegType::kMapValue) {
      return reject("arg#{} doesn't point to a map value", index);
    }
    call.map = reg.extra;
    call.map_uid = reg.uid;
    const FieldKind kind = struct_name == "bpf_wq" ? FieldKind::kWorkQueue : FieldKind::kTaskWork;
    return exact_field(number, kind, struct_name) != nullptr;
  }
  if (suffix.has("__irq_flag")) {
    return check_kfunc_irq_flag(call, number);
  }
  if (struct_name == "bpf_res_spin_lock") {
    return check_kfunc_res_lock(call, number);
  }
  const bool has_type = reg.type == RegType::kBtf || reg.type == RegType::kMapPtr ||
                        (is_socket(reg.type) && reg.type != RegType::kXdpSock);
  if (has_type) {
    return target != 0 && types.is_composite(target)
               ? check_kfunc_object(call, number, target)
               : reject("kernel function {} args#{} pointer type {} {} is not supported", call.name, index,
                        kind_word(types, target), struct_name);
  }
  if (target != 0 && types.kind(target) == BtfKind::kFuncProto) {
    call.callback = number;
    return reg.type == RegType::kFunc || reject("arg{} expected pointer to func", index);
  }
  const bool sized = index + 1 < types.vlen(call.proto) &&
                     (Suffixes{types.param(call.proto, index + 1).name}.has("__sz") ||
                      Suffixes{types.param(call.proto, index + 1).name}.has("__szk"));
  const bool scalar = target != 0 && (is_number(types, target) ||
                                      (types.is_composite(target) && is_scalar_struct(types, target)));
  if (!scalar && !(sized && target == 0)) {
    return reject("arg#{} pointer type {} {} must point to {}scalar, or struct with scalar", index,
                  kind_word(types, target), struct_name, sized ? "void, " : "");
  }
  if (sized) {
    ++next;
    return check_kfunc_buffer(call, number, param.name, types.param(call.proto, index + 1).name);
  }
  return check_kfunc_memory(number, types.size_of(target).value_or(0));
}

bool Checker::check_kfunc_arguments(KfuncCall& call) {
  const Btf& types = *call.types;
  const unsigned count = types.vlen(call.proto);
  if (count > 5) {
    return reject("Function {} has {} > 5 args", call.name, count);
  }
  for (unsigned i = 0, next = 1; i < count; i = next, ++next) {
    const Btf::Param param = types.param(call.proto, i);
    const auto type = types.strip(param.type);
    const bool ignored = Suffixes{param.name}.has("__ign") || Suffixes{param.name}.has("__prog");
    if (ignored) {
      continue;
    }
    if (!check_readable(i + 1)) {
      return false;
    }
    if (!type || *type == 0 || (!is_number(types, *type) && types.kind(*type) != BtfKind::kPtr)) {
      return reject("Unrecognized arg#{} type {}", i, kind_word(types, type.value_or(0)));
    }
    if (is_number(types, *type) ? !check_kfunc_number(call, i + 1, param.name) : !check_kfunc_pointer(call, i, next)) {
      return false;
    }
  }
  if (call.info->has(kKfReleases) && call.released == 0) {
    return reject("release kernel function {} expects refcounted PTR_TO_BTF_ID", call.name);
  }
  return true;
}

}  // namespace kiln::verifier
