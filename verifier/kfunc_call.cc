// SPDX-License-Identifier: Apache-2.0
//
// Calls of kernel functions: may this program call it here, and what is known afterwards.
//
// Rules: the function is in the kernel's BTF and in kfuncs.def for the program's type; the licence is GPL; one
// that sleeps needs a program and a place that may; one about RCU needs an RCU section. Its arguments fit the
// prototype (kfunc_args.cc). Afterwards R0 is as the prototype says. Sections nest as they are entered.
#include "kfunc_call.h"

#include <algorithm>

#include "checker.h"
#include "kernel_names.h"
#include "helper_rules.h"

namespace kiln::verifier {

namespace {

bool is_node(std::string_view type) { return type == "bpf_list_node" || type == "bpf_rb_node"; }

bool begins_or_ends(const KfuncCall& call, std::string_view begin, std::string_view end) {
  return call.name == begin || call.name == end;
}

}  // namespace

bool Checker::resolve_kfunc(u32 slot, KfuncCall& call) {
  const u32 id = static_cast<u32>(program_.insns[slot].imm);
  const Btf* types = kernel_types();
  if (types == nullptr) {
    return reject("calling kernel function (BTF id {}) needs the kernel's BTF, which is not here", id);
  }
  if (id == 0 || id >= types->count() || types->kind(id) != BtfKind::kFunc) {
    return reject("kernel btf_id {} is not a function", id);
  }
  call.types = types;
  call.proto = types->target(id);
  call.name = types->name(id);
  call.info = find_kfunc(call.name);
  const bool for_iterators = call.name == "bpf_sock_destroy";
  if (call.info == nullptr || (call.info->programs & program_set(program_.type)) == 0 ||
      (for_iterators && rules_.attach != AttachType::kTraceIter)) {
    return reject("calling kernel function {} is not allowed", call.name);
  }
  return true;
}

/// The kernel function that an instruction calls; empty: it calls none, or one that the types have not.
std::string_view Checker::kernel_function_at(u32 at) {
  const Decoded& call = structure_.code[at];
  const Btf* types = call.info != nullptr && call.is_kfunc_call() ? kernel_types() : nullptr;
  const u32 id = static_cast<u32>(program_.insns[at].imm);
  return types != nullptr && id < types->count() ? types->name(id) : std::string_view();
}

/// Inside a section, only what is known to be quick.
bool Checker::may_call_under_lock() {
  if (decoded().is_subprogram_call()) {
    return true;
  }
  if (!decoded().is_kfunc_call()) {
    const auto helper = static_cast<HelperId>(insn().imm);
    return helper == HelperId::spin_unlock;
  }
  const std::string_view name = kernel_function_at(insn_);
  if (name.empty()) {
    return true;  // refused for that
  }
  return name.starts_with("bpf_iter_num_") || name.starts_with("bpf_res_spin_") || name.starts_with("bpf_list_") ||
         name.starts_with("bpf_rbtree_") || name == "bpf_refcount_acquire_impl" || name == "bpf_stream_vprintk_impl";
}

bool Checker::in_rcu_section() const {
  return state().held.rcu != 0 || state().held.locks != 0 || !state().sleepable;
}

/// RCU, preemption: what the call begins or ends, and where it may not be.
bool Checker::check_sections(const KfuncCall& call) {
  Held& held = state().held;
  const bool sleeps = call.info->has(kKfSleeps);
  const bool rcu_lock = call.name == "bpf_rcu_read_lock", rcu_unlock = call.name == "bpf_rcu_read_unlock";
  if (rcu_lock) {
    if (held.rcu != 0) {
      return reject("nested rcu read lock (kernel function {})", call.name);
    }
    ++held.rcu;
  } else if (rcu_unlock && held.rcu == 0) {
    return reject("unmatched rcu read unlock (kernel function {})", call.name);
  } else if (rcu_unlock) {
    --held.rcu;
    leave_rcu_section();
  } else if (held.rcu != 0 && sleeps) {
    return reject("kernel func {} is sleepable within rcu_read_lock region", call.name);
  }
  if (call.name == "bpf_preempt_disable") {
    ++held.preempt;
  } else if (call.name == "bpf_preempt_enable") {
    if (held.preempt == 0) {
      return reject("unmatched attempt to enable preemption (kernel function {})", call.name);
    }
    --held.preempt;
  } else if (held.preempt != 0 && sleeps) {
    return reject("kernel func {} is sleepable within non-preemptible region", call.name);
  }
  if (held.irq_id != 0 && sleeps) {
    return reject("kernel func {} is sleepable within IRQ-disabled region", call.name);
  }
  if (call.info->has(kKfRcuProtected) && !in_rcu_section()) {
    return reject("kernel func {} requires RCU critical section protection", call.name);
  }
  return true;
}

/// Pointers that RCU kept valid may be stale from here on.
void Checker::leave_rcu_section() {
  const auto expire = [](Reg& reg) {
    if (reg.has(kRcu) || reg.has(kRcuLocked)) {
      reg.clear(kRcu | kRcuLocked);
      reg.maybe_null = false;
      reg.set(kUntrusted);
    }
  };
  for_each_reg(state(), expire);
  for (Frame& frame : state().frames) {
    for (StackSlot& slot : frame.stack) {
      if (slot.bytes[0] == Byte::kIter) {
        expire(slot.value);
      }
    }
  }
}

/// What a pointer result points at. False: refused.
bool Checker::pointer_result(KfuncCall& call, u32 target, Reg& result) {
  const auto plain = call.types->strip(target);
  if (call.name == "bpf_dynptr_slice" || call.name == "bpf_dynptr_slice_rdwr") {
    const auto type = static_cast<DynptrType>(call.dynptr.extra);
    result = Reg::pointer(RegType::kMem);
    result.extra = static_cast<s32>(call.constant);
    result.uid = call.dynptr.id;
    const bool packet = type == DynptrType::kSkb || type == DynptrType::kXdp || type == DynptrType::kSkbMeta;
    result.set((packet ? kPacketSlice : 0u) | (call.name == "bpf_dynptr_slice" ? kReadOnly : 0u));
    if (call.name == "bpf_dynptr_slice_rdwr" && !rules_.packet_write) {
      return reject("the prog does not allow writes to packet data");
    }
  } else if (call.name == "bpf_obj_new_impl" || call.name == "bpf_percpu_obj_new_impl") {
    return new_object(call, result);
  } else if (call.name == "bpf_refcount_acquire_impl") {
    result = Reg::pointer(RegType::kBtf);
    result.extra = static_cast<s32>(call.object_type);
    result.set(kOwned);
  } else if (plain && *plain != 0 && is_node(call.types->name(*plain)) && call.collection != nullptr) {
    result = element_of(*call.collection);
    if (!call.info->has(kKfAcquires)) {
      make_borrowed(result);
    }
  } else if (call.name == "bpf_cast_to_kern_ctx") {
    result = Reg::pointer(RegType::kBtf);
    result.set(kTrusted);
    return name_kernel_type(result, kernel_context(program_.type));
  } else if (call.name == "bpf_rdonly_cast") {
    return cast_result(call, result);
  } else if (!plain || *plain == 0) {
    result = Reg::unknown();  // "void *" is as good as a number
  } else if (!call.types->is_composite(*plain)) {
    const u32 size = call.result_size != 0 ? call.result_size : call.types->size_of(*plain).value_or(0);
    if (size == 0) {
      return reject("kernel function {} returns pointer type {} is not supported", call.name, call.types->name(*plain));
    }
    result = Reg::pointer(RegType::kMem);
    result.extra = static_cast<s32>(size);
    result.set(call.result_size == 0 ? kReadOnly : 0u);
    result.ref = call.reference;
  } else {
    result = Reg::pointer(RegType::kBtf);
    result.extra = static_cast<s32>(*plain);
    const bool rcu = call.info->has(kKfRcuProtected) || (call.info->has(kKfIterNext) && call.iterator_in_rcu);
    result.set(call.name == "bpf_get_kmem_cache" ? kUntrusted : rcu ? kRcu : call.info->has(kKfIterNext) ? kTrusted : 0u);
  }
  return true;
}

/// bpf_obj_new() and bpf_percpu_obj_new(): a structure of the program's own types.
bool Checker::new_object(const KfuncCall& call, Reg& result) {
  constexpr u32 kMaxPercpuBytes = 512;  // BPF_GLOBAL_PERCPU_MA_MAX_SIZE
  if (call.constant > std::numeric_limits<u32>::max()) {
    return reject("local type ID argument must be in range [0, U32_MAX]");
  }
  const Btf* own = program_types();
  if (own == nullptr) {
    return reject("bpf_obj_new/bpf_percpu_obj_new requires prog BTF");
  }
  const u32 type = static_cast<u32>(call.constant);
  if (type == 0 || type >= own->count() || own->kind(type) != BtfKind::kStruct) {
    return reject("bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct");
  }
  result = Reg::pointer(RegType::kBtf);
  result.extra = static_cast<s32>(type);
  result.set(kOwned);
  if (call.name == "bpf_obj_new_impl") {
    return true;
  }
  result.set(kPerCpu);
  if (own->byte_size(type) > kMaxPercpuBytes) {
    return reject("bpf_percpu_obj_new type size ({}) is greater than {}", own->byte_size(type), kMaxPercpuBytes);
  }
  if (!is_scalar_struct(*own, type)) {
    return reject("bpf_percpu_obj_new type ID argument must be of a struct of scalars");
  }
  return object_fields(type).empty() || reject("bpf_percpu_obj_new type ID argument must not contain special fields");
}

bool Checker::cast_result(const KfuncCall& call, Reg& result) {
  const u32 id = static_cast<u32>(call.constant);
  result = Reg::pointer(call.constant == 0 ? RegType::kMem : RegType::kBtf);
  result.set(kUntrusted | (call.constant == 0 ? kReadOnly : 0u));
  if (call.constant == 0) {
    return true;  // of no size: every load is checked when it is made
  }
  if (id >= call.types->count()) {
    return reject("Unknown type ID {} passed to kfunc bpf_rdonly_cast", id);
  }
  if (!call.types->is_composite(id)) {
    return reject("kfunc bpf_rdonly_cast type ID argument must be of a struct or void");
  }
  result.extra = static_cast<s32>(id);
  return true;
}

/// R0 after the call, and what it must be released for.
bool Checker::set_kfunc_result(KfuncCall& call) {
  const auto type = call.types->strip(call.types->target(call.proto));
  Reg result;
  if (type && *type != 0 && call.types->kind(*type) == BtfKind::kPtr) {
    if (!pointer_result(call, call.types->target(*type), result)) {
      return false;
    }
    // A reference more of what the program owns can't fail.
    const bool always = call.name == "bpf_refcount_acquire_impl" && call.owning;
    if (result.is_pointer() && call.info->has(kKfMayBeNull) && !always) {
      result.maybe_null = true;
      result.id = new_id();
    }
    if (call.info->has(kKfAcquires)) {
      const u32 reference = acquire_reference();
      result.id = result.maybe_null ? reference : result.id;
      result.ref = reference;
    }
    if (keeps_id(result) && result.id == 0) {
      result.id = new_id();
    }
  } else if (type && *type != 0) {
    result = Reg::unknown();
    if (begins_or_ends(call, "bpf_res_spin_lock", "bpf_res_spin_lock_irqsave")) {
      result = Reg::constant(0);
    }
  }
  set_reg(0, result);
  return true;
}

/// bpf_res_spin_lock() may fail: a path on which it has not been taken.
void Checker::fork_failed_lock(const KfuncCall& call) {
  if (!begins_or_ends(call, "bpf_res_spin_lock", "bpf_res_spin_lock_irqsave")) {
    return;
  }
  constexpr s64 kMaxErrno = 4095;
  auto failed = std::make_unique<State>(state());
  failed->last_insn = insn_;
  failed->insn = insn_ + 1;
  for (unsigned r = 1; r <= 5; ++r) {
    failed->reg(r) = Reg{};
  }
  Reg error = Reg::unknown();
  error.bounds.h.limit_signed(static_cast<s32>(-kMaxErrno), -1);
  error.bounds.sync();
  failed->reg(0) = error;
  push_branch(std::move(failed));
}

/// bpf_throw(): the program ends here, in whichever frame, with R1 unless a subprogram catches it.
Step Checker::throw_exception() {
  const bool caught = std::any_of(structure_.subprograms.begin(), structure_.subprograms.end(),
                                  [](const SubprogramInfo& sub) { return sub.catches; });
  const bool ok = (caught || check_return_value(1)) && check_nothing_held("bpf_throw", true, true);
  return ok ? Step::kEnd : Step::kReject;
}

Step Checker::call_kfunc() {
  KfuncCall call;
  if (!check_kfunc_call(call)) {
    return Step::kReject;
  }
  return call.name == "bpf_throw" ? throw_exception() : Step::kNext;
}

bool Checker::check_kfunc_call(KfuncCall& call) {
  if (!is_gpl_compatible(object_.license)) {
    return reject("cannot call kernel function from non-GPL compatible program");
  }
  if (!resolve_kfunc(insn_, call)) {
    return false;
  }
  if (call.name.starts_with("bpf_xdp_metadata_")) {
    return reject("metadata kfuncs require device-bound program");
  }
  if (call.name == "__bpf_trap") {
    return reject("unexpected __bpf_trap() due to uninitialized variable?");
  }
  fork_failed_lock(call);
  if (call.info->has(kKfSleeps) && !state().sleepable) {
    return reject("program must be sleepable to call sleepable kfunc {}", call.name);
  }
  if (!check_kfunc_arguments(call) || !call_back(call) || !check_sections(call)) {
    return false;
  }
  if (call.released != 0 && !release_reference(call.reference)) {
    return reject("kfunc {}#{} reference has not been acquired before", call.name, insn().imm);
  }
  if (puts_into_collection(call.name)) {
    give_to_collection(state().reg(2).ref);
  }
  if (call.name == "bpf_throw") {
    return true;  // and nothing follows
  }
  const Reg iterator = state().reg(1);
  for (unsigned r = 0; r <= 5; ++r) {
    set_reg(r, Reg{});
  }
  if (!set_kfunc_result(call)) {
    return false;
  }
  if (call.name == "bpf_xdp_pull_data") {
    forget_packet_pointers();
  }
  if (call.info->has(kKfIterNext)) {
    advance_iterator(iterator);
  }
  return true;
}

}  // namespace kiln::verifier
