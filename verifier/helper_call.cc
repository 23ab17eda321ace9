// SPDX-License-Identifier: Apache-2.0
//
// Helper calls: is the helper there for this program, and what is known afterwards.
//
// Rules: the helper is in helpers.def for the program's type and licence; its arguments fit
// (helper_args.cc); afterwards R0 is as the prototype says, R1-R5 are unreadable; a helper that moves
// the packet turns every packet pointer, and every slice of a dynptr over the packet, into a number.
#include "checker.h"
#include "helper_rules.h"

namespace kiln::verifier {
namespace {

bool is_skb_dynptr(const Reg& reg) {
  const auto type = static_cast<DynptrType>(reg.extra);
  return reg.type == RegType::kDynptr && (type == DynptrType::kSkb || type == DynptrType::kSkbMeta);
}

}  // namespace

/// data, data_end and data_meta may have moved: nothing computed from them is an address any more.
void Checker::forget_packet_pointers() {
  invalidate([](const Reg& reg) {
    // The memory that a global function was given may be packet bytes.
    const bool argument = reg.type == RegType::kMem && reg.flags == 0 && reg.ref == 0 && reg.uid == 0;
    return is_packet_pointer(reg.type) || reg.type == RegType::kPacketEnd || reg.has(kPacketSlice) || argument;
  });
}

bool Checker::set_result(const CallContext& call) {
  constexpr u64 kMaxProcessors = 8192;  // CONFIG_NR_CPUS never exceeds it
  constexpr s64 kMaxErrno = 4095;
  Reg result;
  const auto object = [this](RegType type) {
    Reg reg = Reg::pointer(type);
    reg.maybe_null = true;
    reg.id = new_id();
    return reg;
  };
  switch (call.helper->result) {
    case HelperResult::kVoid:
      break;
    case HelperResult::kProcessor:
      result = Reg::unknown();
      result.bounds.w.limit_unsigned(0, kMaxProcessors - 1);
      result.bounds.sync();
      break;
    case HelperResult::kLength:
      result = Reg::unknown();
      result.bounds.w.limit_signed(-kMaxErrno, static_cast<s64>(call.size_max));
      result.bounds.h.limit_signed(static_cast<s32>(-kMaxErrno), static_cast<s32>(call.size_max));
      result.bounds.sync();
      break;
    case HelperResult::kMapValue:
    case HelperResult::kMapValueOrNull: {
      result = Reg::pointer(RegType::kMapValue);
      result.extra = call.map;
      const MapSpec& map = object_.maps[static_cast<std::size_t>(call.map)];
      // Arrays have every element from the start.
      const bool is_array = map.type == MapType::kArray || map.type == MapType::kPercpuArray;
      const bool lookup = static_cast<HelperId>(call.helper->number) == HelperId::map_lookup_elem;
      constexpr u32 kInnerMapFlag = 1u << 12;  // BPF_F_INNER_MAP: the size may differ
      const bool sized = (map.flags & kInnerMapFlag) == 0;
      const bool always = call.helper->result == HelperResult::kMapValue ||
                          (lookup && is_array && sized && call.constant_key && *call.constant_key < map.max_entries);
      result.maybe_null = !always;
      result.id = always && !keeps_id(result) ? 0 : new_id();
      result.uid = call.map_uid;
      break;
    }
    case HelperResult::kSocketOrNull:
      result = object(RegType::kSocket);
      break;
    case HelperResult::kSockCommonOrNull:
      result = object(RegType::kSockCommon);
      break;
    case HelperResult::kTcpSockOrNull:
      result = object(RegType::kTcpSock);
      break;
    case HelperResult::kRingbufMemOrNull:
      result = object(RegType::kMem);
      result.extra = static_cast<s32>(call.alloc_size);
      result.set(kRingbuf);
      break;
    case HelperResult::kKptrOrNull:
      result = exchanged(call);
      break;
    case HelperResult::kPercpuVariable:
    case HelperResult::kPercpuVariableOrNull:
      result = part_of_percpu(state().reg(1));
      result.maybe_null = call.helper->result == HelperResult::kPercpuVariableOrNull;
      result.id = result.maybe_null ? new_id() : 0;
      break;
    case HelperResult::kDynptrMemOrNull:
      result = object(RegType::kMem);
      result.extra = static_cast<s32>(call.alloc_size);
      result.uid = call.dynptr.id;
      break;
    default:
      if (const std::string_view name = result_struct(call.helper->result); !name.empty()) {
        const bool always = call.helper->result == HelperResult::kBtfTaskTrusted || call.helper->result == HelperResult::kBtfPtRegs;
        result = always ? Reg::pointer(RegType::kBtf) : object(RegType::kBtf);
        result.set(call.helper->result == HelperResult::kBtfTaskTrusted ? kTrusted : 0u);
        if (!name_kernel_type(result, name)) {
          return false;
        }
        break;
      }
      result = Reg::unknown();
      break;
  }
  if (call.helper->result == HelperResult::kDynptrMemOrNull) {
    result.ref = call.dynptr.ref;
  } else if (call.helper->has(kCastsPointer)) {
    result.ref = call.reference;
  } else if (call.helper->has(kAcquires) || acquires_from_map(call)) {
    result.id = result.ref = acquire_reference();
  }
  for (unsigned r = 1; r <= 5; ++r) {
    set_reg(r, Reg{});
  }
  set_reg(0, result);
  return true;
}

/// An element of a socket map is taken, and must be released.
bool Checker::acquires_from_map(const CallContext& call) const {
  if (static_cast<HelperId>(call.helper->number) != HelperId::map_lookup_elem || call.map < 0) {
    return false;
  }
  const MapType type = object_.maps[static_cast<std::size_t>(call.map)].type;
  return type == MapType::kSockmap || type == MapType::kSockhash;
}

/// What the helper takes back.
bool Checker::release_arguments(const CallContext& call) {
  if (call.released == 0) {
    return true;
  }
  if (call.helper->args[call.released - 1] == HelperArg::kDynptrRingbufRelease) {
    return release_dynptr(call.released);
  }
  const bool exchanges = call.helper->args[call.released - 1] == HelperArg::kKptrRelease;
  if (state().reg(call.released).is_null_constant() ||
      (exchanges ? release_exchanged(call.reference) : release_reference(call.reference))) {
    return true;
  }
  return reject("func bpf_{}#{} reference has not been acquired before", call.helper->name, call.helper->number);
}

/// Rules of single helpers.
bool Checker::check_call_rules(const CallContext& call) {
  switch (static_cast<HelperId>(call.helper->number)) {
    case HelperId::get_retval:
    case HelperId::set_retval:
      return has_retval(rules_.attach) ||
             reject("program of this type cannot use helper bpf_{}#{}", call.helper->name, call.helper->number);
    case HelperId::get_local_storage:
      if (!state().reg(2).is_null_constant()) {
        return reject("get_local_storage() doesn't support non-zero flags");
      }
      make_precise(2);
      return true;
    case HelperId::map_update_elem:
    case HelperId::map_delete_elem: {
      const MapType type = object_.maps[static_cast<std::size_t>(call.map)].type;
      const bool sockets = type == MapType::kSockmap || type == MapType::kSockhash;
      const bool deletes = static_cast<HelperId>(call.helper->number) == HelperId::map_delete_elem;
      return !sockets || may_update_sockmap(program_.type, rules_.attach, deletes) ||
             reject("cannot update sockmap in this context");
    }
    default:
      return true;
  }
}

bool Checker::check_may_sleep(const HelperInfo& helper) {
  const Held& held = state().held;
  if (!state().sleepable) {
    return reject("helper call might sleep in a non-sleepable prog");
  }
  const char* region = held.rcu != 0       ? "rcu_read_lock"
                       : held.preempt != 0 ? "non-preemptible"
                       : held.irq_id != 0  ? "IRQ-disabled"
                                           : nullptr;
  return region == nullptr || reject("sleepable helper bpf_{}#{} in {} region", helper.name, helper.number, region);
}

/// Congestion control and iterators over sockets have these helpers beside their program type's, in the form that hooks have.
bool Checker::has_socket_helper(HelperId id) const {
  const Operation* operation = traced_ ? traced_->operation() : nullptr;
  const bool congestion = operation != nullptr && operation->type == "tcp_congestion_ops";
  switch (id) {
    case HelperId::sk_storage_get:
    case HelperId::sk_storage_delete: return congestion;
    case HelperId::setsockopt:
    case HelperId::getsockopt: return congestion || (traced_ && traced_->walks_sockets());
    default: return false;
  }
}

bool Checker::call_helper() {
  const u32 number = static_cast<u32>(insn().imm);
  CallContext call;
  call.helper = find_helper(number, has_socket_helper(static_cast<HelperId>(number)) ? ProgramType::kLsm : program_.type);
  if (call.helper == nullptr) {
    const std::string_view name = number == 0 ? "unspec" : helper_name(number);
    return name.empty() ? reject("invalid func unknown#{}", insn().imm)
                        : reject("program of this type cannot use helper bpf_{}#{}", name, number);
  }
  if (call.helper->has(kGplOnly) && !is_gpl_compatible(object_.license)) {
    return reject("cannot call GPL-restricted function from non-GPL compatible program");
  }
  if (call.helper->has(kMightSleep) && !check_may_sleep(*call.helper)) {
    return false;
  }
  if (!check_arguments(call)) {
    return false;
  }
  if (!release_arguments(call)) {
    return false;
  }
  if (const std::string what = not_followed(*call.helper); !what.empty()) {
    return reject("helper bpf_{}#{} is not supported: this verifier does not follow {}", call.helper->name, number, what);
  }
  if (static_cast<HelperId>(number) == HelperId::tail_call) {
    if (!check_nothing_held("tail_call", true, true)) {
      return false;
    }
    const Reg& index = state().reg(3);
    const bool resolved = call.map >= 0 && index.is_constant() &&
                          index.bounds.value() < object_.maps[static_cast<std::size_t>(call.map)].max_entries;
    if (resolved) {
      make_precise(3);  // back ends may know the target
    }
  }
  if (!check_call_rules(call) || (call.helper->has(kCallsBack) && !call_back(call))) {
    return false;
  }
  const bool moves = call.helper->has(kMovesPacket) ||
                     (static_cast<HelperId>(number) == HelperId::dynptr_write && is_skb_dynptr(call.dynptr));
  if (!set_result(call)) {
    return false;
  }
  if (static_cast<HelperId>(number) == HelperId::tail_call) {
    return return_early(Reg::unknown(), true);  // the program called so returns to our caller
  }
  if (moves) {
    forget_packet_pointers();
  }
  return true;
}

}  // namespace kiln::verifier
